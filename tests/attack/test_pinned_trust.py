"""An attacker who can change all files of the controller makes it use a root document that only the attacker has
signed. Operators have pinned the root document since `init`, so none of their commands accepts the forged one."""

import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from client import ROOT, SigningKey, sign, trust_pb2
from client.conversation import payload_of
from lib import Case, main
from lib.cluster import Cluster
from lib.shows import shows


def document_of(envelope: bytes) -> trust_pb2.RootDocument:
    return payload_of(envelope, trust_pb2.RootDocument)


class PinnedTrust(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        self.catalog = self.directory / "controller-state" / "catalog.db"
        self.pin = self.cluster.operator.parent / "root.holdfast"
        self.first = (self.cluster.config.parent / "root.holdfast").read_bytes()
        self.mallory = SigningKey()

    def forged(self, version: int) -> bytes:
        """The cluster's root document with mallory as an additional person, signed only by mallory. If anna signed a
        successor of it, agents would accept that successor."""
        document = document_of(self.first)
        document.version = version
        for role in (trust_pb2.ROLE_ROOT, trust_pb2.ROLE_OPERATOR):
            key = self.mallory if role == trust_pb2.ROLE_ROOT else SigningKey()
            document.keys.add(role=role, public_key=key.public, person="mallory",
                              not_before_ms=document.issued_at_ms, not_after_ms=document.expires_at_ms)
        return sign(ROOT, document.SerializeToString(), self.mallory)

    def take_over(self, envelope: bytes) -> None:
        """Puts the document in force, as someone who can write the controller's files could."""
        self.cluster.controller.kill()
        version = document_of(envelope).version
        with sqlite3.connect(self.catalog) as catalog:
            catalog.execute("UPDATE cluster SET root_version = ?, root = ?", (version, envelope))
            catalog.execute("INSERT OR REPLACE INTO root VALUES (?, ?)", (version, envelope))
        for path in self.catalog.parent.rglob("*.holdfast"):
            path.unlink()  # the controller's own copies of root documents
        (self.cluster.config.parent / "root.holdfast").write_bytes(envelope)
        self.cluster.start()

    def anna(self, *arguments: str, **options):
        return self.cluster.call(*arguments, operator=True, expect=None, **options)

    def rotate(self, *arguments: str):
        return self.anna("trust", "rotate", "--root-key", str(self.cluster.root_key), "--yes", *arguments)

    def assert_denied(self, done) -> None:
        self.assertNotEqual(done.code, 0, done.stdout)
        self.assertIn("pinned", done.stderr)

    @shows("the controller's files", "trust",
           "cannot make an operator sign a successor of a forged root document")
    def test_rotate_refuses_a_forged_root_document_from_the_controller(self) -> None:
        for version in (1, 2, 7):
            with self.subTest(version=version):
                self.take_over(self.forged(version))
                made = self.directory / f"next-{version}"

                self.assert_denied(self.rotate("--send"))
                self.assert_denied(self.rotate("--file", str(made)))

                self.assertFalse(made.exists())
                self.assert_denied(self.anna("trust", "show"))

    def test_rotate_refuses_a_forged_root_document_as_base(self) -> None:
        made = self.directory / "next"
        for version in (1, 2):
            with self.subTest(version=version):
                forged = self.directory / f"forged-{version}"
                forged.write_bytes(self.forged(version))
                self.assert_denied(self.rotate("--base", str(forged), "--file", str(made)))
                self.assertFalse(made.exists())

    @shows("the controller's files", "membership",
           "cannot make a new node pin a forged root document")
    def test_no_token_is_printed_for_a_forged_root_document(self) -> None:
        self.take_over(self.forged(2))

        done = self.anna("agent", "token", "db-1")

        self.assert_denied(done)
        self.assertNotIn("hf1.", done.stdout)

    def test_a_token_needs_a_pinned_root_document(self) -> None:
        done = self.cluster.call("agent", "token", "db-1", expect=None)  # on the controller's host, without cli.yaml

        self.assertNotEqual(done.code, 0)
        self.assertNotIn("hf1.", done.stdout)
        self.assertIn("cli.yaml", done.stderr)

    def test_the_pin_follows_verified_successors_and_never_goes_back(self) -> None:
        for _ in range(2):
            self.cluster.rotate("--raise-epoch")
        third = self.pin.read_bytes()
        self.assertEqual(document_of(third).version, 3)

        self.pin.write_bytes(self.first)  # an operator who was away
        shown = self.cluster.json("trust", "show", operator=True)
        self.assertEqual(shown["version"], 3)
        self.assertEqual(self.pin.read_bytes(), third)

        self.take_over(self.first)  # signed by the right persons, but no longer in force
        self.assert_denied(self.anna("agent", "token", "db-1"))
        self.assert_denied(self.rotate("--send"))

    def test_every_change_is_shown_with_its_old_and_new_value(self) -> None:
        document = document_of(self.pin.read_bytes())
        document.version = 2
        anna = next(key for key in document.keys if key.role == trust_pb2.ROLE_OPERATOR)
        anna.not_after_ms += 86_400_000
        anna.public_key = SigningKey().public
        document.thresholds[0].operators = 1
        document.thresholds.add(kind=trust_pb2.ORDER_KIND_BACKUP, operators=1)
        proposal = self.directory / "proposal"
        proposal.write_bytes(sign(ROOT, document.SerializeToString(), SigningKey(self.cluster.root_key)))

        done = self.anna("trust", "rotate", "--file", str(proposal), "--send", "--yes")

        self.assertEqual(done.code, 0, done.stderr)
        self.assertRegex(done.stderr, r"operators for backup: 0 -> 1")
        self.assertRegex(done.stderr, r'operator key \w+ of "anna": valid [^\n]+ -> none')
        self.assertRegex(done.stderr, r'operator key \w+ of "anna": none -> valid ')

    def test_a_root_document_with_unknown_extensions_is_not_signed(self) -> None:
        document = document_of(self.pin.read_bytes())
        document.version = 2
        document.MergeFromString(b"\xc2\x3e\x01?")  # field 1000
        proposal = self.directory / "proposal"
        proposal.write_bytes(sign(ROOT, document.SerializeToString(), SigningKey()))

        done = self.rotate("--file", str(proposal), "--send")

        self.assertNotEqual(done.code, 0)
        self.assertIn("unknown field 1000", done.stderr)


main()
