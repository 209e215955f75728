"""What saving a service and putting it back costs those who use it meanwhile. Started by scripts/bench."""

import shutil
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration" / "haproxy"))
from edge import Edge
from lib import Load

PARTS = ["haproxy"]

REQUESTS = 20_000


def haproxy(directory: Path, rounds: int) -> None:
    """Restores in place of files and of what only the process knew, while it is asked all the time."""
    seconds, requests, failed = [], 0, 0
    for _ in range(rounds):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        edge = Edge(directory, socket=str(directory / "admin.sock"), cheap_key=True)
        try:
            edge.haproxy.start()
            edge.haproxy.admin(f"set map {edge.etc}/maps/version.map version changed")
            snapshot = edge.backup()["snapshot"]
            edge.write("v2")
            edge.haproxy.reload()
            with Load(edge.port) as load:
                load.wait_for(REQUESTS // 2)
                begin = time.monotonic()
                edge.restore(snapshot)
                seconds.append(time.monotonic() - begin)
                load.wait_for(REQUESTS)
            requests += load.requests
            failed += len(load.failures)
        finally:
            edge.haproxy.stop()
    print(f"\nhaproxy, restore in place under load, {rounds} times")
    print(f"{'requests':44}{requests:10}")
    print(f"{'failed':44}{failed:10}")
    print(f"{'restore, median, s':44}{statistics.median(seconds):10.2f}")


def bench(directory: Path, rounds: int, parts: list[str]) -> None:
    for part in parts:
        {"haproxy": haproxy}[part](directory / part, rounds)
