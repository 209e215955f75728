"""Faults during a backup of ZooKeeper: stopped and outdated members, torn and damaged files, missing permissions."""

import os
import shutil

from rig import begin_with, ensemble, make_agent, restored, run_tests, source_of
from lib import Agent, Case, ZooKeeperEnsemble, wait_until
from lib.zookeeper_client import create


def fill(zookeeper: ZooKeeperEnsemble, name: str, count: int = 100, number: int = 1) -> None:
    with zookeeper.client(number) as client:
        client.fill(create(f"/{name}-{one}", b"x" * 100) for one in range(count))


class Alone(Case):
    """One server, started twice, so that it has two snapshots."""

    def setUp(self) -> None:
        super().setUp()
        self.server = ensemble(self.directory / "zk", 1)
        self.addCleanup(self.server.kill)
        for name in ("first", "second"):
            self.server.start()
            fill(self.server, name)
            self.count = self.server.srvr()["Node count"]
            self.zxid = self.server.zxid()
            self.server.stop()
        self.member = self.server.members[1]
        self.agent = make_agent(self.directory / "agent", source_of(self.server))

    def back_up(self, name: str = "out", expect: int = 0) -> dict:
        self.agent.run("backup", "zookeeper/main", expect=expect)
        return restored(self.agent, self.directory / name)[1]

    def test_stopped_server_is_saved_cold(self) -> None:
        manifest = self.back_up()
        self.assertEqual(manifest["details"]["service"], ["cold"])
        self.assertEqual(manifest["details"]["znodes"], [self.count])
        self.assertGreaterEqual(int(manifest["position"]["zxid"], 16), self.zxid)
        [source] = self.agent.json("source", "list")["sources"]
        self.assertFalse(source["healthy"])
        self.assertEqual(source["identity"]["zxid"], manifest["position"]["zxid"])

    def test_torn_snapshot_is_passed_over(self) -> None:
        newest = self.member.snapshots()[-1]
        os.truncate(newest, newest.stat().st_size - 30)
        manifest = self.back_up()
        self.assertIn(newest.name, manifest["warnings"][0])
        self.assertNotIn(newest.name, " ".join(manifest["checksums"]))
        self.assertEqual(manifest["details"]["znodes"], [self.count])
        other = ensemble(self.directory / "other", 1)
        self.addCleanup(other.kill)
        begin_with(other, self.directory / "out" / "data")
        self.assertEqual(other.srvr()["Node count"], self.count)
        for snapshot in self.member.snapshots():
            os.truncate(snapshot, 10)
        done = self.agent.run("backup", "zookeeper/main", expect=None)
        self.assertNotEqual(done.code, 0)
        self.assertIn("is complete", done.stderr)

    def test_copy_ends_before_a_damaged_record(self) -> None:
        log = self.member.logs()[-1]
        content = bytearray(log.read_bytes())
        used = len(bytes(content).rstrip(b"\0"))
        content[used // 2] ^= 1
        log.write_bytes(content)
        manifest = self.back_up(expect=3)
        zxid = int(manifest["position"]["zxid"], 16)
        self.assertLess(zxid, self.zxid)
        self.assertIn(f"the copy ends at {zxid:#x}", manifest["missing"][0]["reason"])
        # ZooKeeper would not start with the damaged log, but starts with the snapshot.
        other = ensemble(self.directory / "other", 1)
        self.addCleanup(other.kill)
        begin_with(other, self.directory / "out" / "data")
        self.assertEqual(other.zxid(), zxid)
        self.assertEqual([other.srvr()["Node count"]], manifest["details"]["znodes"])

    def test_second_run_reads_little(self) -> None:
        self.agent.run("backup", "zookeeper/main")
        again = self.agent.json("backup", "zookeeper/main")["sources"][0]
        self.assertEqual(again["state"], "done")
        self.assertGreater(again["bytes"], 20_000)
        self.assertLess(again["bytes_read"], 5_000)

    def test_compressed_snapshots_are_saved(self) -> None:
        for method in ("gz", "snappy"):
            with self.subTest(method):
                self.server.flags = f"-Dzookeeper.snapshot.compression.method={method}"
                self.server.start()
                fill(self.server, method)
                count = self.server.srvr()["Node count"]
                manifest = self.back_up(f"out-{method}")
                self.assertEqual(manifest["details"]["snapshot_compression"], [method])
                self.assertEqual(manifest["details"]["znodes"], [count])
                self.server.stop()

    def test_missing_configuration_is_named(self) -> None:
        self.member.config.unlink()
        done = self.agent.run("backup", "zookeeper/main", expect=None)
        self.assertNotEqual(done.code, 0)
        self.assertIn("zoo.cfg", done.stderr)


class Three(Case):
    def setUp(self) -> None:
        super().setUp()
        self.zookeeper = ensemble(self.directory / "zk")
        self.addCleanup(self.zookeeper.kill)
        self.zookeeper.start()
        fill(self.zookeeper, "first")

    def agent_of(self, number: int, **options) -> Agent:
        return make_agent(self.directory / f"agent-{number}", source_of(self.zookeeper, number, **options))

    def test_stopped_member_of_a_running_ensemble_is_refused(self) -> None:
        self.zookeeper.members[2].process.kill()
        wait_until("a leader among the rest", lambda: self.zookeeper.leader() != 2)
        fill(self.zookeeper, "second")
        done = self.agent_of(2).run("backup", "zookeeper/main", expect=None)
        self.assertNotEqual(done.code, 0)
        self.assertIn("this member is not part of the ensemble that the others serve, so its files are out of date:", done.stderr)

    def test_stopped_ensemble_is_saved_cold(self) -> None:
        self.zookeeper.stop()
        agent = self.agent_of(2)
        agent.run("backup", "zookeeper/main")
        files, manifest = restored(agent, self.directory / "out")
        self.assertEqual(manifest["details"]["service"], ["cold"])
        other = ensemble(self.directory / "other", 3)
        self.addCleanup(other.kill)
        begin_with(other, files / "data")
        with other.client(2) as client:
            self.assertEqual(len(client.children("/")), 101)

    def follower(self) -> int:
        return next(number for number in self.zookeeper.members if number != self.zookeeper.leader())

    def test_member_with_the_tree_from_its_leader_misses_nothing(self) -> None:
        """Its older log ends long before the snapshot that the leader sent. Nothing is missing."""
        self.zookeeper.stop()
        self.zookeeper.flags = "-Dzookeeper.snapshotSizeFactor=-1"  # leaders do not send missed transactions from logs
        self.zookeeper.start()
        fill(self.zookeeper, "second")
        number = self.follower()
        away = self.zookeeper.members[number]
        away.process.kill()
        old = {log.name for log in away.logs()}
        leader = self.zookeeper.leader()
        fill(self.zookeeper, "third", 2000, leader)  # more than a leader keeps in memory
        missed = self.zookeeper.zxid(leader)
        self.zookeeper.start_member(number)
        fill(self.zookeeper, "fourth", number=leader)
        given = int(away.snapshots()[-1].name.split(".")[1], 16)
        self.assertGreaterEqual(given, missed)
        self.assertEqual(given >> 32, missed >> 32)  # under the same leader
        agent = self.agent_of(number)
        agent.run("backup", "zookeeper/main")
        files, manifest = restored(agent, self.directory / "out")
        self.assertEqual(manifest["missing"], [])
        self.assertEqual(manifest["details"]["digest_confirmed_at"], [manifest["position"]["zxid"]])
        saved = {log.name for log in (files / "data" / "version-2").glob("log.*")}
        self.assertTrue(saved & old)  # ZooKeeper also reads it, because it cannot know where it ends
        self.assertTrue(saved - old)
        other = ensemble(self.directory / "other", 1)
        self.addCleanup(other.kill)
        begin_with(other, files / "data")
        self.assertEqual([other.srvr()["Node count"]], manifest["details"]["znodes"])

    def test_new_leaders_leave_no_gap(self) -> None:
        """Each starts a new epoch, in which the count of transactions begins at zero. That is not a gap."""
        for turn in range(3):
            was = self.zookeeper.leader()
            self.zookeeper.members[was].process.kill()
            wait_until("another leader", lambda was=was: self.zookeeper.leader() != was)
            fill(self.zookeeper, f"turn-{turn}", number=self.zookeeper.leader())
            self.zookeeper.start_member(was)
        for number in self.zookeeper.members:
            with self.subTest(number):
                agent = self.agent_of(number)
                agent.run("backup", "zookeeper/main")
                manifest = restored(agent, self.directory / f"out-{number}")[1]
                self.assertEqual((manifest["missing"], manifest["position"]["epoch"]), ([], "4"))

    def test_ensemble_without_srvr_is_saved(self) -> None:
        self.zookeeper.stop()
        self.zookeeper.properties["4lw.commands.whitelist"] = "ruok"
        for number in self.zookeeper.members:
            self.zookeeper._launch(self.zookeeper.members[number])

        def writes() -> bool:
            with self.zookeeper.client(3, timeout=2) as client:
                client.create("/after")
            return True

        wait_until("the ensemble", writes)
        agent = self.agent_of(3)
        agent.run("backup", "zookeeper/main")
        files, manifest = restored(agent, self.directory / "out")
        self.assertEqual(manifest["details"]["service"], ["live"])  # the agent sees its process
        self.assertEqual(manifest["missing"], [])
        other = ensemble(self.directory / "other", 1)
        self.addCleanup(other.kill)
        begin_with(other, files / "data")
        with other.client() as client:
            self.assertIsNotNone(client.stat("/after"))

    def test_missing_read_permission_is_named(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("needs root")
        for path in (self.directory, self.zookeeper.directory, self.zookeeper.members[1].directory):
            path.chmod(0o711)
        self.zookeeper.members[1].config.chmod(0o644)
        self.zookeeper.members[1].data_dir.chmod(0o700)
        agent = self.agent_of(1)
        for path in (self.directory / "agent-1", *(self.directory / "agent-1").rglob("*")):
            shutil.chown(path, "nobody")
        other = Agent(agent.config, user="nobody")
        done = other.run("backup", "zookeeper/main", expect=None)
        self.assertNotEqual(done.code, 0)
        self.assertIn("let the agent read ZooKeeper's data directories", done.stderr)


if __name__ == "__main__":
    run_tests()
