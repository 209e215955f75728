"""Data directories made of a snapshot: an ensemble as it was before somebody deleted what he should not have."""

from rig import ensemble, make_agent, run_tests, source_of
from lib import Case, ZooKeeperEnsemble
from lib.zookeeper_client import create


class BeforeTheDelete(Case):
    def ensemble(self, name: str, members: int, **options) -> ZooKeeperEnsemble:
        made = ensemble(self.directory / name, members, **options)
        self.addCleanup(made.kill)
        return made

    def test_the_state_after_a_transaction(self) -> None:
        old = self.ensemble("old", 3).start()
        with old.client(1) as client:
            client.create("/app")
            client.fill(create(f"/app/n{number}", b"x" * 100) for number in range(200))
            client.set("/app/n7", b"kept")
            before = client.stat("/app/n7").mzxid
            tree = client.tree("/app")
            for child in client.children("/app"):
                client.delete(f"/app/{child}")
            client.create("/later")
            client.sync()
        agent = make_agent(self.directory / "agent", source_of(old, 2))
        agent.run("backup", "zookeeper/main")
        old.kill()

        new = self.ensemble("new", 3, own_log_dir=True)
        for number, member in new.members.items():
            made = agent.run(
                "restore", "latest:zookeeper/main", "--stage-data-dir", str(member.data_dir),
                "--stage-data-log-dir", str(member.log_dir), "--until-zxid", hex(before), "--member", str(number))
            self.assertIn(f"as it was after {before:#x}", made.stdout)
            self.assertEqual((member.data_dir / "myid").read_text(), f"{number}\n")
        refused = agent.run("restore", "latest:zookeeper/main", "--stage-data-dir", str(new.members[1].data_dir),
                            expect=None)
        self.assertIn("move version-2 aside", refused.stderr)
        new.start()
        with new.client(2) as client:
            client.sync()
            self.assertEqual(client.tree("/app"), tree)
            self.assertIsNone(client.stat("/later"))
            client.create("/goes-on")


if __name__ == "__main__":
    run_tests()
