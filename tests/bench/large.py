"""Large repositories: `scripts/bench index` opens an index of ten million blobs, each time in a new process
(index_bench.cc); `scripts/bench directory` saves and restores a million files in one directory. Prints tables like
those in docs/performance.md and marks results that miss a promise.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from repository import Holdfast, Table, measure, tool

BLOBS = 10_000_000
FILES = 1_000_000
PROMISED_BYTES = 60
PROMISED_SECONDS = 2
PROMISED_MB = 400


def index(directory: Path, rounds: int, blobs: int = BLOBS) -> None:
    """Needs 1.3 GB of disk space while it runs."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as place:

        def measured(*words: str) -> dict:
            done = subprocess.run([tool("index_bench"), *words], stdout=subprocess.PIPE, check=True)
            return json.loads(done.stdout)

        print(f"bench: making an index of {blobs} blobs", file=sys.stderr, flush=True)
        made = measured("make", place, str(blobs))
        kept = measured("keep", place)
        os.sync()
        cache = next((Path(place) / "cache").iterdir())
        taken: dict[str, list[dict]] = {"index files": [], "cache": [], "cache, not in memory": []}
        for _ in range(rounds):
            taken["index files"].append(measured("open", place, str(blobs), "storage"))
            taken["cache"].append(measured("open", place, str(blobs), "cache"))
            with open(cache, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            taken["cache, not in memory"].append(measured("open", place, str(blobs), "cache"))
        size = sum(file.stat().st_size for file in (Path(place) / "repository" / "index").iterdir())
        title = f"index of {blobs} blobs, {made['files']} files of {size / 1e6:.0f} MB together"
        print(f"\n### {title}, median of {rounds}\n")
        print("| opened from | seconds | bytes per blob | resident | peak | found per s | unknown per s | |")
        print("|---|---:|---:|---:|---:|---:|---:|---|")
        for source, rows in taken.items():
            middle = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
            is_slow = source != "index files" and middle["seconds"] > PROMISED_SECONDS
            columns = [f"{middle['seconds']:.2f}"]
            columns += [f"{middle[name]:.1f}" for name in ("index_bytes", "resident_bytes", "peak_bytes")]
            columns += [f"{middle[name]:.0f}" for name in ("found_per_second", "unknown_per_second")]
            columns += ["MISSED" if is_slow or middle["index_bytes"] > PROMISED_BYTES else ""]
            print(f"| {source} | {' | '.join(columns)} |")
        print(f"\nThe cache, {cache.stat().st_size / 1e6:.0f} MB, was written in {kept['seconds']:.2f} s.", flush=True)


def _make_files(root: Path) -> None:
    """Creates files of a few bytes, all different."""
    root.mkdir(parents=True)
    parent = os.open(root, os.O_DIRECTORY)
    for number in range(FILES):
        file = os.open(f"message-{number:07d}.eml", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=parent)
        os.write(file, b"%d" % number)
        os.close(file)
    os.close(parent)


def one_directory(directory: Path, rounds: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    data = directory / "data"
    if not data.is_dir():
        print(f"bench: making {FILES} files", file=sys.stderr, flush=True)
        making = directory / "making"
        shutil.rmtree(making, ignore_errors=True)
        _make_files(making)
        making.rename(data)
    table = Table(f"{FILES} files in one directory, median of {rounds}")
    program = Holdfast(directory, data)
    target = directory / "restored"
    shutil.rmtree(target, ignore_errors=True)  # left by an interrupted run
    for number in range(rounds):
        program.reset()
        program.call(program.init())
        table.add("first backup", program, measure(program.backup(), {}))
        table.add("unchanged backup", program, measure(program.backup(), {}))
        (data / "another").write_text(str(number))
        table.add("one more file", program, measure(program.backup(), {}))
        (data / "another").unlink()
        table.add("restore", program, measure(program.restore(target), {}))
        table.add("check", program, measure(program.argv("check"), {}))
        shutil.rmtree(target)
        shutil.rmtree(program.directory)
    table.show()
    most = max(taken.peak_mb for programs in table.rounds.values() for each in programs.values() for taken in each)
    print(f"\nAt most {most:.0f} MB; promised are {PROMISED_MB}{'  MISSED' if most > PROMISED_MB else ''}.", flush=True)
