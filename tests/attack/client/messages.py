"""The messages of proto/holdfast/v1, compiled by protoc when the test starts."""

import atexit
import importlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.message import Message

_ROOT = Path(__file__).resolve().parents[3]
_generated = tempfile.mkdtemp(prefix="holdfast-test-proto-")
atexit.register(shutil.rmtree, _generated, ignore_errors=True)
subprocess.run(
    ["protoc", f"--proto_path={_ROOT}", f"--python_out={_generated}",
     *sorted(str(path) for path in (_ROOT / "proto/holdfast/v1").glob("*.proto"))],
    check=True)
sys.path.insert(0, _generated)

admin_pb2 = importlib.import_module("proto.holdfast.v1.admin_pb2")
agent_pb2 = importlib.import_module("proto.holdfast.v1.agent_pb2")
plan_pb2 = importlib.import_module("proto.holdfast.v1.plan_pb2")
trust_pb2 = importlib.import_module("proto.holdfast.v1.trust_pb2")


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def field(number: int, content: bytes | int) -> bytes:
    """A field on the wire: of type varint for a number, otherwise length-delimited."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def add_unknown(message: Message, number: int, content: bytes | int = b"?") -> None:
    """Adds a field that the schema need not have."""
    message.MergeFromString(field(number, content))
