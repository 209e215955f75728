"""Protobuf messages as text with field numbers, so that a recorded message stays what an old program sent, whatever the
.proto files say today.

    1: {  # hello
      1: "db-1"  # node
      2: 1  # incarnation
      5: $nonce  # nonce
      9: x'00ff'
      10: double 1.5
    }

One field per line; comments are for people. A value is a number, a string, bytes in hexadecimal, a double, a message in
braces, or a placeholder whose value differs in each session. Messages inside envelopes are also written out, because
their signatures differ in each session:

    1: signed "application/vnd.holdfast.fresh.v1" by controller {  # fresh
      1: $cluster_id
    }"""

import json
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .messages import field as encode_field
from .messages import varint


@dataclass
class Placeholder:
    """`$name`, or `$name+5` for a number that is 5 above it."""
    name: str
    offset: int = 0


@dataclass
class Signed:
    """An envelope around `fields`."""
    payload_type: str
    signers: list[str]
    fields: "Fields"


@dataclass
class Field:
    number: int
    value: "int | str | bytes | float | Placeholder | Signed | Fields"
    name: str = field(default="", compare=False)


Fields = list[Field]
Lookup = Callable[[Placeholder], "int | bytes"]
Sign = Callable[[Signed, bytes], bytes]


def encode(fields: Fields, lookup: Lookup, sign: Sign) -> bytes:
    """The bytes of a message. `lookup` returns a placeholder's value, `sign` wraps a payload in an envelope."""

    def content(value) -> int | bytes:
        match value:
            case Placeholder():
                return lookup(value)
            case Signed():
                return sign(value, encode(value.fields, lookup, sign))
            case list():
                return encode(value, lookup, sign)
            case str():
                return value.encode()
            case _:
                return value

    encoded = b""
    for one in fields:
        if isinstance(one.value, float):
            encoded += varint(one.number << 3 | 1) + struct.pack("<d", one.value)
        else:
            value = content(one.value)
            encoded += encode_field(one.number, value % (1 << 64) if isinstance(value, int) else value)
    return encoded


def split(data: bytes) -> Iterator[tuple[int, "int | bytes | float"]]:
    """The fields of a message: numbers, and values as they are on the wire."""
    at = 0

    def take_varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = take_varint()
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            yield number, take_varint()
        elif kind == 1:
            yield number, struct.unpack("<d", data[at:at + 8])[0]
            at += 8
        elif kind == 2:
            size = take_varint()
            if at + size > len(data):
                raise ValueError(f"field {number} is longer than its message")
            yield number, data[at:at + size]
            at += size
        else:
            raise ValueError(f"field {number} has unsupported wire type {kind}")


def to_text(fields: Fields, indent: str = "") -> str:
    lines = []
    for one in fields:
        comment = f"  # {one.name}" if one.name else ""
        head = f"{indent}{one.number}: "
        match one.value:
            case Signed(payload_type, signers, inner):
                lines.append(f"{head}signed {json.dumps(payload_type)} by {','.join(signers)} {{{comment}")
                lines.append(to_text(inner, indent + "  ") + indent + "}")
            case list():
                lines.append(f"{head}{{{comment}")
                lines.append(to_text(one.value, indent + "  ") + indent + "}")
            case Placeholder(name, offset):
                lines.append(f"{head}${name}{f'{offset:+d}' if offset else ''}{comment}")
            case bytes():
                lines.append(f"{head}x'{one.value.hex()}'{comment}")
            case str():
                lines.append(f"{head}{json.dumps(one.value)}{comment}")
            case float():
                lines.append(f"{head}double {one.value!r}{comment}")
            case _:
                lines.append(f"{head}{one.value}{comment}")
    return "".join(f"{line}\n" for line in lines)


_LINE = re.compile(
    r"""(?P<number>\d+):\ (?:
          signed\ "(?P<type>[^"]+)"\ by\ (?P<signers>[\w,]+)\ (?P<open_signed>\{)
        | (?P<open>\{)
        | \$(?P<placeholder>\w+)(?P<offset>[+-]\d+)?
        | x'(?P<hex>[0-9a-f]*)'
        | (?P<text>"(?:[^"\\]|\\.)*")
        | double\ (?P<double>\S+)
        | (?P<integer>-?\d+)
        )(?:\ \ \#\ (?P<name>.*))?""", re.VERBOSE)


def parse(text: str) -> Fields:
    """The inverse of to_text()."""
    fields, rest = _parse(text.splitlines())
    if rest:
        raise ValueError(f"unmatched closing brace before {rest[0]!r}")
    return fields


def _parse(lines: list[str]) -> tuple[Fields, list[str]]:
    fields: Fields = []
    while lines:
        line, lines = lines[0].strip(), lines[1:]
        if line == "}":
            return fields, lines
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"not a field: {line!r}")
        if match["open"] or match["open_signed"]:
            inner, lines = _parse(lines)
            value = Signed(match["type"], match["signers"].split(","), inner) if match["type"] else inner
        elif match["placeholder"]:
            value = Placeholder(match["placeholder"], int(match["offset"] or 0))
        elif match["hex"] is not None:
            value = bytes.fromhex(match["hex"])
        elif match["text"] is not None:
            value = json.loads(match["text"])
        elif match["double"] is not None:
            value = float(match["double"])
        else:
            value = int(match["integer"])
        fields.append(Field(int(match["number"]), value, match["name"] or ""))
    return fields, []
