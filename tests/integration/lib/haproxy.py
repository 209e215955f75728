"""A real HAProxy in master-worker mode, a web server for it, and a load generator."""

import http.client
import http.server
import os
import signal
import socket
import threading
from pathlib import Path

from .places import service_program
from .processes import Process, free_port, run, wait_until


class WebServer:
    """Answers every GET with `text`, in a thread of this program."""

    def __init__(self, text: str = "hello\n"):
        body = text.encode()

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_arguments) -> None:
                pass  # HAProxy resets its idle connections

        self.port = free_port()
        self._server = Server(("127.0.0.1", self.port), Answer)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class HAProxy:
    """`haproxy -Ws` with the given configuration files. The caller writes them first. `directory` gets the pid file,
    the log, admin.sock and master.sock."""

    def __init__(self, directory: Path, configs: list[Path]):
        self.directory = directory
        self.configs = configs
        self.pidfile = directory / "haproxy.pid"
        self.admin_socket = directory / "admin.sock"
        self.master_socket = directory / "master.sock"
        self.program = service_program("haproxy", "haproxy")
        self.process: Process | None = None

    def _files(self) -> list[str]:
        return [part for config in self.configs for part in ("-f", str(config))]

    def start(self) -> "HAProxy":
        argv = [self.program, "-Ws", *self._files(), "-p", str(self.pidfile)]
        argv += ["-S", f"{self.master_socket},mode,600"]
        self.process = Process(argv, self.directory / "haproxy.log")

        self.process.wait_until_it_serves("haproxy", lambda: self.pidfile.exists() and self.workers())
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def check(self) -> bool:
        """Whether `haproxy -c` accepts the configuration."""
        return run([self.program, "-c", "-q", *self._files()], expect=None).returncode == 0

    def reload(self) -> None:
        """Reloads as `systemctl reload` does, and returns when a new worker serves."""
        before = self.workers()
        os.kill(int(self.pidfile.read_text().split()[0]), signal.SIGUSR2)
        wait_until("a new worker", lambda: set(self.workers()) - set(before))

    def master(self, command: str) -> str:
        """The master's answer to a command, e.g. "show proc". After a reload, the master refuses connections for a
        moment, even when the new worker serves already."""
        return wait_until("the master's answer", lambda: [self._ask(self.master_socket, command)], seconds=5)[0]

    def admin(self, command: str) -> str:
        return self._ask(self.admin_socket, command)

    def workers(self) -> list[int]:
        """Process ids of the current workers, without old ones that are finishing."""
        return self._listed("# workers")

    def old_workers(self) -> list[int]:
        """Process ids of old workers that are finishing their connections."""
        return self._listed("# old workers")

    def _listed(self, head: str) -> list[int]:
        pids, is_below = [], False
        for line in self.master("show proc").splitlines():
            if line.startswith("#"):
                is_below = line.strip() == head
            elif is_below and line.split()[1:2] == ["worker"]:
                pids.append(int(line.split()[0]))
        return pids

    @staticmethod
    def _ask(path: Path, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(path))
            connection.sendall(command.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)  # otherwise the master waits for more commands
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer.decode()


def get(port: int, path: str = "/") -> tuple[int, str]:
    """Sends one request on its own connection; returns (status, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class MapHAProxy(HAProxy):
    """A HAProxy that answers with the value that `map`, a file in `directory`, has for the path. The file has "/ file".
    """

    def __init__(self, directory: Path):
        directory.mkdir()
        self.map = directory / "names.map"
        self.map.write_text("/ file\n")
        config = directory / "haproxy.cfg"
        config.write_text(
            f"global\n    stats socket {directory}/admin.sock mode 600 level admin\n"
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 10s\n    timeout server 10s\n"
            f"frontend plain\n    bind 127.0.0.1:{free_port()}\n"
            f"    http-request return status 200 content-type text/plain lf-string %[path,map({self.map})]\n")
        super().__init__(directory, [config])

    def source(self) -> dict:
        return {"kind": "haproxy", "name": "edge", "config": [str(self.configs[0])], "binary": self.program,
                "socket": str(self.admin_socket)}

    def change_in_memory(self) -> None:
        """Sets the map's entry to "/ memory" in the process and leaves the file unchanged."""
        answer = self.admin(f"set map {self.map} / memory").strip()
        if answer:
            raise AssertionError(answer)


class Load:
    """Sends requests continuously over a few connections until the `with` block ends, and counts them."""

    def __init__(self, port: int, threads: int = 4, path: str = "/"):
        self._port, self._path = port, path
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(threads)]
        self.requests = 0
        self.failures: list[str] = []
        self.bodies: dict[str, int] = {}

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                status, body = get(self._port, self._path)
                failure = None if status == 200 else f"status {status}"
            except (OSError, http.client.HTTPException) as error:
                body, failure = "", repr(error)
            with self._lock:
                self.requests += 1
                if failure is None:
                    self.bodies[body] = self.bodies.get(body, 0) + 1
                else:
                    self.failures.append(failure)

    def wait_for(self, requests: int, seconds: float = 120) -> None:
        wait_until(f"{requests} requests", lambda: self.requests >= requests, seconds)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
