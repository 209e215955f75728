"""What common/kafka does, by kafka_room_tool (tests/integration/kafka/room_tool.cc), whose calls these are."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .kafka_client import Record, line_of, record_of
from .places import BUILD
from .processes import die_with_parent



class RoomError(Exception):
    """An Error of the room: code, message and hint are its fields."""

    def __init__(self, error: dict):
        super().__init__(f"{error['code']}: {error['message']} (hint: {error['hint']})")
        self.code, self.message, self.hint = error["code"], error["message"], error["hint"]


class KafkaRoom:
    """One client, reader and writer of the room. `properties` as KafkaCluster.client_properties() gives them; passwords
    go into files of `directory`. `today`: by the librdkafka of today and its headers, not by that of the build."""

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
        """What it has open ends with it, too."""
        try:
            self._child.communicate(timeout=60)
        finally:
            self._child.kill()
            self._child.wait()
        if self._child.returncode != 0:
            raise AssertionError(f"kafka_room_tool ended with {self._child.returncode}")

    def do(self, call: str, **arguments):
        """Its result. Raises RoomError."""
        self._child.stdin.write(json.dumps({"do": call, **arguments}) + "\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:
            raise AssertionError(f"kafka_room_tool ended with {self._child.wait()} at {call}")
        told = json.loads(answer)
        if "error" in told:
            raise RoomError(told["error"])
        return told["result"]

    def write(self, records: list[Record], first_tag: int = 0) -> list[dict]:
        """Numbers them from `first_tag` on. What was delivered since the last call."""
        lines = [line_of(record) | {"tag": first_tag + i} for i, record in enumerate(records)]
        return self.do("write", records=lines)

    def events(self) -> Iterator[dict]:
        """Of the partitions that were started, for ever."""
        while True:
            yield from self.do("next")

    def read(self, topic: str, partition: int, begin: int, end: int) -> tuple[list[Record], int]:
        """The records of [begin, end), as a backup reads them: until one stands at end - 1 or behind, or the partition
        ends there. And the offset that ended it. Raises RoomError where the partition fails."""
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
