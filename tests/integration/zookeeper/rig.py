"""What the ZooKeeper tests share: the version under test."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import ZooKeeperEnsemble, main  # noqa: E402

# The last argument says which ZooKeeper; unittest gets the others.
VERSION = sys.argv.pop() if sys.argv[-1] in ("38", "39") else "39"
SERVICE = f"zookeeper{VERSION}"


def run_tests(*services: str) -> None:
    main(SERVICE, *services)


def ensemble(directory: Path, members: int = 3, **options) -> ZooKeeperEnsemble:
    return ZooKeeperEnsemble(directory, SERVICE, members, **options)
