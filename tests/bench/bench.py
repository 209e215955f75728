"""What a run takes, beside stock restic on the same data, and what the bus takes. Started by scripts/bench; never part of a test run.

Each line is one program's run: seconds, CPU seconds and peak memory. Sources are read once before, so that both
find them in the page cache; repositories lie on the same disk. Numbers of one run are within about a tenth.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import fleet
from lib import EtcdCluster, agent_program, places, run, service_program, write_config

MIB = 1 << 20


def make_big(root: Path) -> None:
    """8 files of random bytes and 8 like logs, 128 MiB each: content that cannot and that can be compressed."""
    root.mkdir(parents=True)
    chance = random.Random(1)
    for number in range(8):
        with open(root / f"random-{number}", "wb") as output:
            for _ in range(128):
                output.write(chance.randbytes(MIB))
    for number in range(8):
        with open(root / f"log-{number}", "wb") as output:
            size = 0
            while size < 128 * MIB:
                lines = "".join(
                    f"2024-05-01T12:{chance.randrange(60):02d}:00Z host-{chance.randrange(9)} service[{n}]: "
                    f"request {chance.getrandbits(64):016x} took {chance.randrange(9999)} us, status 200\n"
                    for n in range(5000)
                )
                size += output.write(lines.encode())


def make_small(root: Path) -> None:
    """50,000 files of 100 bytes to 32 KiB, as many of each magnitude, half of them random."""
    chance = random.Random(2)
    for number in range(50_000):
        folder = root / f"{number // 500:03d}"
        if number % 500 == 0:
            folder.mkdir(parents=True)
        size = int(100 * (32768 / 100) ** chance.random())
        content = chance.randbytes(size) if number % 2 else (b"%d some words " % number * 4000)[:size]
        (folder / f"{number:06d}").write_bytes(content)


@dataclass
class Taken:
    seconds: float
    cpu_seconds: float
    peak_mb: float


def measure(argv: list[str], env: dict[str, str]) -> Taken:
    """Runs to the end; fails with all that was said if it fails."""
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        child = subprocess.Popen(argv, stdout=output, stderr=output, env={**os.environ, **env})
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            output.seek(0)
            sys.exit(f"bench: {' '.join(argv)} ended with {child.returncode}\n{output.read().decode()}")
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def repository_mb(path: Path) -> float:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6


class Bench:
    def __init__(self, directory: Path, rounds: int):
        self.directory = directory
        self.rounds = rounds
        self.password = directory / "password"
        self.password.write_text("secret\n")

    def table(self, title: str, commands: dict[str, Callable[[], list[tuple[str, list[str], dict]]]]) -> None:
        """`commands`: program -> the steps of one round: (name, argv, environment)."""
        taken: dict[tuple[str, str], list[Taken]] = {}
        sizes: dict[str, float] = {}
        for _ in range(self.rounds):
            for program, steps in commands.items():
                for name, argv, env in steps():
                    if name.startswith("-"):  # not measured
                        run(argv, env=env)
                        continue
                    shutil.rmtree(self.directory / "out", ignore_errors=True)
                    taken.setdefault((name, program), []).append(measure(argv, env))
                sizes[program] = repository_mb(self.directory / program)
        print(f"\n{title}, median of {self.rounds}")
        print(f"{'':24}{'':10}{'seconds':>9}{'cpu s':>9}{'peak MB':>9}")
        for (name, program), rounds in sorted(taken.items(), key=lambda entry: entry[0][0]):
            middle = [
                statistics.median(getattr(one, part) for one in rounds)
                for part in ("seconds", "cpu_seconds", "peak_mb")
            ]
            print(f"{name[2:]:24}{program:10}{middle[0]:9.2f}{middle[1]:9.2f}{middle[2]:9.0f}")
        for program, size in sizes.items():
            print(f"{'repository':24}{program:10}{size:9.0f} MB")

    def trees(self, name: str, make: Callable[[Path], None]) -> None:
        data = self.directory / "data"
        if not data.is_dir():
            print(f"bench: making the data of \"{name}\"")
            make(data)
        for path in data.rglob("*"):
            if path.is_file():
                path.read_bytes()
        self.table(name, {"holdfast": lambda: self._ours(data), "restic": lambda: self._restic(data)})

    def _agent(self, source: dict) -> Callable[..., list[str]]:
        """An agent that begins anew with this source: words of a verb -> argv."""
        shutil.rmtree(self.directory / "holdfast", ignore_errors=True)
        shutil.rmtree(self.directory / "agent", ignore_errors=True)
        main = {"url": f"file:{self.directory / 'holdfast'}", "password_file": str(self.password)}
        config = str(write_config(self.directory / "agent", [source], repositories={"main": main}))
        return lambda *words: [agent_program(), *words, "--config", config]

    def _ours(self, data: Path) -> list[tuple[str, list[str], dict]]:
        verb = self._agent({"kind": "files", "name": "data", "paths": [str(data)]})
        return [
            ("- init", verb("repository", "init"), {}),
            ("1 first backup", verb("backup"), {}),
            ("2 unchanged backup", verb("backup"), {}),
            ("3 restore", verb("restore", "latest:files/data", "--to", str(self.directory / "out")), {}),
            ("4 check --read-data", verb("check", "--read-data"), {}),
        ]

    def _restic(self, data: Path) -> list[tuple[str, list[str], dict]]:
        shutil.rmtree(self.directory / "restic", ignore_errors=True)
        shutil.rmtree(self.directory / "cache", ignore_errors=True)
        env = {
            "RESTIC_REPOSITORY": str(self.directory / "restic"),
            "RESTIC_PASSWORD_FILE": str(self.password),
            "RESTIC_CACHE_DIR": str(self.directory / "cache"),
        }

        def verb(*words: str) -> list[str]:
            return [service_program("restic", "restic"), *words]

        return [
            ("- init", verb("init", "--repository-version", "2"), env),
            ("1 first backup", verb("backup", str(data)), env),
            ("2 unchanged backup", verb("backup", str(data)), env),
            ("3 restore", verb("restore", "latest", "--target", str(self.directory / "out")), env),
            ("4 check --read-data", verb("check", "--read-data"), env),
        ]

    def etcd(self) -> None:
        """A database of about 1 GB: our backup against `etcdctl snapshot save` into a plain file."""
        cluster = EtcdCluster(self.directory / "etcd", "34").start()
        cluster.fill(400_000, value_bytes=2000)

        def ours() -> list[tuple[str, list[str], dict]]:
            verb = self._agent(cluster.source())
            return [
                ("- init", verb("repository", "init"), {}),
                ("1 first backup", verb("backup"), {}),
                ("2 unchanged backup", verb("backup"), {}),
            ]

        def theirs() -> list[tuple[str, list[str], dict]]:
            (self.directory / "etcdctl").mkdir(exist_ok=True)
            argv = [service_program("etcd34", "etcdctl"), "--endpoints", cluster.endpoints[0]]
            argv += ["snapshot", "save", str(self.directory / "etcdctl" / "snapshot.db")]
            return [("1 first backup", argv, {"ETCDCTL_API": "3"})]

        self.table("etcd", {"holdfast": ours, "etcdctl": theirs})
        cluster.stop()


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
    """The transport alone: server and nodes on this machine, the nodes' own CPU time included in the seconds."""
    program = places.BUILD / "tests" / "bus_bench"
    taken = []
    for _ in range(rounds):
        taken.append(json.loads(subprocess.run([program, str(nodes)], stdout=subprocess.PIPE, check=True).stdout))
    print(f"\nbus, {nodes} nodes, median of {rounds}")
    for name, title in BUS_ROWS.items():
        print(f"{title:44}{statistics.median(one[name] for one in taken):10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("name", choices=["big", "small", "etcd", "bus"])
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--directory", type=Path, required=True, help="where data and repositories go")
    arguments = parser.parse_args()
    if arguments.name == "bus":
        bus(arguments.rounds)
        return fleet.bench(arguments.directory / "bus", arguments.rounds)
    directory = arguments.directory / arguments.name
    directory.mkdir(parents=True, exist_ok=True)
    bench = Bench(directory, arguments.rounds)
    if arguments.name == "etcd":
        bench.etcd()
    else:
        bench.trees(arguments.name, make_big if arguments.name == "big" else make_small)


if __name__ == "__main__":
    main()
