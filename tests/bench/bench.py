"""Benchmarks: the repository engine compared with restic and rustic (repository.py), large indexes and directories
(large.py), the bus and large clusters (fleet.py), the Kafka source compared with plain loops (kafka.py), and the effect
of backups and restores on a service's clients (sources.py). scripts/bench runs them; no test does. Results vary by
about a tenth from run to run.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import fleet
import kafka
import large
import repository
import sources
from lib import places


BUS_ROWS = {
    "connect_s": "all connected, s",
    "cpu_ms_per_handshake": "server's CPU per handshake, ms",
    "fan_out_sent_ms": "4 KiB to every node: sent, ms",
    "fan_out_answered_ms": "4 KiB to every node: all answered, ms",
    "round_trip_p50_us": "1 KiB there and back: median, us",
    "round_trip_p99_us": "1 KiB there and back: 99 %, us",
    "kib_per_node": "server's memory per node, connected, KiB",
    "kib_per_node_after": "server's memory per node, after that, KiB",
    "idle_cpu_percent": "server idle, % of a core",
}


def bus(rounds: int, nodes: int = 200) -> None:
    """Only the transport. Server and nodes share this machine, so the seconds include the nodes' CPU time."""
    program = places.BUILD / "tests" / "bus_bench"
    taken = []
    for _ in range(rounds):
        taken.append(json.loads(subprocess.run([program, str(nodes)], stdout=subprocess.PIPE, check=True).stdout))
    print(f"\nbus, {nodes} nodes, median of {rounds}")
    for name, title in BUS_ROWS.items():
        print(f"{title:44}{statistics.median(one[name] for one in taken):10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("name", choices=["repository", "index", "directory", "bus", "kafka", "sources"])
    parts = {"repository": repository.PARTS, "kafka": kafka.PARTS, "sources": list(sources.PARTS)}
    listed = "; ".join(f"of {name}: {' '.join(those)}" for name, those in parts.items())
    parser.add_argument("parts", nargs="*", metavar="PART", help=listed)
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--gigabytes", type=float, default=4, help="of kafka: how much a topic has; default: 4")
    parser.add_argument("--directory", type=Path, required=True, help="where data and repositories go")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(parts.get(arguments.name, ())):
        parser.error(f"{arguments.name} has no part \"{unknown.pop()}\"")
    if arguments.name == "bus":
        bus(arguments.rounds)
        return fleet.bench(arguments.directory / "bus", arguments.rounds)
    if arguments.name == "index":
        return large.index(arguments.directory / "index", arguments.rounds)
    if arguments.name == "directory":
        return large.one_directory(arguments.directory / "directory", arguments.rounds)
    if arguments.name == "kafka":
        chosen = arguments.parts or kafka.PARTS
        return kafka.bench(arguments.directory / "kafka", arguments.rounds, chosen, arguments.gigabytes)
    if arguments.name == "sources":
        return sources.bench(arguments.directory / "sources", arguments.rounds, arguments.parts or list(sources.PARTS))
    repository.bench(arguments.directory / "repository", arguments.rounds, arguments.parts or repository.USUAL_PARTS)


if __name__ == "__main__":
    main()
