"""Compares the Kafka source with librdkafka alone and with the engine alone: `scripts/bench kafka`.

The broker runs on this machine and has all data in the page cache, so broker, librdkafka and engine compete for the
CPUs. A backup is compared with a loop that consumes and drops the same records (kafka_bench.cc), and with a backup of
files that hold the same bytes. A restore is compared with a loop that produces as many records of the same form. Each
round runs all of them and starts with a different one. Prints tables like those in docs/performance.md and marks
results that miss a promise.
"""

import os
import shutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import repository
from fleet import cpu_seconds
from lib import KafkaCluster, Record, run, wait_until
from lib.places import SERVICES
from repository import Holdfast, Taken, measure, tool

RECORD_BYTES = 1000
PROMISED_SPEED = 0.8  # relative to the slower program that it is compared with
PROMISED_MB = 256
PROMISED_IDLE_SECONDS = 10
WIDE_TOPICS = 3
WIDE_PARTITIONS = 500
NARROW_TOPICS = 1500
IDLE_RECORDS = 10

# The options of Kafka's own scripts. Tests use others, which start a broker faster.
JAVA = {"KAFKA_HEAP_OPTS": "-Xmx1g", "KAFKA_JVM_PERFORMANCE_OPTS": "-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20"}

CONSUME, FILES, KAFKA = "consume and drop", "backup of the same as files", "backup"
PRODUCE, RESTORE = "produce, idempotent", "restore and read back"
BESIDE = (CONSUME, FILES, PRODUCE)


@dataclass
class Row:
    taken: Taken
    broker_seconds: float


class Saving(Holdfast):
    """The agent with one source, whatever it saves."""

    def __init__(self, directory: Path, name: str, source: dict):
        super().__init__(directory / name, directory)
        self.source = source | {"name": "main"}

    def reset(self) -> None:
        super().reset()
        self.configure(source=self.source)
        self.call(self.init())


class KafkaBench:
    def __init__(self, directory: Path, rounds: int, gigabytes: float):
        self.directory = directory
        self.rounds = rounds
        self.bytes = int(gigabytes * 1e9)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)

    def start(self, name: str) -> KafkaCluster:
        self.cluster = KafkaCluster(self.directory / name, "kafka41", 1).start()
        return self.cluster

    def source(self, **options) -> dict:
        return {"kind": "kafka", "bootstrap": [self.cluster.bootstrap()]} | options

    def log_dirs(self) -> list[str]:
        return [str(directory) for directory in self.cluster.brokers[1].log_dirs]

    def measure(self, argv: list[str]) -> Row:
        os.sync()
        broker = self.cluster.brokers[1].process.pid
        before = cpu_seconds(broker)
        taken = measure(argv, {})
        return Row(taken, cpu_seconds(broker) - before)

    # -- many records

    def plain(self) -> None:
        self.throughput("plain", {}, {}, random=1.0)

    def zstd(self) -> None:
        # The producer compresses, and the broker stores its batches unchanged.
        self.throughput("zstd", {"compression.codec": "zstd"}, {"compression.type": "producer"}, random=0.2)

    def throughput(self, name: str, properties: dict, config: dict, *, random: float) -> None:
        cluster = self.start(name)
        config = config | {"retention.ms": "-1", "retention.bytes": "-1", "file.delete.delay.ms": "1000"}
        codec = properties.get("compression.codec", "none")
        try:
            cluster.create_topic("records", config=config)
            client = cluster.admin()
            client.properties |= properties
            client.load("records", self.bytes // RECORD_BYTES, RECORD_BYTES, random=random)
            stored = sum(file.stat().st_size for file in cluster.segments(1, "records"))
            title = f"{self.bytes / 1e9:g} GB of records of {RECORD_BYTES} bytes, {stored / 1e9:.1f} GB in a topic"
            self.show(f"{title} ({name})", self.backups(), self.bytes)
            rows = self.restores(config, codec, int(random * RECORD_BYTES))
            self.show(f"The same on its way back ({name})", rows, self.bytes)
        finally:
            cluster.kill()
            shutil.rmtree(cluster.directory)

    def backups(self) -> dict[str, list[Row]]:
        files = self.stored_files()
        programs = {
            FILES: Saving(self.directory, "files", {"kind": "files", "paths": [str(files)]}),
            KAFKA: Saving(self.directory, "kafka", self.source(log_dirs=self.log_dirs())),
        }
        consumer = [tool("kafka_bench"), "consume", self.cluster.bootstrap(), "records"]
        rows: dict[str, list[Row]] = {}
        for number in range(self.rounds):
            for title in rotated([CONSUME, FILES, KAFKA], number):
                if program := programs.get(title):
                    program.reset()
                    rows.setdefault(title, []).append(self.measure(program.backup()))
                    shutil.rmtree(program.directory)
                else:
                    rows.setdefault(title, []).append(self.measure(consumer))
        shutil.rmtree(files)
        return {title: rows[title] for title in (CONSUME, FILES, KAFKA)}

    def restores(self, config: dict, codec: str, random_bytes: int) -> dict[str, list[Row]]:
        program = self.stored()
        rows: dict[str, list[Row]] = {PRODUCE: [], RESTORE: []}
        for number in range(self.rounds):
            for title in rotated([PRODUCE, RESTORE], number):
                topic = f"again-{number}-{'produced' if title == PRODUCE else 'restored'}"
                if title == PRODUCE:
                    self.cluster.create_topic(topic, config=config)
                    size = [str(self.bytes // RECORD_BYTES), str(RECORD_BYTES), str(random_bytes)]
                    argv = [tool("kafka_bench"), "produce", self.cluster.bootstrap(), topic, *size, codec]
                else:
                    argv = program.argv("restore", "latest:kafka/main", "--to-cluster", self.cluster.bootstrap())
                    argv += ["--rename", f"records={topic}", "--compression", codec]
                rows[title].append(self.measure(argv))
                self.cluster.delete_topic(topic)
        shutil.rmtree(program.directory)
        return rows

    def stored(self) -> Saving:
        """Backs up the records; returns the agent with its repository."""
        program = Saving(self.directory, "stored", self.source())
        program.reset()
        program.call(program.backup())
        return program

    def stored_files(self) -> Path:
        """Restores the records' files from a snapshot and reads them into the page cache."""
        program = self.stored()
        files = self.directory / "stored-files"
        program.call(program.argv("restore", "latest:kafka/main", "--to", str(files)))
        shutil.rmtree(program.directory)
        run(["sh", "-c", f"find '{files}' -type f -print0 | xargs -0 cat > /dev/null"], timeout=3600)
        return files

    # -- many partitions

    def idle(self) -> None:
        cluster = self.start("idle")
        try:
            self.make_partitions()
            rows: dict[str, list[Row]] = {}
            for title, source in {
                "with log_dirs": self.source(log_dirs=self.log_dirs()),
                "without log_dirs": self.source(),
            }.items():
                program = Saving(self.directory, "idle-repository", source)
                program.reset()
                rows[f"first backup, {title}"] = [self.measure(program.backup())]
                again = [self.measure(program.backup()) for _ in range(self.rounds)]
                rows[f"without new records, {title}"] = again
                shutil.rmtree(program.directory)
            partitions = WIDE_TOPICS * WIDE_PARTITIONS + NARROW_TOPICS
            topics = f"{WIDE_TOPICS} topics of {WIDE_PARTITIONS} and {NARROW_TOPICS} of one"
            self.show(f"{partitions} partitions of {IDLE_RECORDS} records: {topics}", rows)
        finally:
            cluster.kill()
            shutil.rmtree(cluster.directory)

    def make_partitions(self) -> None:
        topics = {f"wide-{number}": WIDE_PARTITIONS for number in range(WIDE_TOPICS)}
        topics |= {f"narrow-{number:04}": 1 for number in range(NARROW_TOPICS)}
        client = self.cluster.admin()
        config = {"retention.ms": "-1"}
        for some in chunks(list(topics.items()), 100):
            client.run(
                "create",
                [{"topic": topic, "partitions": count, "config": config} for topic, count in some],
                seconds=120,
            )

        def all_are_led() -> bool:
            seen = client.metadata()["topics"]
            return topics.keys() <= seen.keys() and all(
                len(seen[topic]) == count and all(one["leader"] >= 0 for one in seen[topic].values())
                for topic, count in topics.items()
            )

        wait_until("leaders of all partitions", all_are_led, 120)
        for some in chunks([(topic, n) for topic, count in topics.items() for n in range(count)], 500):
            client.produce(
                Record(topic, partition, key=b"%d" % number, value=b"x" * 100)
                for topic, partition in some
                for number in range(IDLE_RECORDS)
            )

    # -- results

    @staticmethod
    def show(title: str, rows: dict[str, list[Row]], size: int = 0) -> None:
        middle = {work: median(taken) for work, taken in rows.items()}
        beside = [row.taken.seconds for work, row in middle.items() if work in BESIDE]
        print(f"\n### {title}, median of {max(map(len, rows.values()))}\n")
        print("| work | seconds | MB/s | CPU s | the broker's | peak MB | speed by the slower beside it | |")
        print("|---|---:|---:|---:|---:|---:|---:|---|")
        for work, row in middle.items():
            taken = row.taken
            ratio = max(beside) / taken.seconds if beside and work not in BESIDE else None
            missed = work not in (CONSUME, PRODUCE) and taken.peak_mb > PROMISED_MB
            missed |= ratio is not None and ratio < PROMISED_SPEED
            missed |= work.startswith("without new records") and taken.seconds > PROMISED_IDLE_SECONDS
            columns = [
                work,
                f"{taken.seconds:.2f}",
                f"{size / 1e6 / taken.seconds:.0f}" if size else "",
                f"{taken.cpu_seconds:.2f}",
                f"{row.broker_seconds:.2f}",
                f"{taken.peak_mb:.0f}",
                f"{ratio:.2f}" if ratio else "",
                "MISSED" if missed else "",
            ]
            print(f"| {' | '.join(columns)} |", flush=True)


def rotated(items: list, by: int) -> list:
    return items[by % len(items) :] + items[: by % len(items)]


def chunks(items: list, size: int) -> list[list]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def median(rows: list[Row]) -> Row:
    def of(value: Callable[[Row], float]) -> float:
        return statistics.median(value(row) for row in rows)

    taken = Taken(of(lambda r: r.taken.seconds), of(lambda r: r.taken.cpu_seconds), of(lambda r: r.taken.peak_mb))
    return Row(taken, of(lambda r: r.broker_seconds))


PARTS = ("plain", "zstd", "idle")


def bench(directory: Path, rounds: int, parts: list[str], gigabytes: float) -> None:
    os.environ.update(JAVA)
    one = KafkaBench(directory, rounds, gigabytes)
    library = run([tool("kafka_bench"), "version"]).stdout.strip()
    broker = (SERVICES / "kafka41" / "version").read_text().strip()
    repository.show_machine([Holdfast(directory, directory).version(), f"Kafka {broker}", f"librdkafka {library}"])
    for part in parts:
        getattr(one, part)()
    shutil.rmtree(directory)
