"""For every kind of damage, our check names the same repository files, blobs and affected paths of snapshots as stock
restic. The expected sets come from restic, not from constants."""

import contextlib
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import Agent, Case, Restic, Tree, main, write_config  # noqa: E402


class Damage(Case):
    def setUp(self) -> None:
        super().setUp()
        root = self.directory / "tree"
        root.mkdir()
        self.tree = Tree(root)
        self.repository = self.directory / "repository"
        self.password = self.directory / "password"
        self.password.touch(0o600)
        self.password.write_text("secret\n")
        self.password.chmod(0o600)
        self.agent = Agent(write_config(self.directory, [{"kind": "files", "name": "app", "paths": [str(root)]}]))
        # Without a cache, so that restic reads only the repository.
        self.restic = Restic(self.repository, self.password, self.directory / "cache", arguments=("--no-cache",))
        self.restic.init_cheaply()
        # Content of one snapshot and of all, content with several names, and a file of many blobs.
        self.tree.file("kept", b"in all of them\n")
        self.tree.file("deep/er/kept", b"in all of them\n")
        self.tree.random_file("large", 12 << 20, seed=1)
        self.agent.run("backup")
        self.tree.file("deep/er/second", b"from the second on\n")
        self.tree.file("twin", b"from the second on\n")
        self.tree.random_file("gone", 1 << 20, seed=2)
        self.agent.run("backup")
        (root / "gone").unlink()
        self.tree.file("other/third", b"of stock restic\n")
        self.restic.backup(str(root))
        self.tree.file("other/fourth", b"the last\n")
        self.agent.run("backup")
        self.snapshots = [one["id"] for one in self.restic.snapshots()]
        self.healthy = {one: self.restored(one) for one in self.snapshots}
        index = [self.restic.cat("index", one) for one in self.names("index")]
        self.packs = {pack["id"]: pack["blobs"] for one in index for pack in one["packs"]}

    # --- the repository and its damage

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.repository / folder).iterdir())

    @contextlib.contextmanager
    def spoiled(self, path: Path, do):
        """Runs the block while a file's content is replaced by `do(content)`; None removes the file."""
        content = path.read_bytes()
        with self.subTest(file=str(path.relative_to(self.repository))):
            spoiled = do(content)
            path.unlink()
            if spoiled is not None:
                path.write_bytes(spoiled)
            try:
                yield
            finally:
                path.write_bytes(content)
                path.chmod(0o600)

    def packs_of(self, kind: str) -> list[Path]:
        packs = [pack for pack, blobs in sorted(self.packs.items()) if blobs[0]["type"] == kind]
        self.assertGreater(len(packs), 1)
        return [self.repository / "data" / pack[:2] / pack for pack in packs]

    # --- what stock restic finds

    def restored(self, snapshot: str, *, by_us: bool = False) -> dict[str, str]:
        """Path in the snapshot -> hash, of all regular files that can be restored."""
        target = self.directory / "restored"
        target.mkdir()
        if by_us:
            self.agent.run("restore", snapshot, "--to", str(target), expect=None)
        else:
            self.restic.run("restore", snapshot, "--target", str(target), expect=None)
        found = {
            f"/{path.relative_to(target)}": hashlib.sha256(path.read_bytes()).hexdigest()
            for path in target.rglob("*") if path.is_file() and not path.is_symlink()
        }
        shutil.rmtree(target)
        return found

    def lost(self) -> set[tuple[str, str]]:
        """Snapshot and path of files that stock restic does not restore correctly."""
        lost = set()
        for snapshot, healthy in self.healthy.items():
            if snapshot in self.names("snapshots"):
                found = self.restored(snapshot)
                lost |= {(snapshot, path) for path, content in healthy.items() if found.get(path) != content}
        return lost

    def needing(self, blobs: set[str]) -> set[tuple[str, str]]:
        """Snapshot and path of the files that need any of these blobs, according to stock restic."""
        found = json.loads(self.restic.run("find", "--json", "--blob", *sorted(blobs)).stdout)
        return {(one["snapshot"], one["path"]) for one in found}

    def named_by_restic(self, names: list[str] | dict, *arguments: str) -> set[str]:
        """The files that restic's check reports; it shortens some ids."""
        done = self.restic.run("check", *arguments, expect=1)
        words = tuple(set(re.findall(r"[0-9a-f]{8,64}", done.stdout + done.stderr)))
        return {name for name in names if any(name.startswith(word) for word in words)}

    def unreadable(self, packs: set[str]) -> set[str]:
        """Blobs of these packs that restic cannot load."""
        blobs = {blob["id"] for pack in packs for blob in self.packs[pack]}
        return {blob for blob in blobs if self.restic.run("cat", "blob", blob, expect=None).returncode != 0}

    # --- what we find

    def findings(self, *arguments: str) -> list[dict]:
        document = self.agent.run("check", "--json", *arguments, expect=1).document
        (report,) = document["repositories"]
        self.assertFalse(report["sound"])
        if report["error"] is None:
            self.assertEqual(report["findings"], len(document["findings"]))
        for one in document["findings"]:
            self.assertTrue(one["message"], one)
            self.assertTrue(one["remedy"], one)
            self.assertEqual(one["repository"], "main")
        return document["findings"]

    @staticmethod
    def named(findings: list[dict], kind: str) -> set[str]:
        return {one[kind] for one in findings if one["kind"] == kind}

    def affected(self, findings: list[dict]) -> set[tuple[str, str]]:
        """Snapshot and path of the files that our check names, or that are below a directory it names."""
        entries = {(one["snapshot"], one["path"]) for one in findings if one["kind"] in ("file", "directory")}
        return {
            (snapshot, path) for snapshot, healthy in self.healthy.items() for path in healthy
            if (snapshot, path) in entries
            or any((snapshot, path[: at + 1]) in entries for at, letter in enumerate(path) if letter == "/")
        }

    def by_pack(self, findings: list[dict], pack: str) -> set[tuple[str, str]]:
        """Files that need the pack, according to the JSON findings."""
        return {
            (one["snapshot"], one["path"]) for one in findings
            if one["kind"] == "file" and any(pack in blob["packs"] for blob in one["blobs"])
        }

    # --- the tests

    def test_damaged_pack_is_reported_as_by_restic(self) -> None:
        for path in self.packs_of("data"):
            with self.spoiled(path, flip_at(3)):
                ours = self.findings("--read-data")
                theirs = self.named_by_restic(self.packs, "--read-data")
                self.assertEqual(self.named(ours, "pack"), theirs)
                blobs = self.unreadable(theirs)
                self.assertEqual(self.named(ours, "blob"), blobs)
                self.assertEqual({one["pack"] for one in ours if one["kind"] == "blob"}, theirs)
                self.assertEqual(self.affected(ours), self.lost())
                self.assertEqual(self.affected(ours), self.needing(blobs))
                self.assertEqual(self.by_pack(ours, path.name), self.affected(ours))
                self.assertNotEqual(self.affected(ours), set())

    def test_missing_pack_is_reported_as_by_restic(self) -> None:
        for path in self.packs_of("data"):
            with self.spoiled(path, lambda content: None):
                # Without --read-data: stock restic retries reads of missing files for minutes.
                theirs = self.named_by_restic(self.packs)
                blobs = {blob["id"] for pack in theirs for blob in self.packs[pack]}
                for arguments in ([], ["--read-data"]):
                    ours = self.findings(*arguments)
                    self.assertEqual(self.named(ours, "pack"), theirs)
                    self.assertEqual(self.named(ours, "blob"), blobs)
                    self.assertEqual({one["state"] for one in ours if one["kind"] != "file"}, {"missing"})
                    self.assertEqual(self.affected(ours), self.needing(blobs))
                    self.assertEqual(self.by_pack(ours, path.name), self.affected(ours))

    def test_damaged_tree_pack_is_reported_as_by_restic(self) -> None:
        for path in self.packs_of("tree"):
            with self.spoiled(path, flip_at(3)):
                theirs = self.named_by_restic(self.packs, "--read-data")
                blobs = self.unreadable(theirs)
                lost = self.lost()
                self.assertNotEqual(lost, set())
                for arguments in ([], ["--read-data"]):
                    ours = self.findings(*arguments)
                    self.assertEqual(self.named(ours, "pack"), theirs)
                    self.assertEqual(self.named(ours, "blob"), blobs)
                    self.assertEqual(self.affected(ours), lost)

    def test_damaged_index_is_reported_as_by_restic(self) -> None:
        names = self.names("index")
        self.assertGreater(len(names), 1)
        for name in names:
            with self.spoiled(self.repository / "index" / name, flip_at(2)):
                ours = self.findings("--read-data")
                self.assertEqual(self.named(ours, "index"), self.named_by_restic(names))
                self.assertEqual({one["kind"] for one in ours}, {"index"})
                # Neither program restores anything before the index is rebuilt.
                self.assertEqual(self.lost(), {(one, path) for one, all in self.healthy.items() for path in all})
                self.assertEqual(self.restored(self.snapshots[0], by_us=True), {})

    def test_damaged_snapshot_is_reported_as_by_restic(self) -> None:
        for name in self.snapshots:
            with self.spoiled(self.repository / "snapshots" / name, flip_at(2)):
                ours = self.findings("--read-data")
                self.assertEqual(self.named(ours, "snapshot"), self.named_by_restic(self.snapshots))
                self.assertEqual({one["kind"] for one in ours}, {"snapshot"})
                self.assertIn(f"holdfast-agent forget {name}", ours[0]["remedy"])
                # This snapshot is lost entirely, the others not at all.
                self.assertEqual(self.lost(), {(name, path) for path in self.healthy[name]})

    def test_truncated_key_is_reported_as_by_restic(self) -> None:
        (first,) = self.names("keys")
        other = self.directory / "other-password"
        other.write_text("another secret\n")
        other.chmod(0o600)
        self.restic.run("key", "add", "--new-password-file", str(other))
        keys = self.names("keys")
        (second,) = set(keys) - {first}
        for bad, good, password in ((second, first, "secret\n"), (first, second, "another secret\n")):
            self.password.write_text(password)
            with self.spoiled(self.repository / "keys" / bad, lambda content: content[: len(content) // 2]):
                done = self.restic.run("--key-hint", good, "key", "list", "--json")
                self.assertIn("failed", done.stderr)
                listed = json.loads(done.stdout)
                theirs = {key for key in keys if not any(key.startswith(one["id"]) for one in listed)}
                ours = self.findings()
                self.assertEqual(self.named(ours, "key"), theirs)
                self.assertEqual({one["kind"] for one in ours}, {"key"})


def flip_at(share: int):
    """Flips a bit in the byte at a fraction of the file's size."""

    def flip(content: bytes) -> bytes:
        spoiled = bytearray(content)
        spoiled[len(content) // share] ^= 1
        return bytes(spoiled)

    return flip


if __name__ == "__main__":
    main("restic")
