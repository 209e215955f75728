"""The test library for ZooKeeper: its ensembles and its client."""

import gzip

from rig import ensemble, run_tests
from lib import Case, MultiWriter, ZooKeeperError, wait_until
from lib.zookeeper_client import EPHEMERAL, SEQUENTIAL, change, create, delete

SECRET = ((31, "digest", "anna:Wap/fLaD11BLJBT+7fkDcVxaT7c="),)  # of "anna:secret"


class Alone(Case):
    def start(self, **options):
        one = ensemble(self.directory / "zk", 1, **options)
        self.addCleanup(one.kill)
        return one.start()

    def test_client_supports_all_operations(self) -> None:
        server = self.start(flags="-Dzookeeper.extendedTypesEnabled=true")
        self.assertEqual(server.srvr()["Mode"], "standalone")
        with server.client() as client:
            client.create("/a", b"1")
            client.create("/a/none", None)
            self.assertEqual(client.create("/a/s-", b"", flags=SEQUENTIAL), "/a/s-0000000001")
            client.create("/a/e", b"", flags=EPHEMERAL)
            client.create_container("/c")
            client.create_with_ttl("/t", 100_000)
            self.assertEqual(client.get("/a/none")[0], None)
            self.assertEqual(client.stat("/a/e").owner, client.session)
            self.assertEqual(client.set("/a", b"2", 0).version, 1)
            with self.assertRaises(ZooKeeperError):
                client.set("/a", b"3", 0)
            before = client.stat("/a").mzxid
            with self.assertRaises(ZooKeeperError):
                client.multi(change("/a", b"4"), delete("/not-there"))
            zxid = client.multi(change("/a", b"5"), create("/b"), delete("/a/none"))
            self.assertEqual(client.stat("/a").mzxid, zxid)
            self.assertGreater(zxid, before)
            client.set_acl("/b", SECRET)
            with server.client() as other:
                with self.assertRaises(ZooKeeperError):
                    other.get("/b")
                other.login("digest", "anna:secret")
                self.assertEqual(other.acl("/b"), [*SECRET])
                self.assertEqual(other.children("/a"), ["e", "s-0000000001"])
            self.assertEqual(set(client.tree("/a")), {"/a", "/a/e", "/a/s-0000000001"})
        with server.client() as client:
            self.assertIsNone(client.stat("/a/e"))
        [log] = server.members[1].logs()
        self.assertIn("multi", server.dump_log(log))

    def test_server_keeps_its_data_after_a_restart(self) -> None:
        server = self.start(own_log_dir=True, flags="-Dzookeeper.snapshot.compression.method=gz")
        with server.client() as client:
            client.fill(create(f"/n{number}", b"x" * 100) for number in range(1000))
        self.assertEqual(server.srvr()["Node count"], "1005")
        server.stop()
        server.start()
        self.assertEqual(server.srvr()["Node count"], "1005")
        newest = server.members[1].snapshots()[-1]
        self.assertEqual(newest.suffix, ".gz")
        self.assertEqual(gzip.decompress(newest.read_bytes())[:4], b"ZKSN")
        self.assertEqual([file.name.split(".")[0] for file in server.members[1].logs()], ["log"])

    def test_snapshots_are_compressed_with_snappy(self) -> None:
        server = self.start(flags="-Dzookeeper.snapshot.compression.method=snappy")
        server.stop()
        server.start()
        self.assertEqual(server.members[1].snapshots()[-1].read_bytes()[:8], b"\x82SNAPPY\0")


class Three(Case):
    def test_writes_continue_after_a_lost_leader(self) -> None:
        three = ensemble(self.directory / "zk", properties={"autopurge.purgeInterval": "1"})
        self.addCleanup(three.kill)
        three.start()
        paths = [f"/tree-{tree}" for tree in range(4)]
        with three.client(1) as client:
            client.fill(create(path) for path in paths)
            with MultiWriter(client, [paths]) as writer:
                wait_until("multis", lambda: writer.acknowledged[0] > 500)
            self.assertEqual({client.get(path)[0] for path in paths}, {str(writer.acknowledged[0]).encode()})
        leader = three.leader()
        three.members[leader].process.kill()
        wait_until("another leader", lambda: three.leader() != leader)
        other = next(number for number in three.members if number != leader)
        with three.client(other) as client:
            client.set(paths[0], b"after")
        three.start_member(leader)
        with three.client(leader) as client:
            client.sync()
            self.assertEqual(client.get(paths[0])[0], b"after")


if __name__ == "__main__":
    run_tests()
