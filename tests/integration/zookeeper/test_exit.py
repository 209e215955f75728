"""docs/exit/zookeeper.md: restic and a shell script alone bring an ensemble back, and ZooKeeper starts on it."""

import os
from pathlib import Path

from rig import ensemble, make_agent, run_tests, source_of
from lib import Case, ZooKeeperEnsemble, run
from lib.places import ROOT, service_program
from lib.zookeeper_client import create


class WithoutUs(Case):
    def setUp(self) -> None:
        super().setUp()
        self.old = self.ensemble("old")
        self.old.start()
        with self.old.client(1) as client:
            client.fill(create(f"/n{number}", b"x" * 100) for number in range(300))
            self.tree = client.tree()
        self.agent = make_agent(self.directory / "agent", source_of(self.old, 1))
        self.agent.run("backup", "zookeeper/main")
        self.count = self.old.srvr()["Node count"]
        self.old.kill()

    def ensemble(self, name: str, **options) -> ZooKeeperEnsemble:
        made = ensemble(self.directory / name, 3, **options)
        self.addCleanup(made.kill)
        return made

    def exit(self, *arguments: str, expect: int = 0) -> str:
        env = {
            "PATH": f"{Path(service_program('restic', 'restic')).parent}:{os.environ['PATH']}",
            "RESTIC_CACHE_DIR": str(self.directory / "cache"),
            "RESTIC_REPOSITORY": str(self.directory / "agent" / "repository"),
            "RESTIC_PASSWORD_FILE": str(self.directory / "agent" / "password"),
        }
        done = run([str(ROOT / "scripts" / "exit" / "zookeeper"), *arguments], env=env, expect=expect)
        return done.stdout + done.stderr

    def check(self, new: ZooKeeperEnsemble) -> None:
        new.start()
        with new.client(3) as client:
            client.sync()
            self.assertEqual(client.tree(), self.tree)
            client.create("/goes-on")
        self.assertEqual(int(new.srvr(3)["Node count"]), int(self.count) + 1)

    def test_it_comes_back(self) -> None:
        new = self.ensemble("new")
        for number, member in new.members.items():
            self.exit("--data-dir", str(member.data_dir), "--id", str(number), "main")
            self.assertIn("move it aside", self.exit("--data-dir", str(member.data_dir), "main", expect=1))
        self.check(new)

    def test_logs_apart(self) -> None:
        new = self.ensemble("new", own_log_dir=True)
        for number, member in new.members.items():
            places = ["--data-dir", str(member.data_dir), "--data-log-dir", str(member.log_dir)]
            self.exit(*places, "--id", str(number), "main")
            self.assertEqual([len(member.snapshots()) > 0, len(member.logs()) > 0], [True, True])
        self.check(new)

    def test_what_is_not_there(self) -> None:
        told = self.exit("--data-dir", str(self.directory / "x"), "other", expect=1)
        self.assertIn('no snapshot of "zookeeper/other"', told)


if __name__ == "__main__":
    run_tests("restic")
