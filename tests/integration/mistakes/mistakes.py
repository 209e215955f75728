"""All mistakes, in order. scripts/mistakes prints them, test_mistakes.py checks the answers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import agent_mistakes  # noqa: E402
import cluster_mistakes  # noqa: E402
from transcript import Transcript  # noqa: E402

EXPECTED = Path(__file__).resolve().parent / "expected.txt"


def make_mistakes(show: bool = False) -> Transcript:
    """Call this in the namespaces of transcript.enter_namespaces()."""
    transcript = Transcript(show=show)
    agent_mistakes.make_all(transcript)
    cluster_mistakes.make_all(transcript)
    return transcript
