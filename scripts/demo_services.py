"""The services on the demo's nodes: three members of etcd, a HAProxy, and a directory per node."""

import os
import random
import textwrap
from pathlib import Path

from lib import Authority, EtcdCluster, HAProxy, Tree, free_port
from lib.haproxy import get

KEYS = 20_000


class Services:
    """All files are below `directory`; each node has one directory."""

    NODES = ("node-1", "node-2", "node-3")

    def __init__(self, directory: Path):
        self.directory = directory
        self.etcd = EtcdCluster(directory / "etcd", "etcd", 3, authority=Authority(directory / "ca"))
        self.etc = self.home("node-1") / "haproxy"
        self.etc.mkdir(parents=True)
        self.config = self.etc / "haproxy.cfg"
        self.port, self.tls_port = free_port(), free_port()
        self.haproxy = HAProxy(self.etc, [self.config])

    def home(self, node: str) -> Path:
        return self.directory / node

    def app(self, node: str) -> Path:
        return self.home(node) / "myapp"

    def start(self) -> None:
        self.etcd.start()
        self.etcd.fill(KEYS, prefix="registry", value_bytes=300)
        self._write_haproxy()
        self.haproxy.start()
        for number, node in enumerate(self.NODES, start=1):
            self._write_app(node, number)

    def stop(self) -> None:
        self.haproxy.stop()
        self.etcd.stop()

    def sources(self, node: str, *, endpoints: list[str] | None = None) -> list[dict]:
        """The node's sources for agent.yaml. `endpoints`: those of etcd, by default all."""
        etcd = self.etcd.source("main", ca=str(self.directory / "ca" / "ca.pem"))
        etcd |= {"endpoints": endpoints} if endpoints else {}
        files = {"kind": "files", "name": "app", "paths": [str(self.app(node))]}
        haproxy = {
            "kind": "haproxy",
            "name": "edge",
            "config": [str(self.config)],
            "binary": self.haproxy.program,
            "reload": f"pidfile:{self.haproxy.pidfile}",
        }
        return [etcd, *([haproxy] if node == "node-1" else []), files]

    def _write_haproxy(self) -> None:
        issued = Authority(self.etc / "ca", "edge-ca").issue("edge")
        (self.etc / "site.pem").write_text(issued.cert.read_text() + issued.key.read_text())
        (self.etc / "greetings.map").write_text("/ hello from HAProxy\n")
        self.config.write_text(
            textwrap.dedent(
                f"""\
                global
                    stats socket {self.haproxy.admin_socket} mode 600 level admin
                defaults
                    mode http
                    timeout connect 5s
                    timeout client 10s
                    timeout server 10s
                frontend plain
                    bind 127.0.0.1:{self.port}
                    http-request return status 200 content-type text/plain lf-string %[path,map({self.etc}/greetings.map)]
                frontend tls
                    bind 127.0.0.1:{self.tls_port} ssl crt {self.etc}/site.pem
                    http-request return status 200 content-type text/plain string secure
                """
            )
        )

    def _write_app(self, node: str, number: int) -> None:
        tree = Tree(self.app(node))
        for file in range(400):
            size = 4096 + file * 61
            tree.random_file(f"data/{file % 20:02d}/{file:04d}.bin", size, seed=1000 * number + file)
        tree.random_file("data/big.bin", 160 << 20, seed=number)
        tree.file("app.conf", f"node = {node}\nport = 8080\n".encode(), 0o640)
        tree.file("bin/app", b"#!/bin/sh\nexit 0\n", 0o4755)
        tree.hard_link("bin/app-1.0", "bin/app")
        tree.symlink("current", "data/00")
        tree.holes("sparse.img", 64 << 20, {0: b"head", 32 << 20: b"middle"})
        tree.file(b"caf\xe9 \n.txt", b"a name with a newline that is not UTF-8\n")
        tree.fifo("events")
        try:
            os.setxattr(tree.path("app.conf"), "user.owner", b"team-a")
        except OSError:
            pass  # the file system has no extended attributes
        tree.stamp()

    def spoil_app(self, node: str) -> None:
        """Deletes a hundred files and a symlink, overwrites other files, and changes a mode."""
        chance = random.Random(1)
        names = sorted(self.app(node).glob("data/*/*.bin"))
        for name in chance.sample(names, 100):
            name.unlink()
        for name in (name for name in names[:80] if name.exists()):
            name.write_bytes(b"ransom")
        os.chmod(self.app(node) / "app.conf", 0o777)
        (self.app(node) / "current").unlink()

    def spoil_haproxy(self) -> None:
        """Deletes the certificate, empties the map, and makes the configuration invalid."""
        (self.etc / "site.pem").unlink()
        (self.etc / "greetings.map").write_text("")
        self.config.write_text(self.config.read_text().replace("frontend tls", "frontend plain tls ???"))

    def haproxy_files(self) -> dict[str, bytes]:
        return {name: (self.etc / name).read_bytes() for name in ("haproxy.cfg", "greetings.map", "site.pem")}

    def answer(self) -> str:
        return get(self.port)[1]
