"""Calls of common/kafka, made through kafka_room_tool (tests/integration/kafka/room_tool.cc)."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .kafka_client import Record, line_of, record_of
from .places import BUILD
from .processes import die_with_parent



class RoomError(Exception):
    """An Error returned by common/kafka, with its code, message and hint."""

    def __init__(self, error: dict):
        super().__init__(f"{error['code']}: {error['message']} (hint: {error['hint']})")
        self.code, self.message, self.hint = error["code"], error["message"], error["hint"]


class KafkaRoom:
    """One client, reader and writer of common/kafka. `properties` come from KafkaCluster.client_properties(); passwords
    are written to files in `directory`. `today`: uses the current librdkafka and its headers instead of the build's."""

    def __init__(self, properties: dict[str, str], directory: Path, *, today: bool = False, **options):
        given = dict(properties)
        settings = options | {"bootstrap": given.pop("bootstrap.servers").split(",")}
        if "sasl.password" in given:
            file = directory / f"password-of-{given['sasl.username']}-{id(self)}"
            file.write_text(given.pop("sasl.password") + "\n")
            given["sasl.password_file"] = str(file)
        tool = BUILD / "tests" / ("kafka_room_tool_today" if today else "kafka_room_tool")
        self._child = subprocess.Popen(
            [tool, json.dumps(settings | {"properties": given})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )

    def __enter__(self) -> "KafkaRoom":
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def close(self) -> None:
        """Ends the tool, which closes everything it has open."""
        try:
            self._child.communicate(timeout=60)
        finally:
            self._child.kill()
            self._child.wait()
        if self._child.returncode != 0:
            raise AssertionError(f"kafka_room_tool ended with {self._child.returncode}")

    def do(self, call: str, **arguments):
        """Makes a call and returns its result. Raises RoomError."""
        self._child.stdin.write(json.dumps({"do": call, **arguments}) + "\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:
            raise AssertionError(f"kafka_room_tool ended with {self._child.wait()} at {call}")
        document = json.loads(answer)
        if "error" in document:
            raise RoomError(document["error"])
        return document["result"]

    def write(self, records: list[Record], first_tag: int = 0) -> list[dict]:
        """Writes records with tags from `first_tag` on. Returns what was delivered since the last call."""
        lines = [line_of(record) | {"tag": first_tag + i} for i, record in enumerate(records)]
        return self.do("write", records=lines)

    def events(self) -> Iterator[dict]:
        """Endless events of the started partitions."""
        while True:
            yield from self.do("next")

    def read(self, topic: str, partition: int, begin: int, end: int) -> tuple[list[Record], int]:
        """The records of [begin, end) as a backup reads them, until an offset reaches end - 1 or the partition ends,
        and the offset at which reading ended. Raises RoomError if the partition fails."""
        self.do("start", partition=[topic, partition], offset=begin, tag=7)
        records = []
        for event in self.events():
            if event["kind"] == "failed":
                raise RoomError(event["error"])
            offset = event["offset"]
            if event["kind"] == "record" and offset < end:
                records.append(record_of(event | {"topic": topic, "partition": partition}))
            if offset >= end or (event["kind"] == "record" and offset == end - 1):
                self.do("stop", partition=[topic, partition])
                return records, offset
