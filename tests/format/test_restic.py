"""Holdfast and stock restic, the current one and Debian 12's, use each other's repositories: both back up, restore and
check, and the same directory gives the same tree blobs."""

import json
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import Case, Tree, differences, main, run, scan, service_program, wait_until  # noqa: E402
from lib.places import BUILD  # noqa: E402

# Preserved by stock restic only on request.
LOST_BY_RESTIC = frozenset({"holes"})


def make_tree(root: Path, link_target: bytes) -> None:
    """Entries that both programs preserve. All files are below 512 KiB, because the programs split larger ones
    differently."""
    tree = Tree(root)
    names = [
        b"new\nline", b"\x01control", b"\x7fdelete", b"caf\xe9", b'quo"te', b"back\\slash", b"a\x07\x08\x0c\x0b",
        "nbsp\u00a0".encode(), "soft\u00ad".encode(), "zero\u200b".encode(), "line\u2028".encode(),
        "bom\ufeff".encode(), "private\ue000".encode(), "last\U0010ffff".encode(), "emoji\U0001f600".encode(),
        "e\u0301".encode(), "replacement\ufffd".encode(), b"<a>&'", b"tab\tcr\r", b"\xed\xa0\x80", b"\xc0\x80",
        b"\xf4\x90\x80\x80", b"a", b"a.b", b"a b", b"A", "\u00fc".encode(),
    ]  # fmt: skip
    for name in names:
        tree.file(b"names/" + name, b"x" * (len(name) % 3))
        tree.directory(b"directories/" + name)
    for mode in (0o400, 0o644, 0o4755, 0o2755, 0o6755, 0o1644):
        tree.file(f"modes/{mode:o}", b"x", mode)
    for mode in (0o1777, 0o2775, 0o700):
        tree.directory(f"modes/d{mode:o}", mode)
    tree.file("links/one", b"the same")
    tree.hard_link("links/two", "links/one")
    tree.symlink("links/to", "one")
    tree.symlink("links/odd", link_target)
    tree.fifo("pipe")
    tree.random_file("random", 400_000, seed=1)
    tree.random_file("just below", (512 << 10) - 1, seed=2)
    tree.file("zeros", bytes(300_000))
    for number in range(500):
        tree.file(f"many/{number % 7}/{number}", str(number).encode() * (number % 50))
    for name, value in ((b"user.z", b"1"), (b"user.a<b", b""), (b"user.m", bytes(range(256)))):
        os.setxattr(tree.path("random"), name, value)
        os.setxattr(tree.path("many"), name, value)
    if os.geteuid() == 0:
        os.mknod(tree.path("null"), 0o020666, os.makedev(1, 3))
        os.mknod(tree.path("disk"), 0o060600, os.makedev(259, 70_000))
        os.chown(tree.path("modes/400"), 12_345, 54_321)  # ids without names
    tree.stamp()
    os.utime(tree.path("zeros"), ns=(-5_000_000_001, -5_000_000_001))
    os.utime(tree.path("many/1"), ns=(1_500_000_000_120_000_000, 1_500_000_000_120_000_000))


class Both(Case):
    service = "restic19"
    link_target = b'<&>"\\\x01\x08\x0c\xe2\x80\xa8'

    def setUp(self) -> None:
        super().setUp()
        self.repository = self.directory / "repository"
        self.password = self.directory / "password"
        self.password.touch(0o600)
        self.password.write_text("correct horse")
        self.source = self.directory / "source"
        make_tree(self.source, self.link_target)
        self.restored = 0

    def ours(self, *words: str) -> str:
        argv = [str(BUILD / "tests" / "tree_tool"), str(self.repository), str(self.password), *words]
        return run(argv, timeout=300).stdout

    def restic(self, *words: str) -> str:
        env = {"TZ": "UTC", "RESTIC_CACHE_DIR": str(self.directory / "cache")}
        argv = [service_program(self.service, "restic"), "-r", str(self.repository), "-p", str(self.password), *words]
        return run(argv, env=env, timeout=300).stdout

    def ours_backup(self) -> str:
        return self.ours("backup", str(self.source)).split()[0]

    def restic_backup(self) -> str:
        out = self.restic("backup", "--json", str(self.source))
        return json.loads(out.splitlines()[-1])["snapshot_id"]

    def compare_trees(self, by_restic: str, by_us: str) -> None:
        """Both snapshots have the same tree blob for the source; its id is a hash over everything below it."""
        theirs = self.ours("tree", by_restic, str(self.source)).strip()
        ours = self.ours("tree", by_us, f"files/tree/data{self.source}").strip()
        if theirs != ours:
            self.assertEqual(self.restic("cat", "blob", theirs), self.restic("cat", "blob", ours))

    def compare_lists(self, by_restic: str, by_us: str) -> None:
        """`restic ls --json` prints the same for both, except for the directory's location."""
        listed = []
        for snapshot, prefix in ((by_restic, str(self.source)), (by_us, f"/files/tree/data{self.source}")):
            lines = [json.loads(line) for line in self.restic("ls", "--json", snapshot).splitlines()]
            nodes = [line for line in lines if line["struct_type"] == "node" and line["path"].startswith(prefix + "/")]
            listed.append([node | {"path": node["path"].removeprefix(prefix)} for node in nodes])
        self.assertGreater(len(listed[0]), 30)
        self.assertEqual(*listed)

    def check(self) -> None:
        said = self.restic("check", "--read-data")
        self.assertIn("no errors were found", said)
        self.assertEqual("", self.ours("check"))

    def compare(self, restored: Path, *, ignore: frozenset[str] = frozenset()) -> None:
        self.assertEqual([], differences(scan(self.source), scan(restored), ignore=ignore))

    def target(self) -> Path:
        self.restored += 1
        target = self.directory / f"restored-{self.restored}"
        target.mkdir()
        return target

    def ours_restores(self, snapshot: str, prefix: str) -> None:
        target = self.target()
        self.ours("restore", snapshot, str(target))
        self.compare(target / prefix / str(self.source).lstrip("/"), ignore=LOST_BY_RESTIC)

    def restic_restores(self, snapshot: str, prefix: str) -> None:
        target = self.target()
        self.restic("restore", snapshot, "--target", str(target))
        self.compare(target / prefix / str(self.source).lstrip("/"), ignore=LOST_BY_RESTIC)

    def alternate(self) -> None:
        """Both programs back up in turns while the tree changes, and both check the result."""
        by_restic = self.restic_backup()
        by_us = self.ours_backup()
        self.compare_trees(by_restic, by_us)
        self.check()

        random_file = self.source / "random"
        content = bytearray(random_file.read_bytes())
        content[1000:2000] = random.Random(3).randbytes(1000)
        random_file.write_bytes(content)
        (self.source / "many" / "3" / "new").write_text("new")
        (self.source / "links" / "one").unlink()

        by_us = self.ours_backup()
        by_restic = self.restic_backup()
        self.compare_trees(by_restic, by_us)
        self.compare_lists(by_restic, by_us)
        self.check()

        self.ours_restores(by_us, "data")
        self.ours_restores(by_restic, "")
        self.restic_restores(by_restic, "")
        self.restic_restores(by_us, "files/tree/data")

    def test_both_use_our_repository(self) -> None:
        self.ours("init")
        self.alternate()

    def test_both_use_a_repository_of_restic(self) -> None:
        self.restic("init", "--repository-version", "2")
        self.alternate()

    def test_forget_prune_tag_and_index_rebuild_by_restic_keep_our_snapshots(self) -> None:
        """After forget and prune by stock restic, our other snapshots are intact and backups continue."""
        self.ours("init")
        first = self.ours_backup()
        (self.source / "random").unlink()
        second = self.ours_backup()
        listed = self.restic("ls", second)
        self.assertIn("/files/tree/manifest.json", listed)
        self.restic("forget", first, "--prune", "--max-unused", "0")
        self.check()
        self.ours_restores(second, "data")
        third = self.ours_backup()
        self.check()
        self.restic("tag", "--add", "kept", third)
        self.assertEqual(2, len(json.loads(self.restic("snapshots", "--json"))))
        self.restic("rebuild-index")
        self.check()
        latest = json.loads(self.restic("snapshots", "--json"))[-1]["id"]
        self.ours_restores(latest, "data")

    def test_restic_rewrites_what_we_wrote(self) -> None:
        """restic rewrites a snapshot only if it would encode every tree exactly as we did."""
        self.ours("init")
        snapshot = self.ours_backup()
        self.restic("rewrite", "--exclude", "zeros", snapshot)
        # Both snapshots have the same time, so their order is undefined.
        (rewritten,) = [one for one in json.loads(self.restic("snapshots", "--json")) if one.get("original") == snapshot]
        self.assertNotIn("/zeros", self.restic("ls", rewritten["id"]))
        self.check()

    def test_entries_that_restic_cannot_preserve_are_restored(self) -> None:
        """Entries that only we preserve; stock restic finds no errors in them."""
        tree = Tree(self.source)
        (self.source / "zeros").unlink()  # replaced by a file with a hole
        tree.directory("odd")
        tree.symlink("odd/target", b"\xff not \xc3( utf-8")
        tree.symlink("odd/link", "somewhere")
        tree.hard_link("odd/the same link", "odd/link")
        tree.fifo("odd/fifo")
        tree.hard_link("odd/the same fifo", "odd/fifo")
        tree.socket("odd/socket")
        tree.holes("odd/holes", 30 << 20, {10 << 20: b"x" * 5000})
        tree.random_file("odd/large", 5_000_000, seed=9)
        if os.geteuid() == 0:
            os.setxattr(tree.path("odd/link"), "trusted.note", b"on a link", follow_symlinks=False)
        tree.stamp()
        self.ours("init")
        snapshot = self.ours_backup()
        self.check()
        target = self.target()
        self.ours("restore", snapshot, str(target))
        self.compare(target / "data" / str(self.source).lstrip("/"))
        self.restic("ls", "--long", snapshot)
        self.restic("restore", snapshot, "--target", str(self.target()))

    def test_reuse(self) -> None:
        """Unchanged files are never read again, whichever program wrote the previous snapshot."""
        self.ours("init")
        # Files changed less than two seconds before the first snapshot's cut are read again, because file system clocks
        # are coarse.
        newest = max(path.lstat().st_ctime for path in [self.source, *self.source.rglob("*")])
        wait_until("the files to be older than that", lambda: time.time() > newest + 3)
        first = self.ours("backup", str(self.source)).split()
        self.assertGreater(int(first[1]), 1_000_000)
        self.restic_backup()
        second = self.ours("backup", str(self.source)).split()
        self.assertLess(int(second[1]), int(first[1]))
        self.ours_restores(second[0], "data")
        self.check()


class BothWithAnOldOne(Both):
    service = "restic"
    link_target = b'<&>"\\\x01\xe2\x80\xa8'  # its Go version encodes \b and \f differently
    test_restic_rewrites_what_we_wrote = None  # unsupported
    test_reuse = None  # tests only our program

    def test_largest_packs_of_restic_are_read(self) -> None:
        """restic writes packs of 128 MiB with chunks of up to 8 MiB. We read them and reuse their blobs. (Current
        restic fills several packs at a time and would need much more data.)"""
        tree = Tree(self.source)
        tree.random_file("large", 140 << 20, seed=4)
        tree.file("even", b"\xaa" * (24 << 20))  # no chunk boundary, so chunks have the maximum size
        tree.stamp()
        self.restic("init", "--repository-version", "2")
        self.restic("backup", "--pack-size", "128", str(self.source))
        (by_restic,) = [one["id"] for one in json.loads(self.restic("snapshots", "--json"))]
        packs = [path.stat().st_size for path in (self.repository / "data").rglob("*") if path.is_file()]
        self.assertGreaterEqual(max(packs), 128 << 20)
        by_us = self.ours_backup()
        self.check()
        self.ours_restores(by_restic, "")
        self.ours_restores(by_us, "data")
        self.restic_restores(by_us, "files/tree/data")


if __name__ == "__main__":
    main("restic", "restic19")
