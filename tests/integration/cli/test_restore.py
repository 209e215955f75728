"""`restore --to` into existing trees, from snapshots made by stock restic, compared with what stock restic restores."""

import os
import random
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Tree, differences, main, scan, wait_until  # noqa: E402
from test_verbs import Verbs as Base  # noqa: E402

_MARK = ".holdfast-restore"


class Restores(Base):
    """A tree of all types of files, saved by stock restic."""

    def setUp(self) -> None:
        super().setUp()
        self.share_with_restic()
        self.source = self.directory / "source"
        tree = Tree(self.source)
        tree.file("conf/a.conf", b"a = 1\n", 0o640)
        tree.file("conf/b [1].conf", b"b = 1\n")
        tree.file("conf/deep/er/c.conf", b"c = 1\n")
        tree.file("conf/note.txt", b"note\n")
        tree.file("data/log/1.log", b"x" * 70_000)
        tree.file("data/log/important.log", b"y" * 70_000)
        tree.random_file("data/big", 24 << 20)
        tree.holes("data/sparse", 32 << 20, {20 << 20: b"in the middle"})
        tree.symlink("conf/link", "a.conf")
        tree.hard_link("data/second name", "data/log/1.log")
        tree.fifo("data/pipe")
        tree.directory("empty")
        tree.stamp()
        self.snapshot = self.restic.backup(str(self.source))["snapshot_id"]
        self.expected = scan(self.source)
        self.to = self.directory / "to"
        self.there = self.to / str(self.source)[1:]

    def restore(self, *arguments: str, **options):
        return self.agent.json("restore", self.snapshot, "--to", str(self.to), *arguments, **options)

    def wrong(self, code: int, *texts: str, arguments: list[str]) -> None:
        self.fails(code, *texts, "hint: ", arguments=["restore", self.snapshot, *arguments])

    def assert_restored(self) -> None:
        self.assertEqual(differences(self.expected, scan(self.there)), [])
        self.assertEqual([name for name in os.listdir(self.to) if name.startswith(".holdfast")], [])


class Overwriting(Restores):
    def test_each_overwrite_mode_replaces_what_it_promises(self) -> None:
        first = self.restore()
        self.assert_restored()
        self.assertEqual((first["unchanged"], first["skipped"], first["removed"]), (0, 0, 0))
        self.wrong(2, "is not empty", arguments=["--to", str(self.to)])

        before = {path: path.lstat() for path in self.there.rglob("*")}
        for mode in ("if-changed", "always"):
            again = self.restore("--overwrite", mode)
            self.assertEqual(again["bytes"], 0)
            self.assertGreater(again["unchanged"], 10)
            for path, status in before.items():
                if not path.is_dir():
                    self.assertEqual(path.lstat().st_ctime_ns, status.st_ctime_ns, path)

        def change() -> None:
            (self.there / "conf" / "a.conf").write_text("newer\n")
            (self.there / "conf" / "note.txt").write_text("older\n")
            os.utime(self.there / "conf" / "note.txt", (1, 1))
            with open(self.there / "data" / "big", "r+b") as file:
                file.seek(9 << 20)
                file.write(b"other")
            (self.there / "data" / "pipe").unlink(missing_ok=True)

        change()
        self.assertGreater(self.restore("--overwrite", "never")["skipped"], 5)
        self.assertEqual((self.there / "conf" / "note.txt").read_text(), "older\n")
        self.assertTrue((self.there / "data" / "pipe").is_fifo())
        self.restore("--overwrite", "if-newer")
        self.assertEqual((self.there / "conf" / "note.txt").read_text(), "note\n")
        self.assertEqual((self.there / "conf" / "a.conf").read_text(), "newer\n")
        for mode in ("if-changed", "always"):
            change()
            self.restore("--overwrite", mode)
            self.assert_restored()

    def test_dry_run_lists_what_the_restore_then_does(self) -> None:
        def listed(*arguments: str) -> set[str]:
            document = self.restore("--dry-run", *arguments)
            self.assertTrue(document["dry_run"])
            prefix = str(self.source)[1:] + "/"
            return {f"{one['change']} {one['path'].removeprefix(prefix)}" for one in document["would_change"]}

        self.assertIn("+ conf/deep/er/c.conf", listed())
        self.assertFalse(self.to.exists())
        self.restore()
        self.assertEqual(listed("--overwrite", "always"), set())

        (self.there / "conf" / "a.conf").write_text("mine\n")
        (self.there / "conf" / "note.txt").chmod(0o600)
        (self.there / "data" / "extra").mkdir()
        (self.there / "data" / "extra" / "file").touch()
        shutil.rmtree(self.there / "conf" / "deep")
        (self.there / "conf" / "deep").write_text("a file now")
        before = scan(self.to)
        output = listed("--overwrite", "if-changed", "--delete")
        self.assertEqual(scan(self.to), before)
        for line in ("M conf/a.conf", "U conf/note.txt", "- data/extra/", "T conf/deep/", "+ conf/deep/er/"):
            self.assertIn(line, output)
        text = self.agent.run(
            "restore", self.snapshot, "--to", str(self.to), "--overwrite", "if-changed", "--delete", "--dry-run"
        ).stdout
        self.assertIn("M " + str(self.source / "conf" / "a.conf")[1:] + "\n", text)
        self.assertIn("would restore snapshot", text)

        done = self.restore("--overwrite", "if-changed", "--delete")
        self.assertEqual(done["removed"], 1)
        self.assert_restored()

    def test_delete_removes_only_within_the_selection(self) -> None:
        self.restore()
        outside = self.directory / "outside"
        outside.mkdir()
        (outside / "file").write_text("safe")
        (self.to / "beside").write_text("x")
        (self.there / "conf" / "x.conf").write_text("x")
        (self.there / "x.conf").write_text("x")
        (self.there / "data" / "link").symlink_to(outside)
        below = str(self.source / "conf")

        self.assertEqual(self.restore("--overwrite", "always", "--delete", "--path", below)["removed"], 1)
        self.assertTrue((self.to / "beside").exists())
        self.assertEqual(self.restore("--overwrite", "always", "--delete", "--include", "*.conf")["removed"], 1)
        self.assertTrue((self.there / "data" / "link").is_symlink())
        self.assertEqual(self.restore("--overwrite", "always", "--delete")["removed"], 2)
        self.assert_restored()
        self.assertEqual((outside / "file").read_text(), "safe")

    def test_links_in_the_target_are_not_followed(self) -> None:
        outside = self.directory / "outside"
        outside.mkdir()
        (outside / "file").write_text("safe")
        (self.there / "data").mkdir(parents=True)
        (self.there / "conf").symlink_to(outside)
        self.wrong(4, "symlink", arguments=["--to", str(self.to), "--overwrite", "always", "--delete"])
        (self.there / "conf").unlink()
        (self.there / "data" / "big").symlink_to(outside / "file")
        (self.there / "data" / "sparse").hardlink_to(outside / "file")
        self.restore("--overwrite", "always")
        self.assert_restored()
        self.assertEqual((outside / "file").read_text(), "safe")
        self.assertEqual(os.listdir(outside), ["file"])

    def test_wrong_arguments_are_refused(self) -> None:
        to = ["--to", str(self.to)]
        self.wrong(2, "expected always, if-changed, if-newer or never", arguments=[*to, "--overwrite", "yes"])
        self.wrong(2, "--delete requires --overwrite", arguments=[*to, "--delete"])
        self.wrong(2, "--strip requires --to", arguments=["--in-place", "--strip", "1"])
        self.wrong(2, "is not a pattern", arguments=[*to, "--include", "[a"])
        self.wrong(2, "--include and --exclude exclude each other", arguments=[*to, "--include", "a", "--exclude", "b"])
        self.wrong(2, "matches nothing", arguments=[*to, "--exclude", "/"])
        self.wrong(2, "--delete in /", arguments=["--to", "/", "--overwrite", "never", "--delete"])
        self.assertFalse(self.to.exists())
        (self.there / "conf" / "a.conf" / "full").mkdir(parents=True)
        self.wrong(4, "a directory that is not empty", arguments=[*to, "--overwrite", "always"])


class Interrupted(Restores):
    def test_same_command_resumes_a_killed_restore(self) -> None:
        tree = Tree(self.source)
        for number in range(6):
            tree.random_file(f"more/{number}", 48 << 20, seed=number)
        tree.stamp()
        self.snapshot = self.restic.backup(str(self.source))["snapshot_id"]
        self.expected = scan(self.source)
        log = self.directory / "log"
        command = ["restore", self.snapshot, "--to", str(self.to)]
        process = self.agent.start(*command, log=log)
        self.addCleanup(process.kill)
        wait_until("some of it is there", lambda: (self.there / "data" / "big").exists())
        process.kill()
        names = [str(path.relative_to(self.there)) for path in self.there.rglob("*")]
        for number in range(6):
            if f"more/{number}" in names:
                content = (self.there / "more" / str(number)).read_bytes()
                self.assertEqual(content, (self.source / "more" / str(number)).read_bytes())
        self.assertTrue((self.to / _MARK).exists())
        other = [*command[2:], "--path", str(self.source / "conf")]
        self.wrong(2, "an unfinished restore of something else", arguments=other)

        again = self.agent.json(*command)

        self.assertTrue(again["resumed"])
        self.assertGreater(again["unchanged"], 0)
        # The interrupted restore had finished data/big; how much of the others is unknown.
        self.assertLess(again["bytes"], 6 * (48 << 20) + (32 << 20) + (1 << 20))
        self.assert_restored()
        self.wrong(2, "is not empty", arguments=command[2:])


class Patterns(Restores):
    """Patterns select the same files as in stock restic."""

    @staticmethod
    def names(directory: Path) -> set[str]:
        return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}

    def same(self, option: str, *patterns: str) -> None:
        arguments = [word for pattern in patterns for word in (option, pattern)]
        theirs = self.directory / "theirs"
        for directory in (theirs, self.to):
            shutil.rmtree(directory, ignore_errors=True)
        self.restic.restore(self.snapshot, theirs, *arguments)
        with self.subTest(option=option, patterns=patterns):
            if option == "--include" and not self.names(theirs):
                # Stock restic exits with 0 if nothing matches.
                self.wrong(1, "matches --include", arguments=["--to", str(self.to), *arguments])
                self.assertFalse(self.to.exists())
                return
            self.restore(*arguments)
            self.assertEqual(self.names(self.to), self.names(theirs))

    def test_patterns_select_as_in_restic(self) -> None:
        top = str(self.source)
        for patterns in (
            ("*.conf",), ("conf",), (f"{top}/conf",), (f"{top}/conf/",), (f"{top}/**/c.conf",), ("/conf",),
            ("conf/*.conf",), ("b \\[1\\].conf",), ("[a-b]*.conf",), ("[^a]*.conf",), ("deep/er",), ("**/er/*",),
            ("?.conf", "*.log"), (f"{top}/data/log/../big",), ("log/**",), ("*/*/c.conf",), ("nothing",),
        ):
            for option in ("--include", "--exclude"):
                self.same(option, *patterns)

    def test_generated_patterns_select_as_in_restic(self) -> None:
        generator = random.Random(7)
        parts = ["conf", "deep", "er", "data", "log", "*", "**", "*.conf", "?.conf", "[a-c]*", "*o*", "source", "big"]
        for _ in range(12):
            length = generator.randint(1, 4)
            pattern = "/".join(generator.choice(parts) for _ in range(length))
            if generator.random() < 0.3:
                pattern = f"{self.source}/{pattern}"
            self.same(generator.choice(["--include", "--exclude"]), pattern)


if __name__ == "__main__":
    main("restic")
