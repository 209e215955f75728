"""Root documents that change while nodes are offline."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, main
from lib.cluster import Cluster
from lib.processes import run


class ChangedTrust(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        roots = {"restore": "staging", "restore_roots": {"staging": str(self.directory / "staged")}}
        for node in ("db-1", "db-2"):
            data = self.directory / f"{node}-data"
            data.mkdir()
            (data / "a").write_text(f"data of {node}\n")
            self.cluster.add(node, [{"kind": "files", "name": "app", "paths": [str(data)]}], policy=roots)

    def test_agent_that_was_offline_follows_each_root_version(self) -> None:
        self.cluster.agents["db-1"].stop()
        # The second version has another controller key, so signatures by the first key no longer count.
        key = self.cluster.config.parent / "controller.key"
        new = self.directory / "new.key"
        run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(new)])
        run(["openssl", "pkey", "-in", str(new), "-pubout", "-out", str(self.directory / "new.pub")])
        self.cluster.rotate("--controller-key", str(self.directory / "new.pub"), "--raise-epoch")
        # Until the controller has the new key, agents refuse its plans, so it starts no runs.
        problems = {one["condition"]: one for one in self.cluster.status()["problems"]}
        self.assertIn("restart holdfast-controller", problems["signing_key_refused"]["hint"])
        refused = self.cluster.call("backup", "--all", expect=4)
        self.assertIn("is not in version 2 of the root document", refused.stderr)
        self.assertIn("signing_key_file of controller.yaml", refused.stderr)
        self.assertEqual(self.cluster.json("run", "list")["runs"], [])
        self.cluster.controller.stop()
        key.write_bytes(new.read_bytes())
        self.cluster.start()
        self.assertNotIn("signing_key_refused", [one["condition"] for one in self.cluster.status()["problems"]])
        self.cluster.rotate("--days", "400")
        self.assertEqual(self.cluster.status()["root_version"], 3)

        self.cluster.start_agent("db-1")

        done = self.cluster.json("backup", "files/app@db-1", "files/app@db-2")["runs"][0]
        self.assertEqual(done["state"], "done", done)
        self.assertEqual({task["node"] for task in done["tasks"]}, {"db-1", "db-2"})
        roots = self.cluster.agent("db-1").config.parent / "state" / "identity" / "roots"
        self.assertEqual(sorted(path.name for path in roots.iterdir()), ["2.holdfast", "3.holdfast"])
        # The agent has stored the versions: it works after restarts of both.
        self.cluster.restart_agent("db-1")
        self.cluster.restart_controller()
        self.cluster.wait_for("db-1")
        self.assertEqual(self.cluster.json("backup", "files/app@db-1")["runs"][0]["state"], "done")

    def test_the_restore_helper_follows_many_versions_at_once(self) -> None:
        self.cluster.call("backup", "files/app@db-1")
        for _ in range(18):
            self.cluster.rotate()

        self.cluster.call("restore", "latest:files/app@db-1", "--node", "db-1", "--into", "staging/x", "--yes",
                          operator=True)

        self.assertEqual([path.read_text() for path in (self.directory / "staged" / "x").rglob("a")],
                         ["data of db-1\n"])


main("restic")
