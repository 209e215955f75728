"""A small parser of Kafka's log files, to compare what was saved with what Kafka serves."""

import struct
from pathlib import Path

from .kafka_client import Record

_HEADER = struct.Struct(">qiibIhiqqqhii")
_APPEND_TIME = 8


def records_in(file: Path, topic: str, partition: int) -> list[Record]:
    """All records of one file. Raises AssertionError on anything that Holdfast does not write: versions other than 2,
    compression, a producer, control records."""
    data = file.read_bytes()
    records = []
    at = 0
    while at < len(data):
        base, length, epoch, magic, _crc, attributes, last_delta, first_time, max_time, producer, _epoch, _seq, count = (
            _HEADER.unpack_from(data, at)
        )
        assert (epoch, magic, producer) == (0, 2, -1), f"{file} at {at}"
        assert attributes in (0, _APPEND_TIME), f"{file} at {at}"
        batch = _Reader(data[at + _HEADER.size : at + 12 + length])
        offset = base
        for _ in range(count):
            record = _Reader(batch.take(batch.varint()))
            assert record.take(1) == b"\0"
            timestamp = first_time + record.varint()
            offset = base + record.varint()
            key, value = record.nullable(), record.nullable()
            headers = tuple((record.nullable().decode(), record.nullable()) for _ in range(record.varint()))
            assert record.is_empty()
            records.append(
                Record(
                    topic,
                    partition,
                    key,
                    value,
                    headers,
                    max_time if attributes == _APPEND_TIME else timestamp,
                    offset,
                    "append" if attributes == _APPEND_TIME else "create",
                )
            )
        assert batch.is_empty() and offset == base + last_delta, f"{file} at {at}"
        at += 12 + length
    return records


def partition_records(directory: Path, topic: str, partition: int) -> list[Record]:
    """All records of a partition in a snapshot restored to `directory`, file by file."""
    records = []
    for file in sorted((directory / "data" / "topics" / topic / str(partition)).glob("*.log")):
        found = records_in(file, topic, partition)
        assert found and found[0].offset == int(file.stem), file
        records += found
    return records


class _Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        assert len(part) == size
        self.at += size
        return part

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)

    def nullable(self) -> bytes | None:
        size = self.varint()
        return None if size < 0 else self.take(size)

    def is_empty(self) -> bool:
        return self.at == len(self.data)
