"""Compares the repository engine with stock restic and rustic on the same data: `scripts/bench repository`.

Each line is the median of the rounds. In each round the programs run one after another and start with a different one.
Data are in the page cache before a program reads them, and output is synced before the next program starts. All
repositories are on one disk, and the peers use no cache. Verification and encryption are on; everything else is each
program's default. All use the same password, as a person would choose it; only for etcd, `repository init`
generates one, as it does by default. Prints tables like those in docs/performance.md.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib import EtcdCluster, MinIO, agent_program, free_port, places, run, service_program, wait_until, write_config
from lib.minio import ACCESS_KEY, SECRET_KEY
from lib.processes import Process

PASSWORD = "secret"
LATENCY_MILLISECONDS = 20
SNAPSHOTS = 200
PROMISED_PART = 55  # per cent of a whole backup that may be stored after a backup killed halfway


@dataclass
class Taken:
    seconds: float
    cpu_seconds: float
    peak_mb: float


def measure(argv: list[str], env: dict[str, str]) -> Taken:
    """Runs a command. If it fails, exits with its output."""
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


def drop_from_page_cache(directory: Path) -> None:
    """REQUIRES: everything below it is synced."""
    for path in directory.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def megabytes(path: Path) -> float:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6


def tool(name: str) -> str:
    return str(places.BUILD / "tests" / name)


class Program:
    """A measured program: turns a verb's words into argv. `reset` creates an empty repository."""

    name = ""

    def __init__(self, directory: Path, data: Path):
        self.directory = directory / self.name
        self.data = data
        self.repository = self.directory / "repository"
        self.environment: dict[str, str] = {}

    def reset(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        (self.directory / "password").touch(0o600)
        (self.directory / "password").write_text(PASSWORD + "\n")

    def call(self, argv: list[str]) -> None:
        run(argv, env=self.environment, timeout=3600)


class Holdfast(Program):
    name = "holdfast"
    s3: MinIO | None = None

    def configure(self, *, source: dict | None = None, **repository) -> None:
        main = {"url": f"file:{self.repository}", "password_file": str(self.directory / "password")} | repository
        source = source or {"kind": "files", "name": "data", "paths": [str(self.data)]}
        self.config = write_config(self.directory / "agent", [source], repositories={"main": main})

    def reset(self) -> None:
        super().reset()
        self.configure()

    def argv(self, *words: str) -> list[str]:
        return [agent_program(), *words, "--config", str(self.config)]

    def version(self) -> str:
        return run([agent_program(), "--version"]).stdout.strip()

    def init(self) -> list[str]:
        return self.argv("repository", "init")

    def backup(self) -> list[str]:
        return self.argv("backup")

    def restore(self, target: Path) -> list[str]:
        return self.argv("restore", "latest:files/data", "--to", str(target))

    def check(self) -> list[str]:
        return self.argv("check", "--read-data")

    def prune(self) -> list[str]:
        return self.argv("repository", "prune")


class Restic(Program):
    name = "restic"

    def reset(self) -> None:
        super().reset()
        self.environment = {
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": PASSWORD,
            "TMPDIR": str(self.directory),
        }

    def argv(self, *words: str) -> list[str]:
        return [service_program("restic", "restic"), "--no-cache", *words]

    def version(self) -> str:
        return " ".join(run([service_program("restic", "restic"), "version"]).stdout.split()[:2])

    def init(self) -> list[str]:
        return self.argv("init", "--repository-version", "2")

    def backup(self) -> list[str]:
        return self.argv("backup", str(self.data))

    def restore(self, target: Path) -> list[str]:
        return self.argv("restore", "latest", "--target", str(target))

    def check(self) -> list[str]:
        return self.argv("check", "--read-data")

    def prune(self) -> list[str]:
        return self.argv("prune")


class Rustic(Program):
    name = "rustic"

    def reset(self) -> None:
        super().reset()
        self.environment = {
            "RUSTIC_REPOSITORY": str(self.repository),
            "RUSTIC_PASSWORD": PASSWORD,
            "RUSTIC_NO_CACHE": "true",
            "RUSTIC_NO_PROGRESS": "true",
        }

    def argv(self, *words: str) -> list[str]:
        return [service_program("rustic", "rustic"), *words]

    def version(self) -> str:
        return run([service_program("rustic", "rustic"), "--version"]).stdout.strip()

    def init(self) -> list[str]:
        return self.argv("init")

    def backup(self) -> list[str]:
        return self.argv("backup", str(self.data))

    def restore(self, target: Path) -> list[str]:
        return self.argv("restore", "latest", str(target))

    def check(self) -> list[str]:
        return self.argv("check", "--read-data")

    def prune(self) -> list[str]:
        return self.argv("prune", "--instant-delete")


@dataclass
class Table:
    """Measurements: work -> program -> rounds."""

    title: str
    rounds: dict[str, dict[str, list[Taken]]] = field(default_factory=dict)
    repositories: dict[str, float] = field(default_factory=dict)  # program -> MB

    def add(self, work: str, program: Program, taken: Taken) -> None:
        self.rounds.setdefault(work, {}).setdefault(program.name, []).append(taken)

    def show(self) -> None:
        print(f"\n### {self.title}\n")
        print("| work | program | seconds | CPU s | peak MB | fastest peer / ours |")
        print("|---|---|---:|---:|---:|---:|")
        for work, programs in self.rounds.items():
            medians = {name: self._median(taken) for name, taken in programs.items()}
            peers = [taken.seconds for name, taken in medians.items() if name != Holdfast.name]
            for name, taken in medians.items():
                ratio = f"{min(peers) / taken.seconds:.2f}" if name == Holdfast.name and peers else ""
                print(
                    f"| {work} | {name} | {taken.seconds:.2f} | {taken.cpu_seconds:.2f} | {taken.peak_mb:.0f} | {ratio} |"
                )
        for name, size in self.repositories.items():
            print(f"| repository | {name} | {size:.0f} MB | | | |")
        sys.stdout.flush()

    @staticmethod
    def _median(rounds: list[Taken]) -> Taken:
        middle = (statistics.median(getattr(one, part) for one in rounds) for part in ("seconds", "cpu_seconds", "peak_mb"))
        return Taken(*middle)


class RepositoryBench:
    def __init__(self, directory: Path, rounds: int):
        self.directory = directory
        self.rounds = rounds
        directory.mkdir(parents=True, exist_ok=True)

    def data(self, name: str, *words: str) -> Path:
        """Creates the data if they do not exist, and reads them into the page cache."""
        data = self.directory / f"data-{name}"
        if not data.is_dir():
            print(f"bench: making the data of {name}", file=sys.stderr, flush=True)
            making = self.directory / f"making-{name}"
            shutil.rmtree(making, ignore_errors=True)
            run([tool("bench_data"), words[0], str(making), *words[1:]], timeout=3600)
            making.rename(data)
        run(["sh", "-c", f"find '{data}' -type f -print0 | xargs -0 cat > /dev/null"], timeout=3600)
        return data

    def each(self, programs: list[Program], work: Callable[[Program], None]) -> None:
        for number in range(self.rounds):
            for i in range(len(programs)):
                os.sync()
                work(programs[(number + i) % len(programs)])

    def main_work(self, name: str, data: Path) -> None:
        """Measures a first and an unchanged backup. Then restore and check, once with the repository as the backup left
        it (in the page cache, except what Holdfast writes around the cache) and once from the disk."""
        table = Table(f"{name}, median of {self.rounds}")
        # Many files are removed only after all measurements: ext4 creates files more slowly after mass deletions.
        restored = self.directory / "restored"
        restored.mkdir()
        are_many = sum(path.is_file() for path in data.rglob("*")) > 1000

        def work(program: Program) -> None:
            program.reset()
            program.call(program.init())
            number = len(list(restored.iterdir()))
            for title, argv, is_from_disk in (
                ("first backup", program.backup(), False),
                ("unchanged backup", program.backup(), False),
                ("restore", program.restore(restored / f"{number}"), False),
                ("restore from the disk", program.restore(restored / f"{number + 1}"), True),
                ("check --read-data", program.check(), False),
                ("check --read-data from the disk", program.check(), True),
            ):
                if is_from_disk:
                    drop_from_page_cache(program.repository)
                taken = measure(argv, program.environment)
                table.add(title, program, taken)
                began = time.monotonic()
                os.sync()
                if title.startswith("restore"):  # Holdfast syncs; its peers leave that to the kernel
                    durable = replace(taken, seconds=taken.seconds + time.monotonic() - began)
                    table.add(f"{title}, until it is durable", program, durable)
            table.repositories[program.name] = megabytes(program.repository)
            shutil.rmtree(program.directory)
            if not are_many:
                shutil.rmtree(restored)
                restored.mkdir()

        self.each([kind(self.directory, data) for kind in (Holdfast, Restic, Rustic)], work)
        table.show()
        shutil.rmtree(restored)

    def prune(self) -> None:
        """Prunes after every second of 200 snapshots was forgotten. A fiftieth of the tree changes between them."""
        data = self.directory / "data-prune"
        shutil.rmtree(data, ignore_errors=True)
        run([tool("bench_data"), "small", str(data), "10000"])
        maker = Holdfast(self.directory / "maker", data)
        maker.reset()
        maker.call(maker.init())
        for number in range(SNAPSHOTS):
            run([tool("bench_data"), "change", str(data), str(number), "200"])
            maker.call(maker.backup())
        restic = Restic(self.directory / "maker", data)
        restic.environment = {"RESTIC_REPOSITORY": str(maker.repository), "RESTIC_PASSWORD": PASSWORD}
        listed = run(restic.argv("snapshots", "--json"), env=restic.environment).stdout
        restic.call(restic.argv("forget", *[snapshot["id"] for snapshot in json.loads(listed)[::2]]))
        table = Table(f"prune after every second of {SNAPSHOTS} snapshots was forgotten, median of {self.rounds}")

        def work(program: Program) -> None:
            program.reset()
            shutil.copytree(maker.repository, program.repository)
            os.sync()
            table.add("prune", program, measure(program.prune(), program.environment))
            table.repositories[program.name] = megabytes(program.repository)
            shutil.rmtree(program.directory)

        self.each([kind(self.directory, data) for kind in (Holdfast, Restic, Rustic)], work)
        shutil.rmtree(maker.directory)
        table.show()

    def etcd(self) -> None:
        """Saves a database of about 1 GB durably in the repository, compared with `etcdctl snapshot save` to a file."""
        cluster = EtcdCluster(self.directory / "etcd", "etcd").start()
        cluster.fill(400_000, value_bytes=2000)
        table = Table(f"etcd, a database of 1 GB, median of {self.rounds}")
        ours = Holdfast(self.directory, self.directory)
        theirs = Program(self.directory, self.directory)
        theirs.name = "etcdctl snapshot save"

        def work(program: Program) -> None:
            if program is ours:
                ours.reset()
                (ours.directory / "password").unlink()
                ours.configure(source=cluster.source())
                ours.call(ours.init())
                table.add("first backup", ours, measure(ours.backup(), {}))
                table.add("unchanged backup", ours, measure(ours.backup(), {}))
                table.repositories[ours.name] = megabytes(ours.repository)
                return
            file = self.directory / "snapshot.db"
            argv = [service_program("etcd", "etcdctl"), "--endpoints", cluster.endpoints[0], "snapshot", "save", str(file)]
            table.add("first backup", theirs, measure(argv, {"ETCDCTL_API": "3"}))
            file.unlink()

        self.each([ours, theirs], work)
        cluster.stop()
        shutil.rmtree(self.directory / "etcd")
        shutil.rmtree(ours.directory)
        table.show()

    def s3(self) -> None:
        """Backs up `big` to a MinIO with 20 ms of latency."""
        data = self.data("big", "large", "16", "128")
        table = Table(f"big to MinIO, {LATENCY_MILLISECONDS} ms away, median of {self.rounds}")

        def work(program: Program) -> None:
            program.reset()
            minio = MinIO(program.directory / "minio").start()
            port = free_port()
            proxy = Process(
                [tool("latency_proxy"), str(port), minio.url.rsplit(":", 1)[1], str(LATENCY_MILLISECONDS)],
                program.directory / "proxy.log",
            )
            wait_until("the proxy", lambda: "ready" in proxy.log.read_text())
            url = f"s3:http://127.0.0.1:{port}/bucket/prefix"
            if isinstance(program, Holdfast):
                program.configure(url=url, credentials_file=str(minio.credentials_file))
            else:
                program.environment |= {
                    "RESTIC_REPOSITORY": url,
                    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                }
            program.call(program.init())
            table.add("first backup", program, measure(program.backup(), program.environment))
            proxy.kill()
            minio.kill()
            shutil.rmtree(program.directory)

        self.each([kind(self.directory, data) for kind in (Holdfast, Restic)], work)
        table.show()

    def verification(self) -> None:
        """The cost of `extra_verify`: the first backup of `big` with and without it."""
        data = self.data("big", "large", "16", "128")
        table = Table(f"first backup of big, with and without extra_verify, median of {self.rounds}")
        program = Holdfast(self.directory, data)
        for _ in range(self.rounds):
            for title, options in {"extra_verify: true": {}, "extra_verify: false": {"extra_verify": False}}.items():
                program.reset()
                program.configure(**options)
                program.call(program.init())
                os.sync()
                table.add(title, program, measure(program.backup(), {}))
                shutil.rmtree(program.directory)
        table.show()

    def stages(self) -> None:
        """The cost of each stage alone."""
        print("\n### stages, seconds of one core per GiB of content\n")
        print("| stage | random | log |\n|---|---:|---:|")
        printed = run([tool("stage_bench"), str(self.directory)], timeout=1800).stdout
        for stage in map(json.loads, printed.splitlines()):
            print(f"| {stage['stage']} | {stage['random']:.2f} | {stage['log']:.2f} |", flush=True)

    def scaling(self) -> None:
        """How backups scale with cores, files and bytes. Without peers."""
        table = Table("scaling, one round each")
        everything = sorted(os.sched_getaffinity(0))
        cases = [
            *[(f"big, {cores} core(s)", ("big", "large", "16", "128"), cores) for cores in (1, 2)],
            *[(f"{files} small files", (f"small-{files}", "small", str(files)), 2) for files in (10_000, 100_000, 1_000_000)],
            *[(f"{gib} GiB", (f"large-{gib}", "large", str(8 * gib), "128"), 2) for gib in (1, 5, 20)],
        ]
        for title, words, cores in cases:
            data = self.data(*words)
            program = Holdfast(self.directory, data)
            program.reset()
            program.call(program.init())
            os.sync()
            pinned = ["taskset", "--cpu-list", ",".join(map(str, everything[:cores]))]
            table.add(f"first backup, {title}", program, measure([*pinned, *program.backup()], {}))
            table.add(f"unchanged backup, {title}", program, measure([*pinned, *program.backup()], {}))
            shutil.rmtree(program.directory)
            if words[0] != "big":
                shutil.rmtree(data)
        table.show()

    def interrupted(self) -> None:
        """Kills a first backup of 20 GiB halfway, and measures how much the next one stores."""
        data = self.data("large-20", "large", "160", "128")
        size = sum(file.stat().st_size for file in data.iterdir())
        program = Holdfast(self.directory, data)
        program.reset()
        program.call(program.init())
        killed_at = self._kill_backup(program.argv("backup", "--json"), size // 2)
        kept = megabytes(program.repository)
        taken = measure(program.backup(), {})
        stored = megabytes(program.repository) - kept
        program.call(program.check())
        shutil.rmtree(program.directory)
        whole = self._whole_backup(program)
        shutil.rmtree(data)
        part = 100 * stored / whole
        print(f"\n### {size >> 30} GiB, killed at {100 * killed_at / size:.0f} %\n")
        print("| first run left, MB | second run stored, MB | of a whole backup's, MB | % | seconds | |")
        print("|---:|---:|---:|---:|---:|---|")
        missed = "MISSED" if part > PROMISED_PART else ""
        print(f"| {kept:.0f} | {stored:.0f} | {whole:.0f} | {part:.1f} | {taken.seconds:.1f} | {missed} |", flush=True)

    @staticmethod
    def _kill_backup(argv: list[str], after_bytes: int) -> int:
        """Kills the backup at the first progress line with that many bytes; returns the number reported."""
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
            for line in child.stderr:
                progress = json.loads(line) if line.startswith("{") else {}
                if progress.get("phase") == "save" and progress["bytes"] >= after_bytes:
                    child.kill()
                    return progress["bytes"]
        sys.exit(f"bench: {' '.join(argv)} ended with {child.returncode} and was not killed")

    def _whole_backup(self, program: Holdfast) -> float:
        """The size of a repository after an uninterrupted backup."""
        program.reset()
        program.call(program.init())
        program.call(program.backup())
        size = megabytes(program.repository)
        shutil.rmtree(program.directory)
        return size


def show_machine(versions: list[str]) -> None:
    with open("/proc/cpuinfo") as file:
        model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    print(", ".join(versions))
    print(f"{os.cpu_count()} cores of {model}, Linux {platform.release()}", flush=True)


USUAL_PARTS = ("big", "small", "prune", "etcd", "s3", "verification", "stages")
ALONE = ("verification", "stages", "scaling", "interrupted")  # not compared with peers
PARTS = (*USUAL_PARTS, "scaling", "interrupted")


def bench(directory: Path, rounds: int, parts: list[str]) -> None:
    one = RepositoryBench(directory, rounds)
    programs = (Holdfast,) if set(parts) <= set(ALONE) else (Holdfast, Restic, Rustic)
    show_machine([kind(directory, directory).version() for kind in programs])
    for part in parts:
        if part == "big":
            one.main_work("big", one.data("big", "large", "16", "128"))
        elif part == "small":
            one.main_work("small", one.data("small", "small", "50000"))
        else:
            getattr(one, part)()
