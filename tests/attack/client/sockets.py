"""ZeroMQ sockets with CURVE."""

import time

import zmq

_context = zmq.Context.instance()


def new_keys() -> tuple[bytes, bytes]:
    """A new public and secret key, in Z85."""
    return zmq.curve_keypair()


def public_of(secret: bytes) -> bytes:
    return zmq.curve_public(secret)


def dial(endpoint: str, server_key: bytes, secret: bytes) -> zmq.Socket:
    """A DEALER socket that begins to connect. Keys in Z85."""
    socket = _context.socket(zmq.DEALER)
    socket.linger = 0
    socket.curve_serverkey = server_key
    socket.curve_secretkey = secret
    socket.curve_publickey = public_of(secret)
    socket.connect(endpoint)
    return socket


def listen(endpoint: str, secret: bytes) -> zmq.Socket:
    """A ROUTER socket that admits every key."""
    socket = _context.socket(zmq.ROUTER)
    socket.linger = 0
    socket.curve_server = True
    socket.curve_secretkey = secret
    socket.bind(endpoint)
    return socket


def receive(socket: zmq.Socket, seconds: float, what: str) -> list[bytes]:
    """The frames of the next message. Fails if none arrives in time."""
    if not socket.poll(max(0, int(1000 * seconds))):
        raise AssertionError(f"waited {seconds:.0f} s for: {what}")
    return socket.recv_multipart()


class Deadline:
    """Counts down the seconds that are left of a timeout."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._end - time.monotonic()
