"""The cost of saving and restoring a service for its clients. Started by scripts/bench."""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration" / "haproxy"))
from edge import Edge
from kafka import Saving
from lib import Load, MetricsEndpoint, Prometheus, ZooKeeperEnsemble, run, wait_until
from repository import drop_from_page_cache, measure, tool

REQUESTS = 20_000

ZNODES = 1_000_000
ZNODE_BYTES = 420  # of data; a node takes about 500 in a snapshot
WRITES_PER_SECOND = 2_000
WRITERS = 40
ROUNDS = 7
SLOW_MIB_S = 20
WARM_UP_SECONDS = 30  # until Java has compiled the hot code
REST_SECONDS = 3
PROMISED_LATENCY = 1.25  # relative to the baseline
PROMISED_READ_SECONDS = 3

BLOCKS = 88
BLOCK_SECONDS = 7200
BLOCK_SERIES = 1000
BLOCK_SAMPLES = 3000  # per series: 25 MB per block, because the samples do not compress
SCRAPES = 10


def haproxy(directory: Path, rounds: int) -> None:
    """Restores files and runtime state in place under continuous requests."""
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


# -- ZooKeeper


@dataclass
class Writes:
    """When each write was due and how long it took, in seconds; `due` is of the monotonic clock."""

    due: list[float]
    took: list[float]

    @staticmethod
    def read(path: Path) -> "Writes":
        lines = [line.split() for line in path.read_text().splitlines()]
        return Writes([int(due) / 1e6 for due, _ in lines], [int(took) / 1e6 for _, took in lines])

    def between(self, begin: float, end: float) -> list[float]:
        return sorted(took for due, took in zip(self.due, self.took, strict=True) if begin <= due < end)


def percentile(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(len(values) * part))]


class LargeEnsemble:
    """Three members with the same large tree, one of which is saved. ZooKeeper writes no snapshots itself during the
    measurement: three of them would dominate it."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.zookeeper = ZooKeeperEnsemble(
            directory / "ensemble",
            flags="-Dzookeeper.snapCount=100000000",
            heap="-Xmx2500m",
        )

    def start(self) -> None:
        made = self.directory / "snapshot.0"
        run([tool("zookeeper_bench"), "make", str(made), str(ZNODES), str(ZNODE_BYTES)], timeout=600)
        for member in self.zookeeper.members.values():
            place = member.data_dir / "version-2"
            place.mkdir(parents=True)
            shutil.copy(made, place)
        made.unlink()
        self.zookeeper.start()
        # The leader took a snapshot when it was elected.
        self.number = self.zookeeper.leader()
        self.member = self.zookeeper.members[self.number]

    def source(self) -> dict:
        return {"kind": "zookeeper", "config": str(self.member.config)}

    def read(self) -> list[str]:
        """The output of our reader for the member's files, in words. The first is the duration in seconds."""
        return run([tool("zookeeper_bench"), "read", str(self.member.data_dir), str(self.member.log_dir)]).stdout.split()

    def writers(self, output: Path) -> subprocess.Popen:
        hosts = ",".join(f"127.0.0.1:{member.client_port}" for member in self.zookeeper.members.values())
        argv = [tool("zookeeper_bench"), "write", hosts, *map(str, (ZNODES, ZNODE_BYTES, WRITES_PER_SECOND, WRITERS))]
        with open(output, "w") as file:
            return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=file)


class Workloads:
    """What runs during the writes. Each method returns its begin and end."""

    def __init__(self, ensemble: LargeEnsemble, program: Saving):
        self.ensemble = ensemble
        self.program = program
        self.seconds = 0.0  # duration of the last fast backup, which nothing() copies

    def backup(self, **options) -> tuple[float, float]:
        """Backs up into an empty repository, so that everything is new."""
        self.program.source = self.ensemble.source() | {"name": "main"} | options
        self.program.reset()
        begin = time.monotonic()
        measure(self.program.backup(), {})
        return begin, time.monotonic()

    def fast_backup(self) -> tuple[float, float]:
        begin, end = self.backup()
        self.seconds = end - begin
        return begin, end

    def slow_backup(self) -> tuple[float, float]:
        return self.backup(read_mib_s=SLOW_MIB_S)

    def nothing(self) -> tuple[float, float]:
        begin = time.monotonic()
        time.sleep(self.seconds)
        return begin, time.monotonic()

    def idle_loops(self) -> tuple[float, float]:
        """Runs an endless loop per processor in the idle scheduling class."""
        argv = ["chrt", "--idle", "0", "sh", "-c", "while :; do :; done"]
        loops = [subprocess.Popen(argv) for _ in range(os.cpu_count() or 1)]
        try:
            return self.nothing()
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()

    def rounds(self, count: int) -> list[dict[str, tuple[float, float]]]:
        """Runs each of them in every round, and starts each round with a different one."""
        self.fast_backup()
        works = {"baseline": self.nothing, "backup": self.fast_backup, "slow": self.slow_backup, "loops": self.idle_loops}
        rounds = []
        for number in range(count):
            names = list(works)
            windows = {}
            for name in names[number % len(names):] + names[:number % len(names)]:
                time.sleep(REST_SECONDS)
                windows[name] = works[name]()
            rounds.append(windows)
        return rounds


def zookeeper(directory: Path, _rounds: int) -> None:
    """Writes to an ensemble with and without a backup of a member. Also measures our reader alone."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    ensemble = LargeEnsemble(directory)
    program = Saving(directory, "agent", {})
    try:
        ensemble.start()
        size = ensemble.member.snapshots()[-1].stat().st_size
        reads = [ensemble.read() for _ in range(ROUNDS)]
        nodes = ensemble.zookeeper.srvr(ensemble.number)["Node count"]
        output = directory / "writes"
        writers = ensemble.writers(output)
        try:
            time.sleep(WARM_UP_SECONDS)
            rounds = Workloads(ensemble, program).rounds(ROUNDS)
            if writers.poll() is not None:
                sys.exit("bench: the writers ended too early")
        finally:
            writers.communicate()
        after = ensemble.read()
        program.call(program.argv("restore", "latest:zookeeper/main", "--to", str(directory / "restored")))
        manifest = json.loads((directory / "restored" / "manifest.json").read_text())
    finally:
        ensemble.zookeeper.kill()
    show_zookeeper(rounds, Writes.read(output))
    seconds = statistics.median(float(words[0]) for words in reads)
    print(f"\nOur reader, {size / 1e6:.0f} MB, {reads[0][2]} nodes (ZooKeeper says {nodes}), zxid {reads[0][1]}, digest "
          f"{reads[0][3]}: {seconds:.2f} s, median of {ROUNDS}{missed(seconds > PROMISED_READ_SECONDS)}; after the writes "
          f"{after[0]} s, the same digest as ZooKeeper's at {after[4]} of {after[1]}")
    print(f"the last backup: {manifest['position']}, digest confirmed at {manifest['details'].get('digest_confirmed_at')}")
    shutil.rmtree(directory)


def missed(is_missed: bool) -> str:
    return ", MISSED" if is_missed else ""


def show_zookeeper(rounds: list[dict[str, tuple[float, float]]], writes: Writes) -> None:
    title = {"baseline": "nothing", "backup": "backup", "slow": f"backup at {SLOW_MIB_S} MiB/s", "loops": "idle loops"}
    print(f"\n### {ZNODES} znodes, {WRITES_PER_SECOND} writes/s, and meanwhile\n")
    print("| round | meanwhile | seconds | writes/s | median, ms | p99, ms | by nothing's |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    ratios: dict[str, list[float]] = {name: [] for name in title}
    for number, windows in enumerate(rounds, 1):
        p99 = {name: percentile(writes.between(*windows[name]), 0.99) for name in title}
        for name in title:
            begin, end = windows[name]
            took = writes.between(begin, end)
            ratios[name].append(p99[name] / p99["baseline"])
            print(f"| {number} | {title[name]} | {end - begin:.1f} | {len(took) / (end - begin):.0f} | "
                  f"{percentile(took, 0.5) * 1000:.1f} | {p99[name] * 1000:.1f} | {ratios[name][-1]:.2f} |")
    for name in ("backup", "slow", "loops"):
        middle = statistics.median(ratios[name])
        verdict = missed(middle > PROMISED_LATENCY) if name == "backup" else ""
        print(f"\n{title[name]}: p99 by nothing's, median of {len(rounds)}: {middle:.2f}{verdict}", flush=True)


# -- Prometheus


def ulid(number: int) -> str:
    """A different one for each number."""
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "01" + "".join(random.Random(number).choices(letters, k=24))


class Blocks:
    """Closed blocks of two hours each: one made by promtool, and copies of it with different times. (Their samples keep
    the first one's times, which does not matter here.)"""

    def __init__(self, server: Prometheus, scratch: Path):
        self.server = server
        self.end = int(time.time()) // BLOCK_SECONDS * BLOCK_SECONDS - BLOCK_SECONDS
        self.made: list[Path] = []
        self.first = self.make(scratch)

    def make(self, scratch: Path) -> Path:
        text, blocks = scratch / "samples", scratch / "blocks"
        blocks.mkdir(parents=True)
        step = BLOCK_SECONDS / BLOCK_SAMPLES
        with open(text, "w") as file:
            file.write("# TYPE load gauge\n")
            for series in range(BLOCK_SERIES):
                for sample in range(BLOCK_SAMPLES):
                    stamp = self.end - BLOCK_SECONDS + sample * step
                    file.write(f'load{{series="{series}"}} {random.random()} {stamp:.3f}\n')
            file.write("# EOF\n")
        self.server.promtool("tsdb", "create-blocks-from", "openmetrics", str(text), str(blocks), timeout=600)
        text.unlink()
        [block] = [one for one in blocks.iterdir() if (one / "meta.json").exists()]
        return block

    def add(self) -> Path:
        number = len(self.made)
        block = self.server.data / ulid(number)
        making = self.server.data.parent / "making"
        shutil.copytree(self.first, making)
        meta = json.loads((making / "meta.json").read_text())
        end = (self.end - number * BLOCK_SECONDS) * 1000
        meta |= {"ulid": block.name, "minTime": end - BLOCK_SECONDS * 1000, "maxTime": end}
        meta["compaction"] |= {"sources": [block.name]}
        (making / "meta.json").write_text(json.dumps(meta))
        self.server.data.mkdir(exist_ok=True)
        making.rename(block)
        self.made.append(block)
        return block


def size_of(paths: list[Path]) -> int:
    return sum(file.stat().st_size for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def cached_pages(files: list[Path]) -> int:
    """Pages of these files in the page cache, which reads fill."""
    said = run(["fincore", "--noheadings", "--output", "PAGES", *map(str, files)]).stdout
    return sum(map(int, said.split()))


def counted_backup(program: Saving) -> tuple[dict, int]:
    """The source's report, and the bytes that the process read from any file, as counted by the kernel."""
    argv = [*program.backup(), "--json"]  # progress goes to stderr
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    report = child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    counts = dict(line.split(": ") for line in Path(f"/proc/{child.pid}/io").read_text().splitlines())
    if child.wait() != 0:
        sys.exit(f"bench: the backup ended with {child.returncode}\n{report}")
    return json.loads(report)["sources"][0], int(counts["rchar"])


def prometheus(directory: Path, _rounds: int) -> None:
    """Measures how much a second backup reads of blocks that the first one saved."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    endpoint = MetricsEndpoint()
    server = Prometheus(directory / "server", targets=[f"127.0.0.1:{endpoint.port}"], block="2h")
    server.block_max = "2h"
    program = Saving(directory, "agent", server.source())
    blocks = Blocks(server, directory / "scratch")
    for _ in range(BLOCKS):
        blocks.add()
    try:
        server.start()
        wait_until("scrapes", lambda: endpoint.turns > SCRAPES)
        program.reset()
        first, first_read = counted_backup(program)
        closed = [file for block in blocks.made for file in block.rglob("*") if file.is_file() and file.name != "meta.json"]
        wait_until("more scrapes", lambda: endpoint.turns > 2 * SCRAPES)
        new = blocks.add()
        before = -1
        while before != cached_pages(closed):  # pages that the server has mapped stay
            for block in blocks.made[:-1]:
                drop_from_page_cache(block)
            before = cached_pages(closed)
        second, second_read = counted_backup(program)
        after = cached_pages(closed)
        fresh = size_of([new, server.data / "wal", server.data / "chunks_head"])
        metas = size_of([block / "meta.json" for block in blocks.made])
    finally:
        server.kill()
        endpoint.stop()
    closed_bytes = size_of(closed)
    print(f"\n### {len(blocks.made) - 1} closed blocks of {closed_bytes / 1e6:.0f} MB\n")
    print("| run | bytes saved, MB | read by the agent's count, MB | by the kernel's, MB | pages of closed blocks that it read |")
    print("|---|---:|---:|---:|---:|")
    print(f"| first | {first['bytes'] / 1e6:.1f} | {first['bytes_read'] / 1e6:.1f} | {first_read / 1e6:.1f} | |")
    print(f"| second | {second['bytes'] / 1e6:.1f} | {second['bytes_read'] / 1e6:.1f} | {second_read / 1e6:.1f} | {after - before}"
          f"{missed(after > before)} |")
    print(f"\nnew block, WAL and head have {fresh / 1e6:.1f} MB; the blocks' meta.json, which are looked at, {metas / 1e3:.0f} KB",
          flush=True)
    shutil.rmtree(directory)


PARTS = {"haproxy": haproxy, "zookeeper": zookeeper, "prometheus": prometheus}


def bench(directory: Path, rounds: int, parts: list[str]) -> None:
    for part in parts:
        PARTS[part](directory / part, rounds)
