"""After the loss of the catalog: which nodes can continue, which stay revoked, and what is rebuilt."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, main
from lib.cluster import Cluster
from lib.processes import wait_until

# docs/catalog.md lists these as known only to the controller, so they are lost: (table, column), "" for whole rows.
NEVER_TOLD = {
    ("run", ""),  # runs without a snapshot
    *(("run", column) for column in (
        "state", "requester", "reason", "selectors", "queue_if_busy", "splay_ms", "created_ms", "started_ms",
        "deadline_ms", "cut_ms", "ended_ms", "message")),
    ("task", ""), ("source_run", ""), ("plan", ""), ("token", ""),
    ("snapshot", "recorded_ms"),
    ("agent", "plan_sequence"), ("agent", "last_seen_ms"),
    ("audit", "leaf"), ("audit", ""),
}
# The same for a revoked node, which the controller no longer asks.
OF_THE_REVOKED = {
    ("agent", "version"), ("agent", "root_version"), ("agent", "report_sequence"), ("agent", "report_hash"),
    ("agent_source", ""), ("agent_repository", ""), ("agent_health", ""),
    ("snapshot", "node"), ("snapshot", "cut_barrier_met"), ("snapshot", "missing_count"), ("snapshot", "position"),
}


class Rebuilt(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        for node in ("db-1", "db-2", "gone"):
            data = self.directory / f"{node}-data"
            data.mkdir()
            (data / "a").write_text(f"data of {node}\n")
            self.cluster.add(node, [{"kind": "files", "name": "app", "paths": [str(data)]}])

    def lose_catalog(self) -> None:
        state = self.directory / "controller-state"
        self.cluster.controller.stop()
        for path in state.glob("catalog.db*"):
            path.unlink()
        self.cluster.start()

    def differences(self, copy: Path) -> tuple[dict[str, int], dict[str, set]]:
        """Counts by kind of recovery, and the tables and columns of each kind."""
        lines = self.cluster.call("catalog", "check", "--against", str(copy)).stdout.splitlines()
        self.assertIn("audit events, without a gap", lines[0])
        self.assertRegex(lines[1], r"^[\d,]+ differences? from " + re.escape(str(copy)) + "$")
        counts = dict(zip(("repositories", "reports", "agents", "files", "nothing", "newer"),
                          (int(line.split()[0].replace(",", "")) for line in lines[2:8]), strict=True))
        where: dict[str, set] = {}
        for line in lines[8:]:
            if found := re.fullmatch(r"  (\w+)(?:\.(\w+))?: \d+ \((\w+)\)", line):
                where.setdefault(found[3], set()).add((found[1], found[2] or ""))
        self.assertEqual({name for name, count in counts.items() if count}, set(where), lines)
        return counts, where

    def test_a_lost_catalog_is_rebuilt(self) -> None:
        self.cluster.call("backup", "--all", "--note", "first")
        self.cluster.call("source", "list")  # queries the nodes
        self.cluster.call("agent", "revoke", "gone", "--yes")
        (self.directory / "db-1-data" / "b").write_text("more\n")
        self.cluster.call("backup", "--all", "--note", "second")
        self.cluster.call("agent", "token", "another", operator=True)
        self.cluster.rotate()
        before = self.cluster.json("snapshot", "list")["snapshots"]
        self.assertEqual(len(before), 5)
        # All pending reports have arrived.
        wait_until("every report", lambda: not self.cluster.status()["running"])
        copy = self.directory / "controller-state" / "copies" / "copy.db"
        self.cluster.call("catalog", "backup", copy.name)

        self.lose_catalog()
        for node in ("db-1", "db-2"):
            self.cluster.wait_for(node)  # with their existing keys
        rebuilt = self.cluster.json("catalog", "rebuild")

        self.assertEqual([run["state"] for run in rebuilt["runs"]], ["done"])
        after = self.cluster.json("snapshot", "list")["snapshots"]
        expected = [one for one in before if one["host"] != "gone"]
        self.assertEqual([one for one in after if one["host"] != "gone"], expected)
        self.assertEqual({one["id"] for one in after}, {one["id"] for one in before})
        self.assertEqual(self.cluster.status()["root_version"], 2)
        counts, where = self.differences(copy)
        self.assertEqual({name: counts[name] for name in ("repositories", "reports", "agents", "files")},
                         {"repositories": 0, "reports": 0, "agents": 0, "files": 0}, where)
        self.assertEqual(where["nothing"] - NEVER_TOLD - OF_THE_REVOKED, set())
        # These are always lost. If the comparison does not see that, it proves nothing.
        for lost in (("task", ""), ("plan", ""), ("run", "requester"), ("run", "reason"), ("token", ""),
                     ("audit", "leaf"), ("agent_source", "")):
            self.assertIn(lost, where["nothing"])

        gone = self.cluster.state_of("gone")
        self.assertTrue(gone["revoked"])
        self.assertFalse(gone["connected"])
        wait_until("its agent to be told so",  # it retries less and less often
                   lambda: "the controller refuses this agent:" in self.cluster.agents["gone"].tail(200), 60)
        done = self.cluster.json("backup", "--all")["runs"][0]
        self.assertEqual(done["state"], "done", done)
        self.assertEqual({task["node"] for task in done["tasks"]}, {"db-1", "db-2"})

    def test_revoked_node_stays_revoked_after_return_to_an_older_catalog(self) -> None:
        copy = self.directory / "controller-state" / "copies" / "copy.db"
        self.cluster.call("catalog", "backup", copy.name)
        self.cluster.call("agent", "revoke", "gone", "--yes")
        token = self.cluster.call("agent", "token", "db-2", "--rejoin", "--yes", operator=True).stdout
        self.cluster.agents["db-2"].stop()
        self.cluster.agent("db-2").run("join", "--token-file", "-", input=token)
        self.cluster.start_agent("db-2")

        self.cluster.controller.stop()
        state = self.directory / "controller-state"
        for path in state.glob("catalog.db*"):
            path.unlink()
        (state / "catalog.db").write_bytes(copy.read_bytes())
        self.cluster.start()

        self.cluster.wait_for("db-2")
        self.assertEqual(self.cluster.state_of("db-2")["incarnation"], 2)
        self.assertTrue(self.cluster.state_of("gone")["revoked"])
        self.assertEqual(self.cluster.json("backup", "--all")["runs"][0]["state"], "done")


main("restic")
