"""A ZooKeeper client for tests with one session. It speaks the protocol of zookeeper.jute in ZooKeeper's sources."""

import itertools
import select
import socket
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

_CREATE, _DELETE, _EXISTS, _GET, _SET, _GET_ACL, _SET_ACL, _CHILDREN = 1, 2, 3, 4, 5, 6, 7, 8
_SYNC, _PING, _CREATE_CONTAINER, _MULTI, _AUTH, _CREATE_TTL, _CLOSE = 9, 11, 19, 14, 100, 21, -11
_PING_XID, _AUTH_XID = -2, -4
_NO_NODE = -101
_SESSION_PATIENCE = 5

EPHEMERAL = 1
SEQUENTIAL = 2
_CONTAINER = 4
_TTL = 5

ALL = 31
OPEN_ACL = ((ALL, "world", "anyone"),)


class ZooKeeperError(Exception):
    """A refused request; `code` as in ZooKeeper's KeeperException."""

    def __init__(self, code: int):
        super().__init__(f"ZooKeeper answers {code}")
        self.code = code


@dataclass(frozen=True)
class Stat:
    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    owner: int
    length: int
    children: int
    pzxid: int


_STAT = struct.Struct(">qqqqiiiqiiq")


def _text(value: str) -> bytes:
    return _buffer(value.encode())


def _buffer(value: bytes | None) -> bytes:
    return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value


def _acls(acl: Iterable[tuple[int, str, str]]) -> bytes:
    entries = [struct.pack(">i", perms) + _text(scheme) + _text(name) for perms, scheme, name in acl]
    return struct.pack(">i", len(entries)) + b"".join(entries)


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple:
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values

    def buffer(self) -> bytes | None:
        (length,) = self.take("i")
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self) -> str:
        return self.buffer().decode()

    def stat(self) -> Stat:
        self.at += _STAT.size
        return Stat(*_STAT.unpack_from(self.data, self.at - _STAT.size))

    def vector(self, one) -> list:
        return [one() for _ in range(self.take("i")[0])]


def create(path: str, data: bytes | None = b"", acl=OPEN_ACL, flags: int = 0) -> tuple[int, bytes]:
    return _CREATE, _text(path) + _buffer(data) + _acls(acl) + struct.pack(">i", flags)


def change(path: str, data: bytes | None, version: int = -1) -> tuple[int, bytes]:
    return _SET, _text(path) + _buffer(data) + struct.pack(">i", version)


def delete(path: str, version: int = -1) -> tuple[int, bytes]:
    return _DELETE, _text(path) + struct.pack(">i", version)


def multi(operations: Iterable[tuple[int, bytes]]) -> tuple[int, bytes]:
    parts = [struct.pack(">i?i", kind, False, -1) + body for kind, body in operations]
    return _MULTI, b"".join(parts) + struct.pack(">i?i", -1, True, -1)


class ZooKeeperClient:
    """A client of one member; `address` is its host and port. Not thread-safe. Like every client, it reconnects if it
    gets no session, and sends pings while it waits for an answer: a busy member that has just started sometimes delays
    a commit until the next request arrives."""

    def __init__(self, address: tuple[str, int], *, timeout: float = 30, session_ms: int = 30_000):
        self._timeout = timeout
        self._xid = itertools.count(1)
        until = time.monotonic() + timeout
        while not self._begin(address, session_ms):
            if time.monotonic() > until:
                raise TimeoutError(f"no session for {timeout} s")

    def _begin(self, address: tuple[str, int], session_ms: int) -> bool:
        self._socket = socket.create_connection(address, self._timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        self._send(struct.pack(">iqiq", 0, 0, session_ms, 0) + _buffer(bytes(16)) + b"\0")
        if not select.select([self._socket], [], [], min(self._timeout, _SESSION_PATIENCE))[0]:
            self._socket.close()
            return False
        self._quiet = self._timeout
        _, self.session_ms, self.session, *_ = _Reader(self._receive()).take("iiq")
        if self.session_ms <= 0:
            raise ConnectionError("no session")
        self._quiet = min(self._timeout, self.session_ms / 3000)
        return True

    def __enter__(self) -> "ZooKeeperClient":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session, which deletes its ephemeral nodes."""
        try:
            self.call(_CLOSE, b"")
        except (OSError, EOFError):
            pass
        self.drop()

    def drop(self) -> None:
        """Disconnects and leaves the session to its timeout."""
        self._socket.close()

    # -- requests and answers

    def submit(self, kind: int, body: bytes) -> int:
        """Sends a request; answers come in the same order, see collect()."""
        xid = next(self._xid)
        self._send(struct.pack(">ii", xid, kind) + body)
        return xid

    def collect(self, expected: int) -> tuple[int, _Reader]:
        """The answer to a request: its zxid and content."""
        while True:
            reader = _Reader(self._receive())
            xid, zxid, error = reader.take("iqi")
            if xid not in (-1, _PING_XID):  # a watch event or a ping
                break
        if xid != expected:
            raise ConnectionError(f"answer {xid} where {expected} was due")
        if error:
            raise ZooKeeperError(error)
        return zxid, reader

    def call(self, kind: int, body: bytes) -> tuple[int, _Reader]:
        return self.collect(self.submit(kind, body))

    def _send(self, packet: bytes) -> None:
        self._socket.sendall(_buffer(packet))

    def _receive(self) -> bytes:
        (length,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        until = time.monotonic() + self._timeout
        while len(self._received) < count:
            if select.select([self._socket], [], [], self._quiet)[0]:
                data = self._socket.recv(1 << 16)
                if not data:
                    raise EOFError("the server hung up")
                self._received += data
            elif time.monotonic() > until:
                raise TimeoutError(f"no answer for {self._timeout} s")
            else:
                self._send(struct.pack(">ii", _PING_XID, _PING))
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    # -- operations

    def login(self, scheme: str, credentials: str) -> None:
        self._send(struct.pack(">iii", _AUTH_XID, _AUTH, 0) + _text(scheme) + _text(credentials))
        self.collect(_AUTH_XID)

    def create(self, path: str, data: bytes | None = b"", acl=OPEN_ACL, flags: int = 0) -> str:
        return self.call(*create(path, data, acl, flags))[1].text()

    def create_container(self, path: str) -> None:
        self.call(_CREATE_CONTAINER, create(path, b"", OPEN_ACL, _CONTAINER)[1])

    def create_with_ttl(self, path: str, ttl_ms: int) -> None:
        self.call(_CREATE_TTL, create(path, b"", OPEN_ACL, _TTL)[1] + struct.pack(">q", ttl_ms))

    def set(self, path: str, data: bytes | None, version: int = -1) -> Stat:
        return self.call(*change(path, data, version))[1].stat()

    def delete(self, path: str, version: int = -1) -> None:
        self.call(*delete(path, version))

    def multi(self, *operations: tuple[int, bytes]) -> int:
        """Runs all operations or none; returns the zxid."""
        return self.collect_multi(self.submit(*multi(operations)))

    def collect_multi(self, expected: int) -> int:
        """A multi's zxid. The answer to a refused multi has an error for each operation; the nonzero one is the cause.
        """
        zxid, reader = self.collect(expected)
        kind, done, _ = reader.take("i?i")
        while kind == -1 and not done:
            (error,) = reader.take("i")
            if error:
                raise ZooKeeperError(error)
            kind, done, _ = reader.take("i?i")
        return zxid

    def get(self, path: str) -> tuple[bytes | None, Stat]:
        _, reader = self.call(_GET, _text(path) + b"\0")
        return reader.buffer(), reader.stat()

    def stat(self, path: str) -> Stat | None:
        try:
            return self.call(_EXISTS, _text(path) + b"\0")[1].stat()
        except ZooKeeperError as error:
            if error.code == _NO_NODE:
                return None
            raise

    def children(self, path: str) -> list[str]:
        _, reader = self.call(_CHILDREN, _text(path) + b"\0")
        return sorted(reader.vector(reader.text))

    def acl(self, path: str) -> list[tuple[int, str, str]]:
        _, reader = self.call(_GET_ACL, _text(path))
        return reader.vector(lambda: (reader.take("i")[0], reader.text(), reader.text()))

    def set_acl(self, path: str, acl, version: int = -1) -> None:
        self.call(_SET_ACL, _text(path) + _acls(acl) + struct.pack(">i", version))

    def sync(self, path: str = "/") -> int:
        """After this, reads from this member include everything that any member has acknowledged. Returns the zxid."""
        return self.call(_SYNC, _text(path))[0]

    def tree(self, path: str = "/") -> dict[str, tuple[bytes | None, list]]:
        """Data and ACL of every node at and below `path`, except ZooKeeper's own nodes."""
        found = {path: (self.get(path)[0], self.acl(path))}
        for child in self.children(path):
            below = f"{path.rstrip('/')}/{child}"
            if below != "/zookeeper":
                found |= self.tree(below)
        return found

    def fill(self, operations: Iterable[tuple[int, bytes]], window: int = 500) -> None:
        """Sends many requests without waiting for each answer."""
        waiting: list[int] = []
        for operation in operations:
            waiting.append(self.submit(*operation))
            if len(waiting) == window:
                self.collect(waiting.pop(0))
        for xid in waiting:
            self.collect(xid)


class MultiWriter:
    """Sets all nodes of a group to the same number in one multi, as fast as `window` pending requests allow.
    `acknowledged` is the last number of each group that the ensemble has confirmed."""

    def __init__(self, client: ZooKeeperClient, groups: list[list[str]], window: int = 64):
        self.acknowledged = [0] * len(groups)
        self.zxid = 0
        self.error: Exception | None = None
        self._client, self._groups, self._window = client, groups, window
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "MultiWriter":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        waiting: list[tuple[int, int, int]] = []
        try:
            for number in itertools.count(1):
                group = number % len(self._groups)
                value = str(number).encode()
                operation = multi(change(path, value) for path in self._groups[group])
                waiting.append((self._client.submit(*operation), group, number))
                if len(waiting) == self._window:
                    self._collect(*waiting.pop(0))
                if self._stop.is_set():
                    break
            for one in waiting:
                self._collect(*one)
        except Exception as error:  # noqa: BLE001: raised where the writer is used
            self.error = error

    def _collect(self, xid: int, group: int, number: int) -> None:
        self.zxid = self._client.collect_multi(xid)
        self.acknowledged[group] = number
