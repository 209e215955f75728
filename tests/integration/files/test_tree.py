"""A tree with everything a file system can hold is restored identically, by us and to and from stock restic."""

import os
import shutil
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, Restic, Tree, differences, main, make_directory, run, scan, write_config

# Entries that stock restic 0.14 does not preserve are below this: link targets that are not UTF-8, hard links between
# symlinks or FIFOs, attributes of symlinks, sockets. (It does not preserve holes either.)
ONLY_OURS = b"only-ours"
BIG_BYTES = 3 << 30
SMALL_FILES = 100_000

_NAMES = [
    b"line\nbreak",
    b"not utf-8 \xff\xfe",
    b"caf\xc3\xa9",
    b"back\\slash",
    b'quo"te\'',
    b"-rf",
    b" leading and trailing ",
    b"\x01control\x7f",
    b"tab\there",
    b"percent%20",
    b"glob*[a]?",
    "\U0001f4be".encode(),
    "e\u0301 is two code points".encode(),
    b"x" * 255,
]


def make_tree(root: Path) -> None:
    tree = Tree(root)
    is_root = os.geteuid() == 0
    for name in _NAMES:
        tree.file(b"names/" + name, name)
        tree.directory(b"directories/" + name)
    tree.file("empty")
    tree.directory("empty-directory")
    tree.file("/".join(["deep" * 10] * 30).encode() + b"/bottom", b"far down")
    for mode in (0o000 if is_root else 0o400, 0o644, 0o4755, 0o2755, 0o6755, 0o1644):
        tree.file(f"modes/{mode:04o}", b"x", mode)
    for mode in (0o1777, 0o2775, 0o700):
        tree.directory(f"modes/directory-{mode:04o}", mode)
    tree.file("links/one", b"the same")
    tree.hard_link("links/two", "links/one")
    tree.directory("links/below")
    tree.hard_link("links/below/three", "links/one")
    tree.symlink("links/relative", "one")
    tree.symlink("links/dangling", "../nowhere")
    tree.symlink("links/absolute", "/etc/hostname")
    tree.symlink("links/directory", "below")
    tree.symlink("links/long", "x/" * 1500)
    tree.fifo("pipe")
    tree.holes("holes/middle", 40 << 20, {0: b"begin", (20 << 20) + 7: b"x" * 5000})
    tree.holes("holes/all", 10 << 20, {})
    tree.holes("holes/end", 8 << 20, {0: os.urandom(1 << 20)})
    for size in (1, 4095, 4096, 524_287, 524_288, 524_289, 9 << 20):
        tree.random_file(f"sizes/{size}", size, seed=size)
    _attributes(tree, is_root)

    ours = os.fsdecode(ONLY_OURS)
    tree.directory(ours)
    tree.symlink(f"{ours}/target", b"\xff not \xc3( utf-8")
    tree.symlink(f"{ours}/symlink", "somewhere")
    tree.hard_link(f"{ours}/the same symlink", f"{ours}/symlink")
    tree.fifo(f"{ours}/fifo")
    tree.hard_link(f"{ours}/the same fifo", f"{ours}/fifo")
    tree.socket(f"{ours}/socket")
    if is_root:
        os.setxattr(tree.path(f"{ours}/symlink"), "trusted.note", b"on a link", follow_symlinks=False)
    tree.stamp()
    os.utime(tree.path("empty"), ns=(-5_000_000_001, -5_000_000_001))  # before 1970
    os.utime(tree.path("sizes/1"), ns=(0, 4_102_444_800 * 10**9 + 999_999_999))  # 2100


def _attributes(tree: Tree, is_root: bool) -> None:
    path = tree.file("attributes/file", b"x")
    os.setxattr(path, "user.text", b"hello")
    os.setxattr(path, "user.empty", b"")
    os.setxattr(path, "user.binary", bytes(range(256)))
    os.setxattr(tree.directory("attributes/directory"), "user.on-directory", b"yes")
    acl = tree.file("attributes/acl", b"x", 0o640)
    run(["setfacl", "-m", "u:65534:rw,g:65534:r", os.fsdecode(acl)])
    default = tree.directory("attributes/default-acl")
    run(["setfacl", "-d", "-m", "u:65534:rwx", os.fsdecode(default)])
    if not is_root:
        return
    os.chown(tree.file("owners/other", b"x", 0o4755), 12345, 54321)
    os.chmod(tree.path("owners/other"), 0o4755)  # chown clears setuid
    os.chown(tree.symlink("owners/link", "other"), 23456, 65432, follow_symlinks=False)
    # A capability: CAP_NET_BIND_SERVICE, as `setcap` stores it.
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    os.setxattr(tree.file("attributes/capability", b"x", 0o755), "security.capability", capability)
    try:
        os.mknod(tree.path("null"), 0o20666, os.makedev(1, 3))
        os.mknod(tree.path("block"), 0o60660, os.makedev(259, 4095))
    except PermissionError:
        pass  # a container that may not create devices


def make_large_tree(root: Path) -> None:
    """A file of 3 GiB and 100,000 small ones. The large one repeats itself with a mark in each repetition, so it is
    read and hashed in full but takes little disk space."""
    tree = Tree(root)
    block = os.urandom(32 << 20)
    with open(tree.file("big"), "wb") as output:
        for number in range(BIG_BYTES // len(block)):
            output.write(block[:-16] + b"%016d" % number)
    for number in range(SMALL_FILES):
        if number % 500 == 0:
            tree.directory(f"small/{number // 500:03d}")
        with open(tree.path(f"small/{number // 500:03d}/{number:06d}"), "wb") as output:
            output.write(b"%d\n" % (number * number) * (number % 40))
    os.utime(tree.path("big"), ns=(1, 1_234_567_890_123_456_789))


class Trees(Case):
    def setUp(self) -> None:
        super().setUp()
        self.set_up_in(self.directory)

    def set_up_in(self, directory: Path) -> None:
        self.directory = directory
        self.tree = self.directory / "the-tree"
        source = {"kind": "files", "name": "app", "paths": [str(self.tree)]}
        self.agent = Agent(write_config(self.directory, [source]))
        self.password = self.directory / "password"
        self.password.touch(0o600)
        self.password.write_text("secret\n")
        self.cache = self.directory / "cache"
        self.restic = Restic(self.directory / "repository", self.password, self.cache)

    def save(self) -> str:
        self.agent.run("repository", "init", "--repository", "main")
        report = self.agent.json("backup", "files/app", timeout=1200)["sources"][0]
        self.assertEqual((report["missing"], report["warnings"]), ([], []))
        return report["snapshot"]

    def restored(self, target: Path, **options) -> dict:
        """The tree restored to `target`, which is then removed to save disk space."""
        root = next(path for path in target.rglob(self.tree.name) if path.is_dir())
        entries = scan(root, **options)
        shutil.rmtree(os.fsencode(target))
        return entries

    def assert_same(self, expected: dict, actual: dict, *, ignore: frozenset[str] = frozenset()) -> None:
        found = differences(expected, actual, ignore=ignore)
        self.assertEqual(found[:20], [], f"{len(found)} differences")

    def restore_by_us(self, snapshot: str, *arguments: str, **options) -> Path:
        target = self.directory / "by-us"
        self.agent.run("restore", snapshot, "--to", str(target), *arguments, timeout=1200, **options)
        return target

    def restore_by_restic(self, snapshot: str) -> Path:
        target = self.directory / "by-restic"
        self.restic.restore(snapshot, target)
        return target

    def restore_restics_own(self) -> Path:
        """restic saves into its own repository, and we restore from there."""
        theirs = Restic(self.directory / "theirs", self.password, self.cache)
        theirs.init()
        done = theirs.run("backup", str(self.tree), "--json", expect=None)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        where = ["--repository-url", f"file:{theirs.repository}", "--password-file", str(self.password)]
        return self.restore_by_us(theirs.snapshots()[-1]["id"], *where, config=False)


class EverythingAFileSystemHolds(Trees):
    def setUp(self) -> None:
        super().setUp()
        make_tree(self.tree)
        self.expected = scan(self.tree)
        self.kept_by_restic = scan(self.tree, skip=frozenset({ONLY_OURS}))

    def test_we_restore_our_snapshot(self) -> None:
        target = self.restore_by_us(self.save())
        self.assert_same(self.expected, self.restored(target))

    def test_restore_in_place_repairs_a_damaged_tree(self) -> None:
        snapshot = self.save()
        shutil.rmtree(self.tree / "names")
        (self.tree / "empty").write_text("no more")
        (self.tree / "unknown").write_text("was not there")
        policy = self.directory / "policy.yaml"
        policy.write_text("restore_special: [setuid, devices, fifos, capabilities]\n")
        self.agent.run("restore", snapshot, "--in-place")
        self.assert_same(self.expected, scan(self.tree))

    def test_restic_restores_our_snapshot(self) -> None:
        snapshot = self.save()
        self.restic.check()
        entries = self.restored(self.restore_by_restic(snapshot), skip=frozenset({ONLY_OURS}))
        self.assert_same(self.kept_by_restic, entries, ignore=frozenset({"holes"}))

    def test_we_restore_a_snapshot_of_restic(self) -> None:
        entries = self.restored(self.restore_restics_own(), skip=frozenset({ONLY_OURS}))
        self.assert_same(self.kept_by_restic, entries, ignore=frozenset({"holes"}))


class LargeAndMany(Trees):
    def setUp(self) -> None:
        super().setUp()
        # Room for the tree and a restored copy.
        self.set_up_in(make_directory(self, memory=2 * BIG_BYTES + (1 << 30)))

    def test_large_file_and_many_files_are_restored(self) -> None:
        make_large_tree(self.tree)
        expected = scan(self.tree)
        self.assertGreater(len(expected), SMALL_FILES)
        snapshot = self.save()
        self.assert_same(expected, self.restored(self.restore_by_us(snapshot)))
        self.assert_same(
            expected, self.restored(self.restore_by_restic(snapshot)), ignore=frozenset({"holes"})
        )
        shutil.rmtree(self.directory / "repository")
        self.assert_same(expected, self.restored(self.restore_restics_own()), ignore=frozenset({"holes"}))


if __name__ == "__main__":
    main("restic")
