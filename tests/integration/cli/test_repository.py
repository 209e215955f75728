"""The verbs of `holdfast-agent repository` on a repository shared with stock restic: what each does, and an operator's
mistakes with it."""

import hashlib
import io
import json
import os
import pty
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Restic, Tree, agent_program, differences, main, run, scan, service_program, wait_until  # noqa: E402
from test_verbs import Verbs as Base  # noqa: E402


class Verbs(Base):
    def setUp(self) -> None:
        super().setUp()
        self.share_with_restic()

    def backup(self, text: str | None = None) -> str:
        """Saves the tree, with new content if `text` is given; returns the snapshot."""
        if text is not None:
            (self.tree / "a").write_text(text)
        return self.agent.json("backup")["sources"][0]["snapshot"]

    def restic_backup(self) -> str:
        before = set(self.ids())
        self.restic.backup(str(self.tree))
        return (set(self.ids()) - before).pop()

    def do(self, *arguments: str) -> dict:
        return self.agent.json("repository", *arguments)

    def wrong(self, code: int, *texts: str, arguments: list[str]) -> None:
        self.fails(code, *texts, "hint: ", arguments=["repository", *arguments])

    def ids(self) -> list[str]:
        return [snapshot["id"] for snapshot in self.restic.snapshots()]

    def flip(self, path: Path, at: int) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.chmod(0o600)
        path.write_bytes(content)

    def place_of(self, content: str) -> tuple[Path, dict]:
        """The pack that holds a small file, and the blob's index entry."""
        blob = hashlib.sha256(content.encode()).hexdigest()
        index = [self.restic.cat("index", path.name) for path in (self.repository / "index").iterdir()]
        entries = [(pack["id"], entry) for one in index for pack in one["packs"] for entry in pack["blobs"]]
        ((name, entry),) = [(pack, entry) for pack, entry in entries if entry["id"] == blob]
        return self.repository / "data" / name[:2] / name, entry

    def pack_of(self, content: str) -> Path:
        return self.place_of(content)[0]

    def damage(self, content: str) -> str:
        """Damages only the blob of a small file; returns its id."""
        pack, entry = self.place_of(content)
        self.flip(pack, entry["offset"] + entry["length"] // 2)
        return entry["id"]


class Forget(Verbs):
    def test_forget_by_policy_and_by_name_respects_the_floor(self) -> None:
        made = [self.backup(f"{number}") for number in range(4)]
        policy = ["forget", "--keep-last", "1", "--min-keep", "2"]

        dry = self.do(*policy, "--dry-run")
        self.assertEqual((dry["forgotten"], dry["kept_by_floor"]), (2, 1))
        self.assertEqual(self.ids(), made)

        done = self.do(*policy)
        self.assertEqual(done["forgotten"], 2)
        group = done["groups"][0]
        self.assertEqual([entry["id"] for entry in group["forget"]], [made[1], made[0]])
        self.assertEqual(group["keep"][0]["reasons"], ["last snapshot"])
        self.assertEqual(self.ids(), made[2:])

        self.wrong(4, "newest 7", "--allow-below-floor", arguments=["forget", made[2]])
        text = self.agent.run("repository", "forget", made[2][:10], "--allow-below-floor").stdout
        self.assertIn("1 snapshot forgotten, 0 kept", text)
        self.assertIn("prune", text)
        self.assertEqual(self.ids(), made[3:])
        self.restic.check()
        self.restic.run("prune")
        self.restic.check()

    def test_forget_removes_snapshots_of_restic(self) -> None:
        for _ in range(3):
            self.restic.backup(str(self.tree))
        done = self.do("forget", "--keep-last", "1", "--allow-below-floor")
        self.assertEqual(done["forgotten"], 2)
        self.assertEqual(len(self.ids()), 1)

    def test_wrong_arguments_are_refused(self) -> None:
        self.backup()
        self.wrong(2, "nothing to forget", arguments=["forget"])
        self.wrong(2, "snapshots and a policy exclude each other", arguments=["forget", "x", "--keep-last", "1"])
        self.wrong(2, "is not a period", arguments=["forget", "--keep-within", "7w"])
        self.wrong(1, "0123", arguments=["forget", "0123"])
        self.assertEqual(len(self.ids()), 1)


class Locks(Verbs):
    def hold(self) -> None:
        """Starts a backup, which holds a lock."""
        self.start_long_backup()

    def test_locks_are_listed_and_removed(self) -> None:
        self.hold()
        lock = self.do("lock", "list")["locks"][0]
        self.assertEqual((lock["exclusive"], lock["stale"]), (False, False))
        self.assertEqual(lock["host"], socket.gethostname())
        self.wrong(4, "locked by", "--retry-lock", arguments=["forget", "--keep-last", "1"])

        self.assertEqual(self.do("unlock")["removed"], 0)
        self.assertEqual(self.do("unlock", "--remove-all")["removed"], 1)
        self.assertEqual(self.do("lock", "list")["locks"], [])

    def test_unlock_removes_only_stale_locks_of_restic(self) -> None:
        # The backup waits for standard input and holds its lock.
        child = subprocess.Popen(
            [str(service_program("restic", "restic")), "--repo", str(self.repository)]
            + ["--password-file", str(self.password), "--no-cache", "backup", "--stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        self.addCleanup(child.stdin.close)
        self.addCleanup(child.kill)
        wait_until("restic holds a lock", lambda: self.do("lock", "list")["locks"])
        self.assertEqual(self.do("unlock"), self.do("unlock") | {"removed": 0, "left": 1})
        self.wrong(4, "locked by", arguments=["forget", "--keep-last", "1"])
        child.kill()
        child.wait()
        self.assertTrue(self.do("lock", "list")["locks"][0]["stale"])
        self.assertEqual(self.do("unlock")["removed"], 1)

    def test_wrong_arguments_are_refused(self) -> None:
        self.wrong(2, "--all", arguments=["unlock", "--all"])
        self.wrong(2, "--retry-lock", arguments=["forget", "--keep-last", "1", "--retry-lock", "5"])
        both = ["--repository-url", "file:x", "--password-file", "p", "--repository", "main"]
        self.wrong(2, "--repository-url and", arguments=["lock", "list", *both])


class Keys(Verbs):
    def opens(self, password: Path) -> bool:
        done = Restic(self.repository, password, self.directory / "cache").run("snapshots", expect=None)
        return done.returncode == 0

    def test_added_password_opens_until_its_key_is_removed(self) -> None:
        other = self.directory / "emergency"
        added = self.do("key", "add", "--new-password-file", str(other))
        self.assertTrue(added["password_made"])
        self.assertEqual(other.stat().st_mode & 0o777, 0o600)
        self.assertTrue(self.opens(other))
        self.assertTrue(self.opens(self.password))

        keys = self.do("key", "list")["keys"]
        self.assertEqual(len(keys), 2)
        self.assertEqual([key["in_use"] for key in keys if key["id"] == added["added"]], [False])
        in_use = next(key["id"] for key in keys if key["in_use"])
        self.wrong(4, "in use", "key passwd", arguments=["key", "remove", in_use])

        self.assertEqual(self.do("key", "remove", added["added"][:8])["removed"], added["added"])
        self.assertFalse(self.opens(other))
        self.assertTrue(self.opens(self.password))
        self.restic.check()

    def test_passwd_replaces_the_password(self) -> None:
        old = self.secret("old", self.password.read_text())
        self.password.chmod(0o400)

        done = self.do("key", "passwd")

        self.assertRegex(self.password.read_text(), r"\A[0-9a-f]{64}\n\Z")
        self.assertEqual(self.password.stat().st_mode & 0o777, 0o400)
        self.assertTrue(self.opens(self.password))
        self.assertFalse(self.opens(old))
        self.assertEqual([key["id"] for key in self.do("key", "list")["keys"]], [done["added"]])
        self.backup()

        mine = self.secret("mine", "my own words\n")
        self.do("key", "passwd", "--new-password-file", str(mine))
        self.assertEqual(self.password.read_text(), "my own words\n")
        self.assertTrue(self.opens(self.password))
        self.restic.check()

    def test_keys_of_restic_are_listed_and_removed(self) -> None:
        other = self.directory / "other"
        other.write_text("of restic\n")
        self.restic.run("key", "add", "--new-password-file", str(other))
        keys = self.do("key", "list")["keys"]
        self.assertEqual(len(keys), 2)
        listed = json.loads(self.restic.run("key", "list", "--json").stdout)
        self.assertEqual({key["id"] for key in listed}, {key["id"][:8] for key in keys})
        theirs = next(key for key in keys if not key["in_use"])
        self.do("key", "remove", theirs["id"])
        self.assertFalse(self.opens(other))

    def test_restic_removes_our_key_and_changes_our_password(self) -> None:
        added = self.do("key", "add", "--new-password-file", str(self.directory / "ours"))["added"]
        self.restic.run("key", "remove", added[:8])
        self.assertFalse(self.opens(self.directory / "ours"))

        self.do("key", "passwd")
        (self.directory / "next").write_text("what restic was told\n")
        self.restic.run("key", "passwd", "--new-password-file", str(self.directory / "next"))
        self.fails(4, "wrong password", arguments=["repository", "key", "list"])
        self.password.write_text("what restic was told\n")
        self.assertEqual(len(self.do("key", "list")["keys"]), 1)
        self.backup()
        self.restic.check()

    def test_wrong_arguments_are_refused(self) -> None:
        self.wrong(1, "no key begins", "keys of the repository: ", arguments=["key", "remove", "zz"])
        self.wrong(2, "--new-password-file", arguments=["key", "add"])
        missing = str(self.directory / "missing")
        self.wrong(2, "does not exist", arguments=["key", "passwd", "--new-password-file", missing])
        same = ["key", "passwd", "--new-password-file", str(self.password)]
        self.wrong(2, "already in use", arguments=same)
        empty = ["key", "add", "--new-password-file", str(self.secret("empty", "\n"))]
        self.fails(2, "is empty", arguments=["repository", *empty])
        self.assertEqual(len(self.do("key", "list")["keys"]), 1)


class Numbers(Verbs):
    def setUp(self) -> None:
        """Snapshots of both tools, with duplicates, hard links and empty files."""
        super().setUp()
        (self.tree / "twin").write_text("alpha\n")
        os.link(self.tree / "deep" / "b", self.tree / "linked")
        (self.tree / "empty").write_text("")
        (self.tree / "link").symlink_to("a")
        (self.tree / "big").write_bytes(random.Random(5).randbytes(3_000_000))
        self.backup()
        self.restic.backup(str(self.tree))
        self.backup("another\n")
        (self.tree / "deep" / "b").unlink()
        self.restic.backup(str(self.tree))

    def test_info_counts_the_files(self) -> None:
        info = self.do("info")
        self.assertEqual(info["version"], 2)
        self.assertEqual(info["id"], self.restic.cat("config", "")["id"])
        for kind in ("keys", "snapshots", "index", "locks", "data"):
            files = [path for path in (self.repository / kind).rglob("*") if path.is_file()]
            self.assertEqual(info["files"][kind]["count"], len(files), kind)
            self.assertEqual(info["files"][kind]["bytes"], sum(path.stat().st_size for path in files))
        self.assertLess(info["oldest"], info["newest"])
        self.assertIn("format: restic, version 2", self.agent.run("repository", "info").stdout)

    def test_stats_equal_those_of_restic(self) -> None:
        one = self.ids()[-1]
        for mode in ("restore-size", "files-by-contents", "blobs-per-file", "raw-data"):
            for snapshots in ([], [one]):
                with self.subTest(mode=mode, snapshots=snapshots):
                    theirs = json.loads(self.restic.run("stats", "--json", "--mode", mode, *snapshots).stdout)
                    ours = self.do("stats", "--mode", mode, *snapshots)
                    stored = ours["bytes_stored"]
                    self.assertEqual(ours["bytes"] if stored is None else stored, theirs["total_size"])
                    # With several snapshots this depends on their order, which is random in restic.
                    if snapshots or mode != "blobs-per-file":
                        self.assertEqual(ours["entries"] or 0, theirs.get("total_file_count", 0))
                    self.assertEqual(ours["blobs"] or 0, theirs.get("total_blob_count", 0))
        self.assertEqual(self.do("stats")["snapshots"], 4)
        self.assertIn("restore-size of 4 snapshots", self.agent.run("repository", "stats").stdout)

    def test_wrong_arguments_are_refused(self) -> None:
        self.wrong(2, "unknown mode", arguments=["stats", "--mode", "size"])
        self.wrong(1, "0123", arguments=["stats", "0123"])
        self.wrong(2, "configured: main", arguments=["info", "--repository", "other"])


class Browsing(Verbs):
    def setUp(self) -> None:
        super().setUp()
        (self.tree / "link").symlink_to("a")
        (self.tree / "deep" / ("long-" * 30)).write_text("l" * 10_000)
        (self.tree / "deep" / "t\u00e4st").write_text("umlaut")
        os.utime(self.tree / "a", ns=(1, 1_600_000_000_123_456_789))
        os.chmod(self.tree / "a", 0o4751)
        self.ours = self.backup()
        self.theirs = self.restic_backup()
        self.inside = f"data{self.tree}"

    def test_ls_lists_the_same_entries_as_restic(self) -> None:
        listed = self.do("ls", self.theirs, "--recursive")
        lines = [json.loads(line) for line in self.restic.run("ls", "--json", self.theirs).stdout.splitlines()]
        nodes = [line for line in lines if line.get("struct_type") == "node"]
        self.assertEqual(
            sorted("/" + entry["path"] for entry in listed["entries"]), sorted(node["path"] for node in nodes)
        )
        by_path = {"/" + entry["path"]: entry for entry in listed["entries"]}
        for node in nodes:
            entry = by_path[node["path"]]
            self.assertEqual(entry["type"], {"dir": "directory"}.get(node["type"], node["type"]))
            self.assertEqual((entry["uid"], entry["gid"]), (node["uid"], node["gid"]))
            self.assertEqual(entry["size"] or 0, node.get("size", 0))
        self.assertEqual(listed["snapshot"]["id"], self.theirs)

        entries = self.do("ls", self.ours, self.inside)["entries"]
        self.assertEqual([entry["path"] for entry in entries], [f"{self.inside}/{n}" for n in ("a", "deep", "link")])
        text = self.agent.run("repository", "ls", self.ours, self.inside + "/").stdout
        self.assertRegex(text, r"-rwsr-x--x +\S+ +\S+ +6 2020-09-13T12:26:40Z \S+/a\n")
        self.assertIn("/link -> a\n", text)
        self.assertEqual(len(self.do("ls", self.ours, self.inside + "/a")["entries"]), 1)

    def test_original_paths_are_accepted(self) -> None:
        here = str(self.tree)
        self.assertEqual(self.do("ls", self.ours, here)["entries"], self.do("ls", self.ours, self.inside)["entries"])
        self.assertEqual(self.agent.run("dump", self.ours, f"{here}/a").stdout, "alpha\n")
        found = {match["path"] for match in self.do("find", f"{here}/a")["matches"]}
        self.assertEqual(found, {f"{self.inside}/a", f"{here}/a"[1:]})

        to = self.directory / "one"
        self.agent.run("restore", self.ours, "--to", str(to), "--path", f"{here}/a",
                       "--strip", str(self.inside.count("/") + 1))
        self.assertEqual([path.name for path in to.iterdir()], ["a"])
        to = self.directory / "some"
        self.agent.run("restore", self.ours, "--to", str(to), "--include", f"{here}/a")
        self.assertEqual((to / self.inside / "a").read_text(), "alpha\n")
        self.fails(1, "matches --include", "hint: `holdfast-agent ls",
                   arguments=["restore", self.ours, "--to", str(self.directory / "none"), "--include", "*.nothing"])
        self.fails(2, "cannot strip 90 leading components", "hint: ",
                   arguments=["restore", self.ours, "--to", str(self.directory / "none"), "--path", here,
                              "--strip", "90"])

    def test_dump_writes_a_file_or_a_tar_archive(self) -> None:
        done = self.agent.run("repository", "dump", self.ours, f"{self.inside}/a")
        self.assertEqual(done.stdout, "alpha\n")
        for snapshot, path in ((self.ours, self.inside), (self.theirs, str(self.tree)), (self.ours, "/")):
            with self.subTest(path):
                archive = self.directory / "archive.tar"
                to = ["--to", str(archive)]
                report = self.do("dump", snapshot, path, *to)
                self.assertTrue(report["archive"])
                out = self.directory / "out"
                out.mkdir()
                run(["tar", "-x", "--same-permissions", "-C", str(out), "-f", str(archive)])
                found = next(place.parent for place in out.rglob("link"))
                self.assertEqual(differences(scan(self.tree), scan(found)), [])
                with tarfile.open(archive) as tar:
                    self.assertEqual(len(tar.getmembers()), report["items"] + (path != "/"))
                shutil.rmtree(out)
                archive.unlink()

    def test_dump_of_a_directory_to_a_terminal_is_refused(self) -> None:
        for path, code in ((f"{self.inside}/a", 0), (self.inside, 2)):
            with self.subTest(path):
                ours, theirs = pty.openpty()
                done = subprocess.run(
                    [agent_program(), "repository", "dump", self.ours, path, "--config", str(self.agent.config)],
                    stdout=theirs, stderr=subprocess.PIPE, text=True, check=False,
                )
                os.close(theirs)
                self.assertEqual(done.returncode, code, done.stderr)
                if code == 0:
                    self.assertEqual(os.read(ours, 100), b"alpha\r\n")
                else:
                    self.assertIn("is a directory: its tar archive is not written to a terminal", done.stderr)
                    self.assertIn("hint: --to FILE", done.stderr)
                os.close(ours)

    def test_find_matches_names_paths_trees_and_blobs(self) -> None:
        found = self.do("find", "long*")["matches"]
        self.assertEqual({match["snapshot"] for match in found}, {self.ours, self.theirs})
        self.assertEqual(len(found), 2)
        found = self.do("find", f"{self.inside}/*/t\u00e4st")["matches"]
        self.assertEqual([match["snapshot"] for match in found], [self.ours])

        node = self.restic.cat("snapshot", self.theirs)
        self.assertEqual(len(self.do("find", node["tree"])["matches"]), 1)
        tree = json.loads(self.restic.run("cat", "blob", node["tree"]).stdout)
        while not any(entry["name"] == "a" for entry in tree["nodes"]):
            below = next(entry for entry in tree["nodes"] if entry["type"] == "dir")
            tree = json.loads(self.restic.run("cat", "blob", below["subtree"]).stdout)
        blob = next(entry for entry in tree["nodes"] if entry["name"] == "a")["content"][0]
        matches = self.do("find", blob)["matches"]
        self.assertEqual(
            {(match["snapshot"], match["path"]) for match in matches},
            {(self.ours, f"{self.inside}/a"), (self.theirs, f"{self.tree}/a"[1:])},
        )
        self.assertIn("nothing found in 2 snapshots", self.agent.run("repository", "find", "none").stdout)

    def test_diff_equals_that_of_restic(self) -> None:
        (self.tree / "a").write_text("other\n")
        (self.tree / "link").unlink()
        (self.tree / "link").mkdir()
        (self.tree / "new" / "er").mkdir(parents=True)
        (self.tree / "new" / "er" / "file").write_text("l" * 10_000)
        shutil.rmtree(self.tree / "deep")
        second = self.restic_backup()
        for first, other in ((self.theirs, second), (second, self.theirs), (second, second)):
            with self.subTest(f"{first[:8]} {other[:8]}"):
                ours = self.do("diff", first, other)
                lines = self.restic.run("diff", "--json", first, other).stdout.splitlines()
                lines = [json.loads(line) for line in lines]
                theirs = [(line["path"], line["modifier"]) for line in lines if line["message_type"] == "change"]
                self.assertEqual([("/" + c["path"], c["change"]) for c in ours["changes"]], theirs)
                counts = next(line for line in lines if line["message_type"] == "statistics")
                self.assertEqual(ours["changed_files"], counts["changed_files"])
                for side in ("added", "removed"):
                    names = {"directories": "dirs"}
                    for field in ("files", "directories", "others", "data_blobs", "tree_blobs", "bytes"):
                        self.assertEqual(ours[side][field], counts[side][names.get(field, field)], f"{side} {field}")
        text = self.agent.run("repository", "diff", self.theirs, second).stdout
        self.assertIn("M   ", text)
        self.assertRegex(text, r"files +1 new +\d removed +1 changed")

    def test_ls_shows_readable_entries_despite_damage(self) -> None:
        (self.tree / "a").write_text("so that the directory is written anew\n")
        last = self.backup()
        deep = self.restic.cat("snapshot", self.ours)["tree"]
        for name in f"files/app/{self.inside}/deep".replace("//", "/").split("/"):
            tree = self.restic.cat("blob", deep)
            deep = next(entry for entry in tree["nodes"] if entry["name"] == name)["subtree"]
        index = [self.restic.cat("index", path.name) for path in (self.repository / "index").iterdir()]
        for pack in (pack for one in index for pack in one["packs"]):
            if deep in (blob["id"] for blob in pack["blobs"]):
                (self.repository / "data" / pack["id"][:2] / pack["id"]).unlink()
        done = self.agent.run("repository", "ls", last, "--recursive", "--json", expect=None)
        self.assertNotEqual(done.code, 0)
        self.assertEqual(done.document["exit_code"], done.code)
        self.assertIn(f"{self.inside}/a", [entry["path"] for entry in done.document["entries"]])
        self.assertIn("deep", done.document["error"]["message"])

    def test_wrong_arguments_are_refused(self) -> None:
        self.wrong(1, "nothing/here", arguments=["ls", self.ours, "nothing/here"])
        self.wrong(2, "PATH is missing", arguments=["dump", self.ours])
        self.wrong(2, "expected --to FILE", arguments=["dump", self.ours, "/", "--json"])
        self.wrong(2, "neither a file nor", arguments=["dump", self.ours, self.inside + "/link", "--to", "x"])
        self.fails(1, "exists", arguments=["repository", "dump", self.ours, "/", "--to", str(self.password)])
        self.wrong(2, "PATTERN is missing", arguments=["find"])
        self.wrong(1, "0123", arguments=["diff", self.ours, "0123"])
        self.wrong(2, "expected 2 of SNAPSHOT, got 1", arguments=["diff", self.ours])
        self.alone("repository", "ls", self.ours)


class Repair(Verbs):
    def test_missing_and_damaged_index_files_are_rebuilt(self) -> None:
        made = [self.backup(str(number)) for number in range(3)]
        indexes = sorted((self.repository / "index").iterdir())
        indexes[0].unlink()
        content = bytearray(indexes[1].read_bytes())
        content[40] ^= 1
        indexes[1].chmod(0o600)
        indexes[1].write_bytes(content)
        self.agent.run("check", expect=1)

        done = self.agent.run("repository", "repair", "index", "--json", expect=3).document

        self.assertEqual(done["index_files_removed"], 1)
        self.assertIn(indexes[1].name, done["damage"][0])
        self.restic.check()
        self.assertTrue(self.agent.json("check", "--read-data")["repositories"][0]["sound"])
        for path in (self.repository / "index").iterdir():
            path.unlink()
        self.assertGreater(self.do("repair", "index")["packs_added"], 0)
        self.restic.check()
        self.assertFalse(self.do("repair", "index", "--read-all-packs")["index_files_written"])
        self.assertEqual(self.ids(), made)

    def test_index_of_a_restic_repository_is_rebuilt(self) -> None:
        self.restic.backup(str(self.tree))
        for path in (self.repository / "index").iterdir():
            path.unlink()
        self.do("repair", "index")
        self.restic.check()

    def test_wrong_arguments_are_refused(self) -> None:
        self.wrong(2, "repair", arguments=["repair"])
        self.wrong(2, "--all", arguments=["repair", "index", "--all"])

    def test_subsets_of_read_data_cover_all_packs(self) -> None:
        for number in range(6):
            self.backup(str(number))
        packs = len([path for path in (self.repository / "data").rglob("*") if path.is_file()])

        def read(subset: str) -> int:
            report = self.agent.json("check", "--read-data-subset", subset)["repositories"][0]
            self.assertTrue(report["sound"])
            return report["packs_read"]

        self.assertEqual(sum(read(f"{number}/3") for number in (1, 2, 3)), packs)
        # Both tools find a damaged pack in the same subset.
        index = [self.restic.cat("index", path.name) for path in (self.repository / "index").iterdir()]
        data = [pack["id"] for one in index for pack in one["packs"] if pack["blobs"][0]["type"] == "data"]
        pack = self.repository / "data" / data[0][:2] / data[0]
        good = pack.read_bytes()
        pack.chmod(0o600)
        pack.write_bytes(bytes([good[0] ^ 1]) + good[1:])
        for number in (1, 2, 3):
            part = ["check", "--read-data-subset", f"{number}/3"]
            theirs = self.restic.run(*part, expect=None).returncode
            self.agent.run(*part, expect=theirs)
            self.assertEqual(theirs, int(int(pack.name[:2], 16) % 3 == number - 1))
        pack.write_bytes(good)
        self.assertEqual(read("50%"), packs // 2)
        self.assertEqual(read("0.1%"), 1)
        self.assertEqual(read("100%"), packs)
        for subset in ("0/3", "4/3", "1/257", "0%", "101%", "x", "5", "1/", "%"):
            self.fails(2, "is not a part of the packs", "hint: ", arguments=["check", "--read-data-subset", subset])
        self.fails(2, "reads all", arguments=["check", "--read-data", "--read-data-subset", "1/2"])

    def restored(self, snapshot: str, *, by_restic: bool = True) -> str:
        to = self.directory / "restored"
        shutil.rmtree(to, ignore_errors=True)
        if by_restic:
            self.restic.restore(snapshot, to)
        else:
            self.agent.run("restore", snapshot, "--to", str(to))
        return next(path for path in to.rglob("a")).read_text()

    def test_content_of_a_missing_pack_is_restored_from_the_source(self) -> None:
        old = self.backup("content of long ago\n")
        self.agent.json("backup", "--note", "the same again")
        self.pack_of("content of long ago\n").unlink()
        checked = self.agent.run("check", expect=1).stdout
        self.assertIn("holdfast-agent repair index", checked)
        self.assertIn("backup --rehash", checked)
        self.assertNotEqual(self.restic.run("check", expect=None).returncode, 0)

        self.do("repair", "index")
        self.agent.run("check", expect=1)
        again = self.agent.json("backup", "--rehash")["sources"][0]

        self.assertGreater(again["bytes_read"], 0)
        self.assertTrue(self.agent.json("check", "--read-data")["repositories"][0]["sound"])
        self.restic.check()
        self.assertEqual(self.restored(old), "content of long ago\n")

    def test_a_damaged_pack_is_repaired_from_the_source(self) -> None:
        old = self.backup("content of long ago\n")
        pack = self.pack_of("content of long ago\n")
        self.flip(pack, 3)
        # The index lists the blob, so an ordinary backup relies on it.
        self.assertEqual(self.agent.json("backup")["sources"][0]["blobs_mended"], 0)
        self.assertNotEqual(self.restic.run("check", "--read-data", expect=None).returncode, 0)

        self.assertGreater(self.agent.json("backup", "--rehash")["sources"][0]["blobs_mended"], 0)
        self.assertEqual(self.restored(old, by_restic=False), "content of long ago\n")

        self.assertIn(f"holdfast-agent repair packs {pack.name}", self.agent.run("check", "--read-data", expect=1).stdout)
        report = self.agent.json("repository", "repair", "packs", pack.name)
        self.assertEqual((report["packs_removed"], report["blobs_lost"]), (1, 0))
        self.assertFalse(pack.exists())
        self.assertTrue(self.agent.json("check", "--read-data")["repositories"][0]["sound"])
        self.restic.check()
        self.assertEqual(self.restored(old), "content of long ago\n")

    def test_wrong_pack_ids_and_options_are_refused(self) -> None:
        self.backup()
        self.wrong(2, "is not the id of a pack", arguments=["repair", "packs", "0123"])
        self.wrong(1, "neither in the index", arguments=["repair", "packs", "0" * 64])
        self.fails(2, "--rehas", arguments=["backup", "--rehas"])


class Copying(Verbs):
    def setUp(self) -> None:
        super().setUp()
        self.other = self.directory / "other"
        self.other_password = self.secret("other-password", "another secret\n")
        config = json.loads(self.config.read_text())
        config["sources"][0]["repository"] = "main"
        config["repositories"]["offsite"] = {
            "url": f"file:{self.other}",
            "password_file": str(self.other_password),
        }
        self.config.write_text(json.dumps(config))
        self.there = Restic(self.other, self.other_password, self.directory / "other-cache")
        self.there.init_cheaply()

    def backup(self, text: str | None = None) -> str:
        if text is not None:
            (self.tree / "a").write_text(text)
        return self.agent.json("backup", "files/app")["sources"][0]["snapshot"]

    def ids(self) -> list[str]:
        return [snapshot["id"] for snapshot in self.restic.snapshots()]

    def copy(self, *arguments: str) -> dict:
        return self.do("copy", "--repository", "main", "--to", "offsite", *arguments)

    def test_snapshots_of_both_tools_are_copied_once(self) -> None:
        Tree(self.tree).random_file("big", 40 << 20)
        ours = [self.backup(str(number)) for number in range(3)]
        theirs = self.restic_backup()

        dry = self.copy("--dry-run")
        self.assertEqual([entry["state"] for entry in dry["snapshots"]], ["left"] * 4)
        self.assertEqual(self.there.snapshots(), [])

        done = self.copy()
        self.assertEqual([entry["state"] for entry in done["snapshots"]], ["copied"] * 4)
        self.assertEqual(done["bytes_read"], dry["bytes_read"])
        self.there.check()
        made = {snapshot["original"]: snapshot for snapshot in self.there.snapshots()}
        self.assertEqual(set(made), {*ours, theirs})
        for snapshot in self.restic.snapshots():
            copy = made[snapshot["id"]]
            for name in ("time", "tree", "paths", "hostname", "username", "tags", "uid", "gid"):
                self.assertEqual(copy.get(name), snapshot.get(name), name)
            self.assertNotIn("parent", copy)
        for original in (ours[0], theirs):
            restored = []
            for restic, name, out in ((self.restic, original, "x"), (self.there, made[original]["id"], "y")):
                restic.restore(name, self.directory / out)
                restored.append(scan(self.directory / out))
                del restored[-1][b"."]  # the restored directory itself is not in the snapshot
                shutil.rmtree(self.directory / out)
            self.assertEqual(differences(*restored), [])

        again = self.copy()
        self.assertEqual([entry["state"] for entry in again["snapshots"]], ["present"] * 4)
        self.assertEqual((again["data_blobs"], again["tree_blobs"], again["bytes_stored"]), (0, 0, 0))
        # Stock restic recognises the copies as well. In the other direction there is nothing to copy either.
        self.there.run("copy", "--from-repo", str(self.repository), "--from-password-file", str(self.password))
        self.assertEqual(len(self.there.snapshots()), 4)
        back = self.do("copy", "--repository", "offsite", "--to", "main")
        self.assertEqual([entry["state"] for entry in back["snapshots"]], ["present"] * 4)

    def test_copy_by_name_by_source_and_by_url(self) -> None:
        first, second = self.backup("1"), self.backup("2")
        theirs = self.restic_backup()
        done = self.copy(first[:10], first)
        self.assertEqual([entry["id"] for entry in done["snapshots"]], [first])
        done = self.copy("--source", "files/*")
        self.assertEqual([entry["state"] for entry in done["snapshots"]], ["present", "copied"])
        self.assertEqual(done["snapshots"][1]["id"], second)
        there = ["--to-url", f"file:{self.other}", "--to-password-file", str(self.other_password)]
        text = self.alone("repository", "copy", *there).stdout
        self.assertIn("1 snapshot copied", text)
        self.assertIn("2 already existed", text)
        self.assertIn(theirs, [snapshot["original"] for snapshot in self.there.snapshots()])
        self.there.check()
        # With two repositories, the source is the other one.
        self.assertEqual(self.do("copy", "--to", "offsite")["repository"], "main")

    def test_a_killed_copy_is_finished_by_the_next(self) -> None:
        Tree(self.tree).random_file("big", 64 << 20)
        self.backup()
        config = json.loads(self.config.read_text())
        config["repositories"]["offsite"]["write_mib_s"] = 16  # slow enough to kill it
        self.config.write_text(json.dumps(config))
        argv = ["repository", "copy", "--repository", "main", "--to", "offsite"]
        running = self.agent.start(*argv, log=self.directory / "copy.log")

        def packs() -> list[Path]:
            return [path for path in (self.other / "data").rglob("*") if path.is_file()]

        wait_until("the second pack", lambda: len(packs()) >= 2)
        os.kill(running.pid, signal.SIGKILL)
        self.assertEqual(running.wait(30), -signal.SIGKILL)
        self.assertEqual(self.there.snapshots(), [])
        self.there.unlock()
        self.there.check()

        self.assertEqual([entry["state"] for entry in self.copy()["snapshots"]], ["copied"])
        self.there.check()
        self.assertEqual(len(self.there.snapshots()), 1)
        self.assertEqual(self.copy()["bytes_stored"], 0)

    def test_lost_data_is_named_and_other_snapshots_are_copied(self) -> None:
        bad = self.backup("of one alone")
        good = self.backup("of the other")
        blob = self.damage("of one alone")

        def copy(code: int, *snapshots: str) -> dict[str, dict]:
            words = ["copy", *snapshots, "--repository", "main", "--to", "offsite", "--json"]
            done = self.agent.run("repository", *words, expect=code)
            self.there.check()
            self.assertEqual([one["original"] for one in self.there.snapshots()], [good])
            self.assertIn(f'tree/a" needs data blob {blob}, which is lost', done.stderr)
            entries = {entry["id"]: entry for entry in done.document["snapshots"]}
            self.assertEqual((entries[bad]["state"], entries[bad]["error"]["code"]), ("failed", "corrupt"))
            self.assertIn(blob, entries[bad]["error"]["message"])
            return entries

        # Some snapshots failed: 3.
        entries = copy(3)
        self.assertEqual((entries[good]["state"], entries[good]["error"]), ("copied", None))
        # A snapshot that already exists in the target counts as success.
        self.assertEqual(copy(3)[good]["state"], "present")
        # If the only requested snapshot fails: 1.
        self.assertEqual(set(copy(1, bad)), {bad})

    def test_wrong_arguments_are_refused(self) -> None:
        self.backup()
        self.wrong(2, "no target; expected --to NAME, or --to-url with --to-password-file", arguments=["copy"])
        self.wrong(2, "no repository \"nowhere\"", arguments=["copy", "--to", "nowhere"])
        self.wrong(2, "to itself", arguments=["copy", "--repository", "main", "--to", "main"])
        alias = self.directory / "alias"
        alias.symlink_to(self.repository)
        for url in (f"file:{alias}", f"file:{self.repository}/", f"file:/{self.repository}"):
            same = ["--to-url", url, "--to-password-file", str(self.password)]
            for dry_run in ([], ["--dry-run"]):
                self.wrong(2, "to itself", "the same repository",
                           arguments=["copy", "--repository", "main", *same, *dry_run])
        self.wrong(2, "--to-password-file", arguments=["copy", "--to-url", "file:x"])
        self.wrong(2, "exclude each other", arguments=["copy", "x", "--source", "a/b", "--to", "offsite"])
        self.wrong(1, "0123", arguments=["copy", "0123", "--repository", "main", "--to", "offsite"])
        self.assertEqual(self.there.snapshots(), [])


class Archives(Verbs):
    def setUp(self) -> None:
        super().setUp()
        self.stick = self.directory / "stick"
        self.stick.mkdir()
        tree = Tree(self.tree)
        tree.directory("deep", 0o2750)
        tree.directory("nothing", 0o700)
        tree.file("set", b"s", 0o4711)
        tree.random_file("big", 20 << 20)
        tree.holes("holes", 5 << 20, {4096: b"x" * 5000, (5 << 20) - 3: b"end"})
        tree.file(b"\xff\n\\\" name", b"odd")
        tree.file("n" * 120 + "/" + "m" * 200, b"long")
        tree.symlink("link", b"\xfe nowhere")
        tree.fifo("fifo")
        tree.hard_link("zz", "big")
        tree.file("noted", b"n")
        os.setxattr(tree.path("noted"), "user.note", b"\x00\nx")
        if os.geteuid() == 0:
            os.mknod(tree.path("device"), 0o020600, os.makedev(1, 3))
            os.chown(tree.path("noted"), 12345, 54321)
        run(["setfacl", "-m", "u:12345:r", str(self.tree / "noted")])
        tree.stamp()

    def export(self, snapshot: str, *arguments: str) -> Path:
        return Path(self.agent.json("export", snapshot, "--to", str(self.stick), *arguments)["file"])

    def test_tar_unpacks_an_archive_and_import_restores_its_tree(self) -> None:
        snapshot = self.backup()
        before = self.restic.cat("snapshot", snapshot)
        report = self.agent.run("export", snapshot[:8], "--to", str(self.stick))
        self.assertIn("NOT encrypted", report.stdout)
        (first,) = self.stick.iterdir()
        self.assertRegex(first.name, r"\Atest-1_files_app_\d{8}T\d{6}Z\.tar\.zst\Z")
        self.assertEqual(first.stat().st_mode & 0o7777, 0o600)
        content = first.read_bytes()
        second = self.export("latest:files/app")
        self.assertEqual(second.name, first.name.replace(".tar", "_1.tar"))
        self.assertEqual(self.export(snapshot).name, first.name.replace(".tar", "_2.tar"))
        self.assertEqual(first.read_bytes(), content)

        out = self.directory / "out"
        out.mkdir()
        tar = ["tar", "--zstd", "-x", "--same-permissions", "--xattrs", "--xattrs-include=*"]
        done = run([*tar, "-C", str(out), "-f", str(first)])
        # GNU tar warns about the record that declares binary names, and then treats them correctly.
        strange = [line for line in done.stderr.splitlines() if "hdrcharset" not in line]
        self.assertEqual(strange, [])
        meta = json.loads((out / "meta.json").read_text())
        self.assertEqual((meta["snapshot_id"], meta["kind"], meta["encrypted"]), (snapshot, "files", False))
        self.assertEqual(meta["snapshot"]["tree"], before["tree"])
        unpacked = out / "tree" / "files" / "app" / "data" / str(self.tree)[1:]
        ignored = frozenset({"holes"})
        self.assertEqual(differences(scan(self.tree), scan(unpacked), ignore=ignored), [])
        with tarfile.open(fileobj=io.BytesIO(run(["zstd", "-dc", str(first)], text=False).stdout)) as file:
            self.assertEqual(file.getnames()[0], "meta.json")

        self.assertTrue(self.agent.json("import", str(first))["present"])
        self.do("forget", snapshot, "--allow-below-floor")
        self.do("prune")
        imported = self.agent.json("import", str(first))
        self.assertFalse(imported["present"])
        after = self.restic.cat("snapshot", imported["snapshot"])
        self.assertEqual(after.pop("original"), snapshot)
        before.pop("parent", None)
        self.assertEqual(after, before)
        self.restic.check()
        to = self.directory / "to"
        self.agent.run("restore", imported["snapshot"], "--to", str(to))
        self.assertEqual(differences(scan(self.tree), scan(to / "data" / str(self.tree)[1:])), [])

    def test_archive_of_a_restic_snapshot_imports_into_another_repository(self) -> None:
        snapshot = self.restic_backup()
        before = self.restic.cat("snapshot", snapshot)
        self.restic.restore(snapshot, self.directory / "before")
        file = self.export(snapshot)
        self.assertRegex(file.name, rf"_restic_{snapshot[:8]}_\d{{8}}T\d{{6}}Z\.tar\.zst\Z")
        shutil.rmtree(self.repository)
        self.restic.init_cheaply()
        shutil.rmtree(self.directory / "cache", ignore_errors=True)

        imported = self.agent.json("import", str(file))

        after = self.restic.cat("snapshot", imported["snapshot"])
        self.assertEqual(after["tree"], before["tree"])
        self.restic.check()
        self.restic.restore(imported["snapshot"], self.directory / "to")
        first, second = (scan(self.directory / name / str(self.tree)[1:]) for name in ("before", "to"))
        self.assertEqual(differences(first, second), [])

    def test_damaged_archive_imports_nothing(self) -> None:
        file = self.export(self.backup())
        snapshots = self.ids()
        content = file.read_bytes()
        self.do("forget", snapshots[0], "--allow-below-floor")
        for length in (0, 10, len(content) // 2, len(content) - 1):
            file.write_bytes(content[:length])
            self.fails(1, "import", arguments=["import", str(file)])
        spoiled = bytearray(content)
        spoiled[len(content) // 2] ^= 1
        file.write_bytes(spoiled)
        self.fails(1, "import", arguments=["import", str(file)])
        self.assertEqual(self.ids(), [])
        file.write_bytes(content)
        self.agent.run("import", str(file))
        self.restic.check()

    def test_wrong_arguments_are_refused(self) -> None:
        self.backup()
        self.fails(1, "0123", arguments=["export", "0123", "--to", str(self.stick)])
        self.fails(1, "nowhere", arguments=["export", "latest:files/app", "--to", str(self.stick / "nowhere")])
        self.fails(2, "--to", arguments=["export", "latest:files/app"])
        self.fails(1, "nowhere", arguments=["import", str(self.stick / "nowhere")])
        foreign = self.stick / "foreign.tar.zst"
        run(["tar", "--zstd", "-c", "-f", str(foreign), "-C", str(self.tree), "link"])
        self.fails(1, "hint: unpack it with tar", arguments=["import", str(foreign)])
        self.assertEqual(sorted(path.name for path in self.stick.iterdir()), ["foreign.tar.zst"])


class Pruning(Verbs):
    def setUp(self) -> None:
        super().setUp()
        for number in range(40):
            (self.tree / f"random-{number}").write_bytes(random.Random(number).randbytes(60_000))

    def change(self, seed: int) -> str:
        """Rewrites every tenth file and backs up; returns the snapshot."""
        for number in range(0, 40, 10):
            (self.tree / f"random-{number}").write_bytes(random.Random(1000 * seed + number).randbytes(60_000))
        return self.backup(str(seed))

    def packs(self) -> set[str]:
        return {path.name for path in (self.repository / "data").rglob("*") if path.is_file()}

    def require_sound(self, snapshots: list[str]) -> None:
        self.restic.check()
        self.assertTrue(self.agent.json("check", "--read-data")["repositories"][0]["sound"])
        self.assertEqual(self.ids(), snapshots)

    def test_data_of_forgotten_snapshots_is_removed(self) -> None:
        made = [self.change(seed) for seed in range(6)]
        newest = scan(self.tree)
        self.do("forget", *made[:5], "--allow-below-floor")
        before = self.packs()

        dry = self.do("prune", "--max-unused", "0", "--dry-run")
        self.assertEqual(self.packs(), before)
        self.assertGreater(dry["bytes_unneeded"], 4 * 5 * 60_000)
        done = self.do("prune", "--max-unused", "0")
        for name in ("bytes_unneeded", "packs_removed", "packs_repacked", "bytes_repacked"):
            self.assertEqual(done[name], dry[name], name)

        self.assertEqual(done["bytes_left_unneeded"], 0)
        self.require_sound(made[5:])
        again = self.do("prune", "--max-unused", "0")
        self.assertEqual((again["bytes_unneeded"], again["packs_removed"]), (0, 0))
        # Stock restic finds nothing more to prune.
        packs = self.packs()
        self.restic.run("prune", "--max-unused", "0")
        self.assertEqual(self.packs(), packs)
        target = self.directory / "restored"
        self.restic.restore(made[5], target)
        found = next(path for path in target.rglob(self.tree.name) if path.is_dir())
        self.assertEqual(scan(found), newest)

    def test_leftovers_of_restic_and_interrupted_backups_are_removed(self) -> None:
        made = []
        for seed in range(3):
            (self.tree / "random-0").write_bytes(random.Random(seed).randbytes(3_000_000))
            made.append(self.restic_backup())
        self.restic.run("forget", *made[:2])
        # A pack that is in no index, as a killed backup leaves it.
        lost = self.repository / "data" / "00" / ("00" * 32)
        lost.parent.mkdir(exist_ok=True)
        lost.write_bytes(bytes(1000))
        # Unfinished files of restic and Holdfast: two are over an hour old, one is new.
        names = ["data/00/" + "00" * 32 + "-tmp-123456", "snapshots/" + "ab" * 32 + "-tmp-0011223344556677"]
        for name in names:
            (self.repository / name).write_bytes(bytes(500))
            os.utime(self.repository / name, (time.time() - 3700,) * 2)
        young = self.repository / "index" / ("cd" * 32 + "-tmp-0011223344556677")
        young.write_bytes(b"may be written to")

        dry = self.do("prune", "--dry-run")
        self.assertEqual((dry["leftover_files"], dry["leftover_bytes"]), (2, 1000))
        self.assertTrue(all((self.repository / name).exists() for name in names))
        done = self.do("prune")

        self.assertEqual((done["leftover_files"], done["leftover_bytes"]), (2, 1000))
        self.assertEqual(list(self.repository.rglob("*-tmp-*")), [young])
        self.restic.run("prune")
        self.assertTrue(young.exists(), "stock restic takes them away by now")
        self.assertEqual(self.do("prune")["leftover_files"], 0)
        self.assertEqual(done["packs_unindexed"], 1)
        self.assertGreaterEqual(done["bytes_freed"], 3_000_000)
        self.assertNotIn(lost.name, self.packs())
        self.require_sound(made[2:])

    def test_prune_in_limited_steps_finishes(self) -> None:
        made = [self.change(seed) for seed in range(6)]
        self.do("forget", *made[:5], "--allow-below-floor")
        for _ in range(20):
            done = self.do("prune", "--max-unused", "0", "--max-repack-size", "3M")
            self.assertLessEqual(done["bytes_repacked"], 3 << 20)
            self.require_sound(made[5:])
            if done["bytes_left_unneeded"] == 0:
                return
        self.fail("20 prunes were not enough")

    def test_prune_changes_nothing_if_a_pack_is_missing(self) -> None:
        made = [self.change(seed) for seed in range(3)]
        self.do("forget", *made[:2], "--allow-below-floor")
        largest = max((self.repository / "data").rglob("*"), key=lambda path: path.is_file() and path.stat().st_size)
        largest.unlink()
        before = self.packs(), sorted((self.repository / "index").iterdir())

        self.wrong(1, "nothing was changed", "check", arguments=["prune", "--max-unused", "0"])

        self.assertEqual((self.packs(), sorted((self.repository / "index").iterdir())), before)

    def test_prune_is_refused_during_a_backup(self) -> None:
        self.start_long_backup()
        self.wrong(4, "locked by", "--retry-lock", arguments=["prune"])

    def test_wrong_arguments_are_refused(self) -> None:
        self.wrong(2, "expected 0% to 100%", arguments=["prune", "--max-unused", "101%"])
        self.wrong(2, "unlimited", arguments=["prune", "--max-unused", "much"])
        self.wrong(2, "50G", arguments=["prune", "--max-repack-size", "-1"])


if __name__ == "__main__":
    main("restic")
