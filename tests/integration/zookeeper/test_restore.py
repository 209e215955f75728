"""Restores of a snapshot: data directories with the state before an accidental delete, and nodes into a running
ensemble."""

from rig import ensemble, make_agent, run_tests, source_of
from lib import Case, ZooKeeperEnsemble
from lib.zookeeper_client import EPHEMERAL, OPEN_ACL, change, create

SECRET = ((31, "digest", "anna:Wap/fLaD11BLJBT+7fkDcVxaT7c="),)  # of "anna:secret"


class BeforeTheDelete(Case):
    def ensemble(self, name: str, members: int, **options) -> ZooKeeperEnsemble:
        made = ensemble(self.directory / name, members, **options)
        self.addCleanup(made.kill)
        return made

    def test_state_after_a_transaction_is_restored(self) -> None:
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


class IntoALiveEnsemble(Case):
    """Restores nodes into an ensemble in use."""

    def setUp(self) -> None:
        super().setUp()
        self.zookeeper = ensemble(self.directory / "zk", 3, flags="-Dzookeeper.extendedTypesEnabled=true")
        self.addCleanup(self.zookeeper.kill)
        self.zookeeper.start()
        self.client = self.zookeeper.client(1)
        self.client.login("digest", "anna:secret")
        self.addCleanup(self.client.drop)
        self.client.create("/apps")
        self.client.create("/apps/one", b"1")
        self.client.create("/apps/one/none", None)
        self.client.create("/apps/one/ephemeral", b"", flags=EPHEMERAL)
        self.client.create("/apps/one/secret", b"s", acl=SECRET)
        self.client.create("/apps/one/secret/below", b"b", acl=SECRET)
        self.client.create("/apps/one/secret/below/deep", b"d")
        self.client.create_container("/apps/one/container")
        self.client.create_with_ttl("/apps/one/ttl", 10_000_000)
        self.client.fill(create(f"/apps/one/n{number}", b"x" * 1000) for number in range(300))
        self.client.create("/apps/two", b"2")
        self.tree = self.client.tree("/apps/one")
        del self.tree["/apps/one/ephemeral"]
        self.agent = make_agent(self.directory / "agent", source_of(self.zookeeper, 2))
        self.agent.run("backup", "zookeeper/main")
        self.auth = self.directory / "auth"
        self.auth.write_text("digest:anna:secret\n")
        hosts = [f"127.0.0.1:{member.client_port}" for member in self.zookeeper.members.values()]
        self.where = ["--to-ensemble", ",".join(hosts), "--auth-file", str(self.auth)]

    def restore(self, *arguments: str, **options):
        return self.agent.run("restore", "latest:zookeeper/main", *arguments, **options)

    def delete(self, path: str) -> None:
        for child in self.client.children(path):
            self.delete(f"{path}/{child}")
        self.client.delete(path)

    def test_tree_is_restored(self) -> None:
        self.delete("/apps")
        output = self.restore("--znode", "/apps/one", *self.where, "--dry-run")
        self.assertIn("would be created", output.stdout)
        self.assertIsNone(self.client.stat("/apps"))
        self.restore("--znode", "/apps/one", *self.where)
        self.client.sync()
        self.assertEqual(self.client.tree("/apps/one"), self.tree)
        self.assertEqual(self.client.stat("/apps/one/n7").owner, 0)
        self.assertIsNone(self.client.stat("/apps/two"))
        self.assertEqual(self.client.stat("/apps/one/n7").version, 0)
        again = self.restore("--znode", "/apps/one", *self.where)
        self.assertIn("created 0 nodes", again.stdout)

    def test_existing_nodes_are_compared_and_left_unchanged(self) -> None:
        self.client.set("/apps/one/n7", b"newer")
        self.client.delete("/apps/one/n8")
        self.client.set_acl("/apps/one/n9", SECRET)
        done = self.restore("--znode", "/apps/one", *self.where, expect=3)
        self.assertIn('"/apps/one/n7"', done.stderr + done.stdout)
        self.assertIn('"/apps/one/n9"', done.stderr + done.stdout)
        self.client.sync()
        self.assertEqual(self.client.get("/apps/one/n7")[0], b"newer")
        self.assertEqual(self.client.get("/apps/one/n8")[0], b"x" * 1000)
        self.assertEqual(self.client.acl("/apps/one/n9"), [*SECRET])

    def test_different_nodes_are_overwritten_on_request(self) -> None:
        self.client.set("/apps/one/n7", b"newer")
        self.client.set("/apps/one/none", b"something")
        self.client.set("/apps/one/secret", b"other")
        self.client.set_acl("/apps/one/n9", ((31, "world", "anyone"), *SECRET))
        self.client.delete("/apps/one/n8")
        self.client.create("/apps/one/came-since", b"stays")
        self.client.delete("/apps/one/n10")
        self.client.create("/apps/one/n10", b"x" * 1000, flags=EPHEMERAL)
        output = self.restore("--znode", "/apps/one", *self.where, "--overwrite-znodes", "--dry-run")
        for text in ("would be overwritten", "other data", "another ACL", "an ephemeral node"):
            self.assertIn(text, output.stdout)
        self.assertEqual(self.client.get("/apps/one/n7")[0], b"newer")
        # An ephemeral node cannot become a persistent one.
        done = self.restore("--znode", "/apps/one", *self.where, "--overwrite-znodes", expect=3)
        self.assertIn('1 node different from the snapshot and left unchanged: "/apps/one/n10"', done.stderr)
        self.assertIn("4 were overwritten", done.stdout)
        self.client.delete("/apps/one/n10")
        again = self.restore("--znode", "/apps/one", *self.where, "--overwrite-znodes")
        self.assertIn("created 1 node ", again.stdout)
        self.client.sync()
        expected = self.tree | {"/apps/one/came-since": (b"stays", [*OPEN_ACL])}
        there = self.client.tree("/apps/one")
        del there["/apps/one/ephemeral"]  # its session is still open
        self.assertTrue(there == expected, there.keys() ^ expected.keys())

    def test_more_nodes_than_one_batch_are_overwritten(self) -> None:
        self.client.fill(change(f"/apps/one/n{number}", b"newer") for number in range(300))
        done = self.restore("--znode", "/apps/one", *self.where, "--overwrite-znodes")
        self.assertIn("300 were overwritten", done.stdout)
        self.client.sync()
        there = self.client.tree("/apps/one")
        del there["/apps/one/ephemeral"]
        self.assertEqual(there, self.tree)

    def test_sibling_that_sorts_before_children_is_restored(self) -> None:
        """In byte order, "/apps/one-two" is between "/apps/one" and its children."""
        self.client.create("/apps/one-two", b"3")
        self.client.create("/apps/one-two/deep", b"4")
        tree = self.client.tree("/apps")
        del tree["/apps/one/ephemeral"]
        self.agent.run("backup", "zookeeper/main")
        self.delete("/apps")
        self.restore("--znode", "/apps", *self.where)
        self.client.sync()
        self.assertEqual(self.client.tree("/apps"), tree)

    def test_forbidden_nodes_are_reported(self) -> None:
        done = self.restore("--znode", "/apps/one", *self.where[:2], expect=3)
        self.assertIn("3 could not be created or read", done.stderr)  # one, and the two below it
        self.delete("/apps/one")
        done = self.restore("--znode", "/apps/one", *self.where[:2], expect=3)
        self.assertIn("the server refuses it: missing permission", done.stderr + done.stdout)
        self.assertIn("2 could not be created or read", done.stderr)  # the two below it
        self.client.sync()
        self.assertIsNone(self.client.stat("/apps/one/secret/below"))
        self.assertIsNotNone(self.client.stat("/apps/one/n7"))
        self.restore("--znode", "/apps/one", *self.where)
        self.client.sync()
        self.assertEqual(self.client.tree("/apps/one"), self.tree)

    def test_invalid_requests_are_refused(self) -> None:
        for arguments, text in (
            (["--znode", "/zookeeper/config", *self.where], "the nodes below /zookeeper belong to the ensemble itself"),
            (["--znode", "apps", *self.where], "is not the path of a node"),
            (["--znode", "/apps/three", *self.where], "does not exist in the tree"),
            (["--znode", "/apps"], "--to-ensemble"),
            (["--znode", "/apps", "--to-ensemble", "localhost"], "HOST:PORT"),
            (["--znode", "/apps", "--to-ensemble", "127.0.0.1:1"], "127.0.0.1:1"),
        ):
            with self.subTest(arguments):
                done = self.restore(*arguments, expect=None)
                self.assertNotEqual(done.code, 0)
                self.assertIn(text, done.stderr)


if __name__ == "__main__":
    run_tests()
