"""Writes and reads Kafka records with kafka_tool (tests/support/kafka_tool.cc), byte for byte."""

import base64
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .places import BUILD, SERVICES
from .processes import die_with_parent, run, wait_until


class KafkaError(Exception):
    """An error of the cluster or librdkafka: "NAME: text", e.g. TOPIC_AUTHORIZATION_FAILED."""


@dataclass(frozen=True)
class Record:
    """A record. To write, `partition` may be -1 (any) and `timestamp` None (now). A record that was read also has the
    last two fields. `type` is the origin of the time: "create" (the producer) or "append" (the log)."""

    topic: str
    partition: int = -1
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int | None = None
    offset: int | None = None
    type: str | None = None

    def as_written(self) -> "Record":
        """The record without the fields that only the log sets, for comparison with what was written."""
        return replace(self, offset=None, type=None)


LONG_AGO = 1577880000000  # a time in 2020, in ms


def odd_records(topic: str, *, latest: int = LONG_AGO + 2, large: int = 900_000) -> list[Record]:
    """Records for partition 0: null, empty and binary values; repeated headers; timestamps of long ago, before 1970 and
    "no timestamp"; one record of `large` bytes."""
    return [
        Record(topic, 0, key, value, headers, timestamp)
        for key, value, headers, timestamp in [
            (b"key", b"value", (), LONG_AGO),
            (None, b"no key", (), LONG_AGO + 1),
            (b"", b"empty key", (), 1),
            (b"tombstone", None, (), LONG_AGO),
            (None, None, (), -31536000000),
            (b"", b"", (), -1),
            (b"\xff\xfe", b"\x00\xff", (), latest),
            (b"headers", b"", (("a", b"1"), ("b", None), ("a", b""), ("", b"2"), ("a", b"1")), LONG_AGO + 3),
            (b"large", b"x" * large, (("h", b"y" * 10_000),), LONG_AGO + 4),
        ]
    ]


@dataclass(frozen=True)
class Digest:
    """All records of a partition: count, first and last offset (-1: none), and a checksum of their whole content,
    including offsets and timestamps."""

    count: int
    first: int
    last: int
    sha256: str


# Key: topic and partition.
Offsets = dict[tuple[str, int], int]


class KafkaClient:
    """A client of a cluster as one user. `library`: uses the librdkafka of that service instead of Debian's."""

    def __init__(self, properties: dict[str, str], library: str | None = None):
        self.properties = properties
        self.environment = {"LD_LIBRARY_PATH": str(SERVICES / library / "lib")} if library else {}

    def command(self, command: str, *, seconds: int = 30, group: str = "") -> list[str]:
        argv = [str(BUILD / "tests" / "kafka_tool"), "-T", str(seconds), "-G", group]
        for name, value in self.properties.items():
            argv += ["-X", f"{name}={value}"]
        return [*argv, command]

    def run(self, command: str, lines: Iterable[dict] = (), **options) -> list[dict]:
        """Runs one command of kafka_tool; kafka_tool.cc documents its input and output lines. Raises KafkaError."""
        done = run(
            self.command(command, **options),
            input="".join(json.dumps(line) + "\n" for line in lines),
            env=self.environment,
            timeout=600,
            expect=None,
        )
        if done.returncode == 1:
            raise KafkaError(done.stderr.strip().splitlines()[-1])
        if done.returncode != 0:
            raise AssertionError(f"kafka_tool {command} ended with {done.returncode}\n{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def metadata(self, **options) -> dict:
        return self.run("metadata", **options)[0]

    def produce(self, records: Iterable[Record]) -> list[int]:
        """Writes the records in order and returns their offsets."""
        return offsets_in(self.run("produce", [line_of(record) for record in records]))

    def producing(self) -> "Producing":
        return Producing(self)

    def load(self, topic: str, records: int, size: int, **options) -> None:
        """Writes many records whose content depends only on the arguments; options as in kafka_tool.cc."""
        self.run("load", [{"topic": topic, "records": records, "bytes": size, **options}])

    def consume(self, *topics: str) -> list[Record]:
        """All current records. Order is kept within a partition, not between partitions."""
        return [record_of(line) for line in self.run("consume", [{"topic": topic} for topic in topics])]

    def digest(
        self, *topics: str, start: Offsets | None = None, end: Offsets | None = None, offsets: bool = True
    ) -> dict[tuple[str, int], Digest]:
        """A digest of what consume() would return for each partition, from offset `start` to before `end`, if given.
        Without `offsets`, the checksum ignores offsets, so copies of the same records compare equal."""

        def of(topic: str, limits: Offsets | None) -> dict[str, int]:
            return {str(number): offset for (name, number), offset in (limits or {}).items() if name == topic}

        lines = self.run(
            "consume",
            [
                {"topic": topic, "digest": True, "offsets": offsets, "from": of(topic, start), "end": of(topic, end)}
                for topic in topics
            ],
        )
        return {
            (line["topic"], line["partition"]): Digest(line["count"], line["first"], line["last"], line["sha256"])
            for line in lines
        }

    def trim(self, topic: str, partition: int, offset: int = -1) -> None:
        """Deletes the records before `offset`, by default all committed ones."""
        self.run("trim", [{"topic": topic, "partition": partition, "offset": offset}])

    def commit(self, group: str, offsets: dict[tuple[str, int], int], metadata: str = "") -> None:
        lines = [
            {"topic": topic, "partition": partition, "offset": offset, "metadata": metadata}
            for (topic, partition), offset in offsets.items()
        ]
        self._ask_coordinator("commit", lines, group=group)

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        lines = self._ask_coordinator("committed", [], group=group)
        return {(line["topic"], line["partition"]): line["offset"] for line in lines}

    def commit_metadata(self, group: str) -> dict[tuple[str, int], str]:
        lines = self._ask_coordinator("committed", [], group=group)
        return {(line["topic"], line["partition"]): line["metadata"] for line in lines}

    def _ask_coordinator(self, command: str, lines: list[dict], **options) -> list[dict]:
        """Reads a group's offsets. Its broker may still load them at the first request."""

        def ask() -> list[list[dict] | KafkaError]:
            try:
                return [self.run(command, lines, **options)]
            except KafkaError as error:
                return [] if "COORDINATOR" in str(error) else [error]

        answer = wait_until("the group's coordinator", ask)[0]
        if isinstance(answer, KafkaError):
            raise answer
        return answer


class Producing:
    """A producer that stays open, for transactions that are open for a while. They end with commit() or abort(), which
    readers see a moment later, or by a timeout of fifteen minutes if the `with` block ends first."""

    def __init__(self, client: KafkaClient):
        self._client = client

    def __enter__(self) -> "Producing":
        self._child = subprocess.Popen(
            self._client.command("produce"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._client.environment or None,
            preexec_fn=die_with_parent,
        )
        return self

    def __exit__(self, *_exception) -> None:
        try:
            self._child.communicate(timeout=60)
        finally:
            self._child.kill()
            self._child.wait()

    def begin(self, transaction: str) -> None:
        self._tell([{"begin": transaction}])

    def commit(self, transaction: str) -> None:
        self._tell([{"commit": transaction}])

    def abort(self, transaction: str) -> None:
        self._tell([{"abort": transaction}])

    def produce(self, records: Iterable[Record], transaction: str = "") -> list[int]:
        lines = [line_of(record) | {"transaction": transaction} for record in records]
        return self._tell([*lines, {"flush": True}])[:-1]

    def _tell(self, lines: list[dict]) -> list[int]:
        self._child.stdin.write("".join(json.dumps(line) + "\n" for line in lines))
        self._child.stdin.flush()
        answers = [self._child.stdout.readline() for _ in lines]
        if not all(answers):
            raise AssertionError(f"kafka_tool ended with {self._child.wait()}")
        return offsets_in([json.loads(answer) for answer in answers])


def offsets_in(answers: list[dict]) -> list[int]:
    for answer in answers:
        if "error" in answer:
            raise KafkaError(f"{answer['error']}: {answer.get('text', '')}")
    return [answer.get("offset", -1) for answer in answers]


def line_of(record: Record) -> dict:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "key": _encode(record.key),
        "value": _encode(record.value),
        "headers": [[_encode(name.encode()), _encode(value)] for name, value in record.headers],
        "timestamp": record.timestamp,
    }


def record_of(line: dict) -> Record:
    return Record(
        topic=line["topic"],
        partition=line["partition"],
        key=_decode(line["key"]),
        value=_decode(line["value"]),
        headers=tuple((_decode(name).decode(), _decode(value)) for name, value in line["headers"]),
        timestamp=line["timestamp"],
        offset=line["offset"],
        type=line["type"],
    )


def _encode(field: bytes | None) -> str | None:
    return None if field is None else base64.b64encode(field).decode()


def _decode(field: str | None) -> bytes | None:
    return None if field is None else base64.b64decode(field)
