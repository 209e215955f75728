"""What was changed while HAProxy ran comes back in place, under load, or nothing is changed at all."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from edge import Edge
from lib import Case, Load, WebServer, free_port, main, wait_until
from lib.haproxy import get

REQUESTS = 20_000

_LIVE = """
backend sources
    stick-table type ip size 1m expire 1h store gpc0,conn_cnt,http_req_rate(10s)
backend names
    stick-table type string len 64 size 10k expire 1h store gpc0
frontend counted
    bind 127.0.0.1:{counted}
    acl known path -f {etc}/lists/known.lst
    http-request deny if known
    default_backend app
backend app
    server s1 127.0.0.1:{web} weight 20
    server s2 127.0.0.1:{web} weight 10
    server s3 127.0.0.1:{web}
"""


class LiveRestore(Case):
    def setUp(self) -> None:
        super().setUp()
        self.web = WebServer()
        self.addCleanup(self.web.stop)
        self.counted = free_port()
        self.socket = str(self.directory / "admin.sock")

    def made(self, *, state_file: bool = True, socket: str | None = None) -> Edge:
        edge = Edge(self.directory, socket=socket or self.socket, cheap_key=True)
        (edge.etc / "lists" / "known.lst").write_text("/no\n")
        self.state = self.directory / "servers-state"
        self.write(edge, "v1", state_file)
        self.addCleanup(edge.haproxy.stop)
        self.map, self.acl = f"{edge.etc}/maps/version.map", f"{edge.etc}/lists/known.lst"
        return edge

    def write(self, edge: Edge, version: str, state_file: bool = True, extra: str = "") -> None:
        edge.write(version, extra=_LIVE.format(counted=self.counted, etc=edge.etc, web=self.web.port) + extra)
        if state_file:
            text = edge.config.read_text()
            text = text.replace("global\n", f"global\n    server-state-file {self.state}\n")
            edge.config.write_text(text.replace("defaults\n", "defaults\n    load-server-state-from-file global\n"))

    def say(self, edge: Edge, *commands: str) -> None:
        for command in commands:
            self.assertEqual(edge.haproxy.admin(command).strip(), "", command)

    def change(self, edge: Edge) -> None:
        self.say(
            edge,
            "set server app/s1 state drain",
            "set server app/s2 weight 3",
            "set server app/s3 state maint",
            f"set map {self.map} version changed",
            f"add map {self.map} more words\\ of\\ it",
            f"add acl {self.acl} /two\\ words",
            "set table names key some\\ thing data.gpc0 7",
            "set table sources key 192.0.2.1 data.gpc0 5 data.conn_cnt 9",
        )

    def servers(self, edge: Edge) -> dict[str, tuple[str, str]]:
        """What is set by hand (maintenance and drain), and the weight, by name."""
        rows = [line.split() for line in edge.haproxy.admin("show servers state").splitlines()[2:] if line]
        return {row[3]: (int(row[6]) & 0x09, row[7]) for row in rows if row[1] == "app"}

    def entries(self, edge: Edge, kind: str, path: str) -> list[str]:
        lines = edge.haproxy.admin(f"show {kind} {path}").splitlines()
        return [line.split(" ", 1)[1] for line in lines if line.startswith("0x")]

    def knows(self, edge: Edge) -> dict:
        """All that change() changes, without what every reload counts anew."""
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
            "rows": rows,
        }

    def leftovers(self, edge: Edge) -> list[str]:
        kept = [str(path) for path in (self.directory / "agent" / "state").rglob("live-*")]
        return kept + [str(path) for path in self.directory.rglob(".holdfast-*")]

    def test_everything_comes_back_and_no_request_is_lost(self) -> None:
        edge = self.made()
        edge.haproxy.start()
        self.change(edge)
        known = self.knows(edge)
        snapshot = edge.backup()["snapshot"]
        self.write(edge, "v2")
        edge.haproxy.reload()
        self.assertNotEqual(self.knows(edge), known)

        with Load(edge.port) as load:
            load.wait_for(REQUESTS // 3)
            done = edge.restore(snapshot)
            load.wait_for(max(REQUESTS, load.requests + 1000))

        self.assertEqual(load.failures, [])
        self.assertGreaterEqual(load.requests, REQUESTS)
        self.assertEqual(self.knows(edge), known)
        # Counters of the table were set, its rate was not, and that is said.
        self.assertIn("table names: 1 rows set", done.stdout)
        self.assertIn("servers' state was loaded from its file", done.stdout)
        self.assertIn(f"map {self.map} is as it was in memory", done.stdout)
        self.assertFalse(self.state.exists())
        self.assertEqual(self.leftovers(edge), [])
        self.assertEqual(edge.contents()["maps/version.map"], b"version v1\n")
        # The file's own words are what a reload brings, and what memory has is what is served.
        self.assertEqual(get(edge.port)[1], "v1 changed")

    def test_without_a_state_file_servers_are_told_and_the_rest_comes_back(self) -> None:
        edge = self.made(state_file=False)
        edge.haproxy.start()
        self.change(edge)
        known = self.knows(edge)
        snapshot = edge.backup()["snapshot"]
        edge.haproxy.reload()
        done = edge.restore(snapshot)
        now = self.knows(edge)
        for part in ("map", "acl", "rows"):
            self.assertEqual(now[part], known[part])
        self.assertIn("not put back: server app/s1: it was drained", done.stdout)
        self.assertIn("server-state-file", done.stdout)

    def test_a_configuration_that_is_refused_changes_nothing(self) -> None:
        edge = self.made()
        edge.haproxy.start()
        self.write(edge, "v1", extra="    no-such-directive\n")
        snapshot = edge.backup()["snapshot"]
        self.write(edge, "v1")
        edge.haproxy.reload()
        self.change(edge)
        known, workers, files = self.knows(edge), edge.haproxy.workers(), edge.contents()
        with Load(edge.port) as load:
            load.wait_for(500)
            done = edge.restore(snapshot, expect=1)
            load.wait_for(load.requests + 500)
        self.assertEqual(load.failures, [])
        self.assertIn("no-such-directive", done.stderr)
        self.assertEqual((self.knows(edge), edge.haproxy.workers(), edge.contents()), (known, workers, files))
        self.assertEqual(self.leftovers(edge), [])

    def test_when_a_step_fails_all_is_as_it_was_memory_too(self) -> None:
        edge = self.made()
        self.write(edge, "v2")
        edge.haproxy.start()
        weaker = self.saved_without_level(edge)
        edge.haproxy.reload()
        self.say(
            edge,
            f"set map {self.map} version mine",
            "set server app/s2 state drain",
            "set table names key other data.gpc0 2",
        )
        self.state.write_text("1\n# of the operator's own\n")
        known, files = self.knows(edge), edge.contents()
        elsewhere = edge.config.read_text()
        done = edge.restore(weaker, expect=4)
        self.assertIn('only the level "user"', done.stderr)
        self.assertEqual(self.knows(edge), known)
        self.assertEqual(edge.contents(), files)
        self.assertEqual(edge.config.read_text(), elsewhere)
        self.assertEqual(self.state.read_text(), "1\n# of the operator's own\n")
        self.assertEqual(self.leftovers(edge), [])
        self.assertEqual(get(edge.port)[1], "v2 mine")

    def test_a_crash_during_the_reload_is_undone_memory_too(self) -> None:
        edge = self.made()
        edge.haproxy.start()
        self.change(edge)
        snapshot = edge.backup()["snapshot"]
        self.write(edge, "v2")
        edge.haproxy.reload()
        self.say(
            edge,
            f"set map {self.map} version mine",
            "set server app/s2 state drain",
            "set table names key other data.gpc0 2",
        )
        known, files = self.knows(edge), edge.contents()
        restore = edge.agent.start("restore", snapshot, "--in-place", log=self.directory / "restore.log")
        # It is there from just before the reload until the new worker has shown that it lives.
        wait_until("the state to be loaded", self.state.exists)
        restore.kill()

        report = edge.backup()
        self.assertIn("what it knew was put back", str(report["recovered"]))
        self.assertEqual(edge.contents(), files)
        self.assertEqual(self.knows(edge), known)
        self.assertFalse(self.state.exists())
        self.assertEqual(self.leftovers(edge), [])

    def saved_without_level(self, edge: Edge) -> str:
        """A snapshot whose configuration shows its socket to users only: the new worker refuses rows of tables."""
        current = edge.config.read_text()
        self.say(edge, "set table names key lost data.gpc0 9")
        edge.config.write_text(current.replace("level admin", "level user").replace("v2", "v3"))
        weaker = edge.backup()["snapshot"]
        edge.config.write_text(current)
        return weaker

    def test_a_socket_with_too_low_a_level_is_refused_before_anything(self) -> None:
        edge = self.made()
        edge.haproxy.start()
        self.change(edge)
        snapshot = edge.backup()["snapshot"]
        edge.config.write_text(edge.config.read_text().replace("level admin", "level user"))
        edge.haproxy.reload()
        files, workers = edge.contents(), edge.haproxy.workers()
        done = edge.restore(snapshot, expect=4)
        self.assertIn('only the level "user"', done.stderr)
        self.assertEqual((edge.contents(), edge.haproxy.workers()), (files, workers))


if __name__ == "__main__":
    main("haproxy", "restic")
