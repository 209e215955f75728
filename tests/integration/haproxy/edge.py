"""A HAProxy with two versions: "v1" and "v2" differ in configuration, map and certificates. LiveCase adds state that
only the process has."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Authority, Case, HAProxy, Restic, WebServer, free_port, run, service_program, write_config
from lib.places import ROOT

ERROR_PAGE = (
    "HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nsorry\r\n"
)


class Edge:
    """Files in DIRECTORY/etc, an agent that saves them as "haproxy/edge", and the process. `reload`: by default the pid
    file; "" for none. `cheap_key`: see Restic.init_cheaply()."""

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
        self._source = {
            "kind": "haproxy",
            "name": "edge",
            "config": [str(self.config)],
            "binary": service_program("haproxy", "haproxy"),
        } | options
        if reload != "":
            self._source["reload"] = reload or f"pidfile:{self.haproxy.pidfile}"
        self.configure()
        (directory / "agent" / "password").touch(0o600)
        (directory / "agent" / "password").write_text("secret\n")
        self.restic = Restic(directory / "agent" / "repository", directory / "agent" / "password", directory / "cache")
        if cheap_key:
            self.restic.init_cheaply()
        else:
            self.agent.run("repository", "init", "--repository", "main")

    def source(self) -> dict:
        """The source's entry in agent.yaml."""
        return dict(self._source)

    def configure(self, **options) -> None:
        """Sets further options of the agent's source."""
        self.agent = Agent(write_config(self.directory / "agent", [self._source | options]))

    def write(self, version: str, extra: str = "") -> None:
        """Writes the files of `version`. Answers are "VERSION from the configuration and VERSION from the map", which
        makes a mixture visible."""
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

    def load_state(self, path: Path) -> None:
        """Configures workers to load the servers' state from `path` at start."""
        text = self.config.read_text()
        text = text.replace("global\n", f"global\n    server-state-file {path}\n")
        self.config.write_text(text.replace("defaults\n", "defaults\n    load-server-state-from-file global\n"))

    def _certificate(self, name: str, version: str) -> None:
        issued = self.authority.issue(f"{name}-{version}")
        (self.etc / "certs" / name).write_text(issued.cert.read_text() + issued.key.read_text())

    def backup(self, **options) -> dict:
        """Saves, even if HAProxy rejects the configuration. Returns the source's part of the report."""
        report = self.agent.json("backup", "haproxy/edge", **options)
        return report["sources"][0]

    def restore(self, snapshot: str, *arguments: str, **options):
        return self.agent.run("restore", snapshot, "--in-place", *arguments, **options)

    def contents(self) -> dict[str, bytes]:
        """Every file below etc, including hidden ones."""
        return {
            str(path.relative_to(self.etc)): path.read_bytes()
            for path in sorted(self.etc.rglob("*"))
            if path.is_file()
        }

    def way_out(self, *arguments: str, **options):
        """Runs scripts/exit/haproxy with only restic and haproxy."""
        restic = Path(service_program("restic", "restic")).parent
        env = {"PATH": f"{restic}:{os.environ['PATH']}", "RESTIC_CACHE_DIR": str(self.directory / "cache")}
        argv = [str(ROOT / "scripts" / "exit" / "haproxy"), "--repository", str(self.restic.repository)]
        argv += ["--password-file", str(self.restic.password_file), "--haproxy", service_program("haproxy", "haproxy")]
        return run([*argv, *arguments, "edge"], env=env, **options)


_LIVE = """
backend sources
    stick-table type ip size 1m expire 1h store gpc0,conn_cnt,http_req_rate(10s)
backend names
    stick-table type string len 64 size 10k expire 1h store gpc0
frontend counted
    bind 127.0.0.1:{counted}
    timeout client 5m  # a connection that holds a leaving worker outlasts what is done meanwhile
    acl known path -f {etc}/lists/known.lst
    http-request track-sc0 src table sources
    acl office src 10.0.0.1 10.1.0.0/16
    http-request deny if known
    http-request deny if office {{ path_beg /admin /root }}
    default_backend app
backend app
    server s1 127.0.0.1:{web} weight 20
    server s2 127.0.0.1:{web} weight 10
    server s3 127.0.0.1:{web}
"""


class LiveCase(Case):
    """Tests of an Edge whose process has state that is in no file."""

    def setUp(self) -> None:
        super().setUp()
        self.web = WebServer()
        self.addCleanup(self.web.stop)
        self.counted = free_port()
        self.state = self.directory / "servers-state"  # HAProxy loads servers' state from here, if configured

    def made(self, socket: str = "admin.sock", *, state_file: bool = False, **options) -> Edge:
        edge = Edge(self.directory, socket=str(self.directory / socket), cheap_key=True, **options)
        self.map, self.acl = f"{edge.etc}/maps/version.map", f"{edge.etc}/lists/known.lst"
        Path(self.acl).write_text("/no\n/neither\n")
        self.loads_state = state_file
        self.write(edge, "v1")
        self.addCleanup(edge.haproxy.stop)
        return edge

    def write(self, edge: Edge, version: str, extra: str = "") -> None:
        edge.write(version, extra=_LIVE.format(counted=self.counted, etc=edge.etc, web=self.web.port) + extra)
        if self.loads_state:
            edge.load_state(self.state)

    def inline(self, edge: Edge, criterion: str) -> str:
        """The number of an ACL that is defined in the configuration."""
        lines = edge.haproxy.admin("show acl").splitlines()
        return next("#" + line.split()[0] for line in lines if f"() acl '{criterion}' file '{edge.config}'" in line
                    and not line.endswith("entry_cnt=0"))

    def say(self, edge: Edge, *commands: str) -> None:
        for command in commands:
            self.assertEqual(edge.haproxy.admin(command).strip(), "", command)

    def change(self, edge: Edge) -> None:
        """Changes the runtime state by commands, so that no file reflects it."""
        self.say(
            edge,
            "set server app/s1 state drain",
            "set server app/s2 weight 3",
            "set server app/s3 state maint",
            f"set map {self.map} version changed",
            f"add map {self.map} more words\\ of\\ it",
            f"del acl {self.acl} /neither",
            f"add acl {self.acl} /two\\ words",
            f"add acl {self.inline(edge, 'path_beg')} /more\\ of\\ it",
            f"del acl {self.inline(edge, 'src')} 10.0.0.1",
            "set table names key some\\ thing data.gpc0 7",
            "set table sources key 192.0.2.1 data.gpc0 5 data.conn_cnt 9",
        )

    def servers(self, edge: Edge) -> dict[str, tuple[int, str]]:
        """The administrative state (maintenance and drain) and the weight, by name."""
        rows = [line.split() for line in edge.haproxy.admin("show servers state").splitlines()[2:] if line]
        return {row[3]: (int(row[6]) & 0x09, row[7]) for row in rows if row[1] == "app"}

    def entries(self, edge: Edge, kind: str, path: str) -> list[str]:
        lines = edge.haproxy.admin(f"show {kind} {path}").splitlines()
        return [line.split(" ", 1)[1] for line in lines if line.startswith("0x")]

    def knows(self, edge: Edge) -> dict:
        """Everything that change() changes, without counters that restart at a reload."""
        rows = {}
        for table in ("names", "sources"):
            for line in edge.haproxy.admin(f"show table {table}").splitlines():
                if line.startswith("0x"):
                    words = line.split(": ", 1)[1]
                    rows[words.split(" use=")[0]] = [one for one in words.split() if one.startswith(("gpc0=", "conn_cnt="))]
        return {
            "servers": self.servers(edge),
            "map": self.entries(edge, "map", self.map),
            "acl": self.entries(edge, "acl", self.acl),
            "inline": [self.entries(edge, "acl", self.inline(edge, criterion)) for criterion in ("path_beg", "src")],
            "rows": rows,
        }
