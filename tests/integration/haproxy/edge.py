"""A HAProxy of two versions: "v1" and "v2" differ in configuration, map and certificates."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Authority, HAProxy, Restic, free_port, service_program, write_config

ERROR_PAGE = (
    "HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nsorry\r\n"
)


class Edge:
    """Files in DIRECTORY/etc, an agent whose source "haproxy/edge" they are, and the process. `reload`: by
    default the pid file; "" for none. `cheap_key`: see Restic.init_cheaply()."""

    def __init__(self, directory: Path, reload: str | None = None, *, cheap_key: bool = False, **options):
        self.directory = directory
        self.etc = directory / "etc"
        self.config = self.etc / "haproxy.cfg"
        self.port, self.tls_port = free_port(), free_port()
        self.authority = Authority(directory / "ca")
        for name in ("certs", "maps", "errors", "lists"):
            (self.etc / name).mkdir(parents=True)
        self.write("v1")
        self.haproxy = HAProxy(directory, [self.config])
        source = {
            "kind": "haproxy",
            "name": "edge",
            "config": [str(self.config)],
            "binary": service_program("haproxy", "haproxy"),
        } | options
        if reload != "":
            source["reload"] = reload or f"pidfile:{self.haproxy.pidfile}"
        self.agent = Agent(write_config(directory / "agent", [source]))
        (directory / "agent" / "password").write_text("secret\n")
        self.restic = Restic(directory / "agent" / "repository", directory / "agent" / "password", directory / "cache")
        if cheap_key:
            self.restic.init_cheaply()
        else:
            self.agent.run("repository", "init", "--repository", "main")

    def write(self, version: str, extra: str = "") -> None:
        """Puts the files of `version` in place; answers are "VERSION from the configuration and VERSION from
        the map", so that a mixture shows."""
        self._certificate("site.pem", version)
        (self.etc / "lists" / "crt.list").write_text(f"{self.etc}/certs/site.pem [alpn h2,http/1.1]\n")
        (self.etc / "maps" / "version.map").write_text(f"version {version}\n")
        page = self.etc / "errors" / "503.http"
        if not page.exists():
            page.write_text(ERROR_PAGE)
        self.config.write_text(
            f"""global
    stats socket {self.directory}/admin.sock mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    errorfile 503 {self.etc}/errors/503.http
frontend plain
    bind 127.0.0.1:{self.port}
    http-request return status 200 content-type text/plain lf-string "{version} %[str(version),map({self.etc}/maps/version.map)]"
frontend tls
    bind 127.0.0.1:{self.tls_port} ssl crt {self.etc}/certs crt-list {self.etc}/lists/crt.list
    http-request return status 200 content-type text/plain string "{version}"
{extra}"""
        )

    def _certificate(self, name: str, version: str) -> None:
        issued = self.authority.issue(f"{name}-{version}")
        (self.etc / "certs" / name).write_text(issued.cert.read_text() + issued.key.read_text())

    def backup(self) -> dict:
        """Saves, whatever HAProxy says to the configuration. Returns the source's part of the report."""
        report = self.agent.json("backup", "haproxy/edge")
        return report["sources"][0]

    def restore(self, snapshot: str, *arguments: str, **options):
        return self.agent.run("restore", snapshot, "--in-place", *arguments, **options)

    def contents(self) -> dict[str, bytes]:
        """Every file below etc, also hidden ones."""
        return {
            str(path.relative_to(self.etc)): path.read_bytes()
            for path in sorted(self.etc.rglob("*"))
            if path.is_file()
        }
