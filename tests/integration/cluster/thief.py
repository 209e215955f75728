"""A thief who has taken all of a controller's files and replaces it: tests/stolen/stolen_controller.cc."""

import json
import os
import sqlite3
from pathlib import Path

from lib.cluster import Cluster
from lib.places import BUILD
from lib.processes import Process, wait_until


def quoted(raw: bytes) -> str:
    """Quotes bytes for Protobuf's text format."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in raw) + '"'


def message_field(number: int, content: bytes) -> str:
    """A field of type bytes, string or message in Protobuf's wire format, as hexadecimal. No schema needs to have it.
    For numbers up to 2047 and content below 128 bytes."""
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    return (head + bytes([len(content)]) + content).hex()


class Thief:
    """Replaces the killed controller. Call leave() at the end."""

    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._log = cluster.directory / "thief.log"
        self._seen: dict[str, int] = {}
        reading, self._writing = os.pipe()
        self._process = Process(
            [str(BUILD / "tests" / "stolen_controller"), str(cluster.config)], self._log, stdin=reading
        )
        os.close(reading)
        for node in cluster.agents:
            self.hello_of(node)

    def leave(self) -> None:
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1
        self._process.stop()

    def plan(self, node: str, order: str = "", *, extra: str = "-", signers: str = "controller") -> None:
        self._type(f"plan {node} {extra or '-'} {signers} {order}")

    def send(self, node: str, envelope: bytes) -> None:
        self._type(f"send {node} {envelope.hex()}")

    def graft(self, node: str, envelope: bytes) -> None:
        """Sends an envelope with a valid controller signature next to the operators' signatures."""
        self._type(f"graft {node} {envelope.hex()}")

    def forge_root(self) -> None:
        self._type("root")

    def report_of(self, node: str) -> dict:
        """The node's next report other than "accepted", verified with its key."""
        return self._next(f"a report of {node}", lambda one: one.get("node") == node and one["outcome"] != "accepted")

    def hello_of(self, node: str) -> dict:
        return self._next(f"dropped a Hello from {node}", lambda one: one.get("hello") == node)

    def _type(self, line: str) -> None:
        os.write(self._writing, f"{line}\n".encode())

    def _next(self, what: str, is_it) -> dict:
        """The next line that matches, after the one returned by the previous call for the same `what`."""

        def look() -> dict | None:
            self._process.require_running()
            lines = self._log.read_text().split("\n")[:-1]
            for number in range(self._seen.get(what, 0), len(lines)):
                line = json.loads(lines[number])
                if is_it(line):
                    self._seen[what] = number + 1
                    return line
            return None

        return wait_until(what, look, 60)


def audited_refusals(catalog: Path) -> int:
    """Number of agents' refusals that the controller has on record."""
    query = "SELECT count(*) FROM audit WHERE type = 'report.taken' AND instr(bytes, ?)"
    with sqlite3.connect(f"file:{catalog}?mode=ro", uri=True) as connection:
        return connection.execute(query, (message_text("outcome", "refused"),)).fetchone()[0]


def message_text(key: str, value: str) -> bytes:
    """An encoded entry of a string map in a message."""
    return bytes.fromhex(message_field(1, key.encode()) + message_field(2, value.encode()))


def sent_plans(catalog: Path, kind: int) -> list[bytes]:
    """Envelopes of the plans of this kind (OrderKind) that a controller has sent."""
    with sqlite3.connect(f"file:{catalog}?mode=ro", uri=True) as connection:
        return [row[0] for row in connection.execute("SELECT envelope FROM plan WHERE kind = ?", (kind,))]
