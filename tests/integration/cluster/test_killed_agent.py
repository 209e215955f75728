"""An agent is killed during a run; `holdfast status` shows it to the operator."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, main, wait_until
from lib.cluster import Cluster

SLOW = {"read_mib_s": 1}
SOURCE = "files/app@db-1"


class KilledAgent(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        self.data = self.directory / "data"
        self.data.mkdir()
        (self.data / "large").write_bytes(os.urandom(64 << 20))
        self.sources = [{"kind": "files", "name": "app", "paths": [str(self.data)]}]
        self.cluster.add("db-1", self.sources, limits=SLOW)

    def kill_in_mid_run(self) -> str:
        run_id = self.cluster.json("backup", "--all", "--no-wait")["runs"][0]["run"]

        def is_saving() -> bool:
            task = self.cluster.run_of(run_id)["tasks"][0]
            return task["state"] == "saving" and task["bytes"] > 0

        wait_until("the task saves", is_saving)
        self.cluster.agents["db-1"].kill()
        return run_id

    def test_status_names_the_lost_task_until_a_backup_succeeds(self) -> None:
        run_id = self.kill_in_mid_run()
        wait_until("the agent is away", lambda: not self.cluster.state_of("db-1")["connected"], 20)
        running = self.cluster.run_of(run_id)
        self.assertEqual((running["state"], running["tasks"][0]["state"]), ("running", "saving"))
        self.assertIn("agent_away", [one["condition"] for one in self.cluster.status()["problems"]])
        view = self.cluster.wait_for_end(run_id, 400)
        self.assertEqual(view["tasks"][0]["state"], "lost")

        self.assert_lost(run_id)

        # The agent resumes the plan, learns that the run has ended, and reports. The task stays lost.
        self.cluster.write_config("db-1", self.sources)
        self.cluster.start_agent("db-1")
        wait_until("the run is closed",
                   lambda: "the agent has stopped" in self.cluster.run_of(run_id)["tasks"][0]["error"]["message"], 60)
        self.assert_lost(run_id)
        self.cluster.call("backup", "--all")
        good = self.cluster.json("status")
        self.assertEqual(good["problems"], [])
        self.assertEqual(good["sources"][0]["last_state"], "done")
        self.assertIsNone(good["sources"][0]["last_reason"])

    def assert_lost(self, run_id: str) -> None:
        self.cluster.call("run", "show", run_id, expect=1)
        status = self.cluster.json("status", expect=1)
        source = status["sources"][0]
        self.assertEqual(source["last_run"], run_id)
        self.assertEqual((source["last_state"], source["last_node"]), ("lost", "db-1"))
        self.assertIn("has been silent for", source["last_reason"])
        self.assertIn("systemctl status holdfast-agent", source["last_hint"])
        self.assertIsNotNone(source["last_ended"])
        problems = {(one["condition"], one["subject"]) for one in status["problems"]}
        self.assertIn(("source_failed", SOURCE), problems)
        text = self.cluster.call("status", expect=1).stdout
        for shown in (SOURCE, "lost", "db-1", run_id, "has been silent for", "holdfast backup " + SOURCE):
            self.assertIn(shown, text)


if __name__ == "__main__":
    main()
