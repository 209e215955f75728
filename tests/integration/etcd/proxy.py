"""A TCP proxy for an etcd without TLS that can corrupt what the server sends."""

import socket
import threading
from collections.abc import Callable

from rig import EtcdCluster


class Proxy:
    """Sends on what `spoil(bytes so far, piece)` returns for each piece from the server. None closes the connection."""

    def __init__(self, cluster: EtcdCluster, spoil: Callable[[int, bytes], bytes | None]):
        host, port = cluster.endpoints[0].removeprefix("http://").split(":")
        self._server = (host, int(port))
        self._spoil = spoil
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    @staticmethod
    def _forward(client: socket.socket, server: socket.socket) -> None:
        try:
            while piece := client.recv(65536):
                server.sendall(piece)
        except OSError:
            pass
        finally:
            server.close()

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        sent = 0
        try:
            while piece := server.recv(65536):
                passed = self._spoil(sent, piece)
                if passed is None:
                    break
                client.sendall(passed)
                sent += len(passed)
        except OSError:
            pass
        finally:
            for end in (client, server):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
