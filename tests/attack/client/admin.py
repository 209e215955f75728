"""Requests to the controller's admin socket, as any program on its host can send them."""

import os
import socket

from google.protobuf.message import Message

from .messages import admin_pb2


class Closed(Exception):
    """The controller did not accept the connection, or closed it without an answer."""


def ask(path: str, *, user: tuple[int, int, list[int]] | None = None, **request: Message) -> Message:
    """Sends one request and returns its only reply. `user`: uid, gid and groups of a child process that sends it."""
    content = admin_pb2.AdminRequest(id=1, **request).SerializeToString()
    reply = _exchange(path, content) if user is None else _as_user(path, content, *user)
    return admin_pb2.AdminReply.FromString(reply)


def _exchange(path: str, content: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(path)
        try:
            connection.sendall(len(content).to_bytes(4, "big") + content)
            size = int.from_bytes(_read(connection, 4), "big")
            return _read(connection, size)
        except (ConnectionResetError, BrokenPipeError):
            raise Closed from None


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise Closed
        data += more
    return data


def _as_user(path: str, content: bytes, uid: int, gid: int, groups: list[int]) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"E"
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            answer = b"R" + _exchange(path, content)
        except Closed:
            answer = b"C"
        except PermissionError:
            answer = b"P"
        finally:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(answer)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    match answer[:1]:
        case b"R":
            return answer[1:]
        case b"P":
            raise PermissionError(path)
        case b"C":
            raise Closed
    raise AssertionError("the child process that sends the request as another user failed")
