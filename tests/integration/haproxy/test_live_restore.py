"""Runtime changes of HAProxy are restored in place, under load, or nothing changes at all."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from edge import Edge, LiveCase
from lib import Load, main, wait_until
from lib.haproxy import get

REQUESTS = 20_000


class LiveRestore(LiveCase):
    def leftovers(self, edge: Edge) -> list[str]:
        kept = [str(path) for path in (self.directory / "agent" / "state").rglob("live-*")]
        return kept + [str(path) for path in self.directory.rglob(".holdfast-*")]

    def test_everything_is_restored_and_no_request_is_lost(self) -> None:
        edge = self.made(state_file=True)
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
        # The table's counters are set, its rate is not; the report says so.
        self.assertIn("table names: 1 row set", done.stdout)
        self.assertIn("servers' state was loaded from its file", done.stdout)
        self.assertIn(f"map {self.map} has its former content in memory", done.stdout)
        self.assertFalse(self.state.exists())
        self.assertEqual(self.leftovers(edge), [])
        self.assertEqual(edge.contents()["maps/version.map"], b"version v1\n")
        # A reload loads the file's original content; requests get the content in memory.
        self.assertEqual(get(edge.port)[1], "v1 changed")

    def test_without_a_state_file_all_but_the_servers_state_is_restored(self) -> None:
        edge = self.made()
        edge.haproxy.start()
        self.change(edge)
        known = self.knows(edge)
        snapshot = edge.backup()["snapshot"]
        edge.haproxy.reload()
        done = edge.restore(snapshot)
        now = self.knows(edge)
        for part in ("map", "acl", "inline", "rows"):
            self.assertEqual(now[part], known[part])
        self.assertIn("not restored: server app/s1: it was drained", done.stdout)
        self.assertIn("server-state-file", done.stdout)

    def test_rejected_configuration_changes_nothing(self) -> None:
        edge = self.made(state_file=True)
        edge.haproxy.start()
        self.write(edge, "v1", extra="    no-such-directive\n")
        snapshot = edge.backup(expect=3)["snapshot"]
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

    def test_failed_step_rolls_back_files_and_runtime_state(self) -> None:
        edge = self.made(state_file=True)
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

    def test_crash_during_the_reload_rolls_back_files_and_runtime_state(self) -> None:
        edge = self.made(state_file=True)
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
        # The file exists from just before the reload until the new worker is known to run.
        wait_until("the state to be loaded", self.state.exists)
        restore.kill()

        report = edge.backup()
        self.assertIn("the runtime state was restored", str(report["recovered"]))
        self.assertEqual(edge.contents(), files)
        self.assertEqual(self.knows(edge), known)
        self.assertFalse(self.state.exists())
        self.assertEqual(self.leftovers(edge), [])

    def saved_without_level(self, edge: Edge) -> str:
        """A snapshot whose configuration gives its socket only level user: the new worker refuses table rows."""
        current = edge.config.read_text()
        self.say(edge, "set table names key lost data.gpc0 9")
        edge.config.write_text(re.sub(r"\bv2\b", "v3", current.replace("level admin", "level user")))
        weaker = edge.backup()["snapshot"]
        edge.config.write_text(current)
        return weaker

    def test_too_low_socket_level_is_refused_before_any_change(self) -> None:
        edge = self.made(state_file=True)
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
