"""A thief has an operator's laptop: cli.yaml, the pinned root document, and one operator's key without a passphrase. In a
cluster that needs two operators for a restore in place, this key alone restores only what needs one operator and what
the node's policy allows. It cannot change the root document."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import Case, main
from lib.cluster import Cluster
from lib.shows import shows


class StolenLaptop(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory, init=(
            "--no-passphrase", "--operator", "ben", "--root-threshold", "2",
            "--restore-in-place-operators", "2")).start()
        self.live = self.directory / "live"
        self.live.mkdir()
        (self.live / "a").write_text("one\n")
        self.staged = self.directory / "staged"
        self.cluster.add("db-1", [{"kind": "files", "name": "app", "paths": [str(self.live)]}],
                         policy={"restore": "in-place", "restore_roots": {"staging": str(self.staged)}})
        self.cluster.call("backup", "--all")
        (self.live / "a").write_text("two\n")

    def restore(self, *where: str):
        return self.cluster.call("restore", "latest:files/app", "--node", "db-1", *where, "--yes", operator=True,
                                 expect=None)

    @shows("an operator's laptop", "live state of the services", "cannot restore in place alone if the root document asks for two operators")
    def test_one_operator_of_two_does_not_restore_in_place(self) -> None:
        ordered = self.restore("--in-place")
        draft = self.cluster.json("approval", "list")["drafts"][0]["draft"]
        again = self.cluster.call("approve", draft, "--yes", operator=True, expect=None)

        self.assertEqual(ordered.code, 3, ordered.stderr)
        self.assertNotEqual(again.code, 0)
        self.assertIn("another operator must sign it", again.stderr)
        self.assertEqual((self.live / "a").read_text(), "two\n")

    @shows("an operator's laptop", "content of the snapshots", "can restore to the directories that a node's policy names, and nowhere else")
    def test_a_restore_goes_only_where_the_policy_allows(self) -> None:
        self.assertEqual(self.restore("--into", "staging/x").code, 0)
        self.assertEqual([path.read_text() for path in self.staged.rglob("a")], ["one\n"])

        for elsewhere in ("other/x", "staging/../x"):
            self.assertNotEqual(self.restore("--into", elsewhere).code, 0, elsewhere)
        self.assertEqual(sorted(path.name for path in self.staged.iterdir()), ["x"])

    @shows("an operator's laptop", "trust", "cannot change the root document: an operator's key is not a root key")
    def test_an_operators_key_does_not_change_the_root_document(self) -> None:
        before = self.cluster.json("trust", "show", operator=True)["version"]
        key = self.cluster.operator.parent / "operator.key"
        self.assertTrue(key.is_file(), list(self.cluster.operator.parent.iterdir()))

        refused = self.cluster.call("trust", "rotate", "--restore-in-place-operators", "1", "--root-key", str(key), "--send",
                                    "--yes", operator=True, expect=None)

        self.assertNotEqual(refused.code, 0)
        self.assertEqual(self.cluster.json("trust", "show", operator=True)["version"], before)


main()
