"""restore --stage-data-dir: a member's data directory, made by etcd's own tool, and the guide for the other members."""

from rig import SERVICE, EtcdCluster, fresh_cluster, make_agent, run_tests, tools_path
from lib import Case


class Stage(Case):
    @classmethod
    def setUpClass(cls) -> None:
        shared = cls.shared_directory()
        cls.cluster = EtcdCluster(shared / "cluster", SERVICE, 3).start()
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.fill(2000)
        cls.agent = make_agent(shared / "agent", cls.cluster.source())
        cls.report = cls.agent.json("backup")["sources"][0]

    def stage(self, fresh: EtcdCluster, member, *more: str, expect: int = 0):
        return self.agent.run(
            *("restore", "latest:etcd/main", "--stage-data-dir", str(member.data_dir)),
            *("--member", member.name, "--initial-cluster", fresh.initial_cluster, *more),
            env={"PATH": tools_path()},
            expect=expect,
        )

    def test_three_fresh_members_have_the_same_keys(self) -> None:
        fresh = fresh_cluster(self.directory / "fresh", self.cluster)
        said = [self.stage(fresh, member).stdout for member in fresh.members]
        self.assertIn("--member m2", said[0])
        self.assertIn("--initial-cluster-token", said[0])
        self.addCleanup(fresh.stop)
        fresh.start()

        self.assertEqual(fresh.state(), self.cluster.state(int(self.report["position"]["revision"])))
        fresh.ctl("put", "after", "the restore")

    def test_members_default_to_those_of_the_snapshot(self) -> None:
        target = self.directory / "data"
        arguments = ["restore", "latest:etcd/main", "--stage-data-dir", str(target)]
        said = self.agent.run(*arguments, "--member", "m1", env={"PATH": tools_path()}).stdout
        self.assertTrue((target / "member" / "snap" / "db").is_file())
        for member in self.cluster.members[1:]:
            self.assertIn(f"{member.name}={member.peer_url}", said)
        self.assertEqual(sorted(path.name for path in self.directory.iterdir()), ["data"])

    def test_revision_is_bumped(self) -> None:
        fresh = fresh_cluster(self.directory / "fresh", self.cluster, members=1)
        member = fresh.members[0]
        bump = ["--bump-revision", "1000000000", "--mark-compacted"]
        if self.cluster.is_3_4:
            said = self.stage(fresh, member, *bump, expect=1).stderr
            self.assertIn("etcdctl 3.4", said)
            self.assertFalse(member.data_dir.exists())
            return
        self.stage(fresh, member, *bump)
        self.addCleanup(fresh.stop)
        fresh.start()
        self.assertGreater(fresh.revision(), 1_000_000_000)

    def test_guide_names_an_alarm_and_how_to_clear_it(self) -> None:
        full = EtcdCluster(self.directory / "full", SERVICE, 1, quota=3 << 20).start()
        self.addCleanup(full.stop)
        full.fill_to_the_quota()
        agent = make_agent(self.directory / "agent", full.source())
        agent.json("backup")
        fresh = fresh_cluster(self.directory / "fresh", full, members=1)
        member = fresh.members[0]
        said = agent.run(
            *("restore", "latest:etcd/main", "--stage-data-dir", str(member.data_dir)),
            *("--member", member.name, "--initial-cluster", fresh.initial_cluster),
            env={"PATH": tools_path()},
        ).stdout
        self.assertIn("alarm NOSPACE", said)
        commands = [line.strip() for line in said.splitlines() if line.startswith("  etcdctl ")]
        self.assertEqual([command.split()[1] for command in commands], ["defrag", "alarm"])

        # With a larger quota and the printed commands, the member accepts writes again.
        self.addCleanup(fresh.stop)
        fresh.start()
        self.assertIn("NOSPACE", fresh.ctl("alarm", "list"))
        for command in commands:
            fresh.ctl(*command.split()[1:])
        fresh.ctl("put", "after", "the restore")

    def test_mistakes_are_named_and_leave_nothing(self) -> None:
        fresh = fresh_cluster(self.directory / "fresh", self.cluster, members=1)
        member = fresh.members[0]
        self.assertIn("belong together", self.stage(fresh, member, "--mark-compacted", expect=2).stderr)
        arguments = ["restore", "latest:etcd/main", "--stage-data-dir", str(member.data_dir)]
        said = self.agent.run(*arguments, "--member", "m9", expect=2).stderr
        self.assertIn("m1, m2, m3", said)
        said = self.agent.run(*arguments, "--member", "m1", env={"PATH": "/nonexistent"}, expect=1).stderr
        self.assertIn("neither is in PATH", said)
        self.assertFalse(member.data_dir.exists())
        member.data_dir.mkdir()
        (member.data_dir / "member").mkdir()
        self.assertIn("is not empty", self.stage(fresh, member, expect=1).stderr)

    def test_in_place_is_refused_with_an_alternative(self) -> None:
        said = self.agent.run("restore", "latest:etcd/main", "--in-place", expect=1).stderr
        self.assertIn("--stage-data-dir", said)


if __name__ == "__main__":
    run_tests()
