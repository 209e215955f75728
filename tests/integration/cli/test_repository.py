"""The verbs of `holdfast-agent repository`, on a repository that stock restic uses, too: what each does, and one
deliberate mistake for each."""

import json
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Restic, main, service_program, wait_until  # noqa: E402
from test_verbs import Verbs as Base  # noqa: E402


class Verbs(Base):
    def setUp(self) -> None:
        super().setUp()
        self.password.write_text("secret\n")
        self.password.chmod(0o600)
        self.restic = Restic(self.repository, self.password, self.directory / "cache")
        self.restic.init_cheaply()

    def backup(self, text: str | None = None) -> str:
        """A snapshot of the tree, with another content where one is given."""
        if text is not None:
            (self.tree / "a").write_text(text)
        return self.agent.json("backup")["sources"][0]["snapshot"]

    def do(self, *arguments: str) -> dict:
        return self.agent.json("repository", *arguments)

    def wrong(self, code: int, *texts: str, arguments: list[str]) -> None:
        self.fails(code, *texts, "hint: ", arguments=["repository", *arguments])

    def ids(self) -> list[str]:
        return [snapshot["id"] for snapshot in self.restic.snapshots()]


class Forget(Verbs):
    def test_by_policy_and_by_name_with_the_floor_below(self) -> None:
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

    def test_of_what_stock_restic_made(self) -> None:
        for _ in range(3):
            self.restic.backup(str(self.tree))
        done = self.do("forget", "--keep-last", "1", "--allow-below-floor")
        self.assertEqual(done["forgotten"], 2)
        self.assertEqual(len(self.ids()), 1)

    def test_mistakes(self) -> None:
        self.backup()
        self.wrong(2, "nothing to forget", arguments=["forget"])
        self.wrong(2, "expected one of them", arguments=["forget", "x", "--keep-last", "1"])
        self.wrong(2, "is not a period", arguments=["forget", "--keep-within", "7w"])
        self.wrong(1, "0123", arguments=["forget", "0123"])
        self.assertEqual(len(self.ids()), 1)


class Locks(Verbs):
    def hold(self) -> None:
        """A lock of somebody who is alive."""
        self.start_long_backup()

    def test_are_listed_and_removed(self) -> None:
        self.hold()
        lock = self.do("lock", "list")["locks"][0]
        self.assertEqual((lock["exclusive"], lock["stale"]), (False, False))
        self.assertEqual(lock["host"], socket.gethostname())
        self.wrong(4, "locked by", "--retry-lock", arguments=["forget", "--keep-last", "1"])

        self.assertEqual(self.do("unlock")["removed"], 0)
        self.assertEqual(self.do("unlock", "--remove-all")["removed"], 1)
        self.assertEqual(self.do("lock", "list")["locks"], [])

    def test_a_dead_one_of_restic_goes_and_a_live_one_stays(self) -> None:
        # It waits for standard input, with its lock held.
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

    def test_mistakes(self) -> None:
        self.wrong(2, "--all", arguments=["unlock", "--all"])
        self.wrong(2, "--retry-lock", arguments=["forget", "--keep-last", "1", "--retry-lock", "5"])
        both = ["--repository-url", "file:x", "--password-file", "p", "--repository", "main"]
        self.wrong(2, "--repository-url and", arguments=["lock", "list", *both])


class Keys(Verbs):
    def opens(self, password: Path) -> bool:
        done = Restic(self.repository, password, self.directory / "cache").run("snapshots", expect=None)
        return done.returncode == 0

    def test_another_password_and_its_end(self) -> None:
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

    def test_a_new_password_takes_the_place_of_the_old(self) -> None:
        old = self.directory / "old"
        old.write_text(self.password.read_text())
        self.password.chmod(0o640)

        done = self.do("key", "passwd")

        self.assertRegex(self.password.read_text(), r"\A[0-9a-f]{64}\n\Z")
        self.assertEqual(self.password.stat().st_mode & 0o777, 0o640)
        self.assertTrue(self.opens(self.password))
        self.assertFalse(self.opens(old))
        self.assertEqual([key["id"] for key in self.do("key", "list")["keys"]], [done["added"]])
        self.backup()

        (self.directory / "mine").write_text("my own words\n")
        self.do("key", "passwd", "--new-password-file", str(self.directory / "mine"))
        self.assertEqual(self.password.read_text(), "my own words\n")
        self.assertTrue(self.opens(self.password))
        self.restic.check()

    def test_of_stock_restic(self) -> None:
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

    def test_mistakes(self) -> None:
        self.wrong(1, "no key begins", "there are: ", arguments=["key", "remove", "zz"])
        self.wrong(2, "--new-password-file", arguments=["key", "add"])
        missing = str(self.directory / "missing")
        self.wrong(2, "is not there", arguments=["key", "passwd", "--new-password-file", missing])
        same = ["key", "passwd", "--new-password-file", str(self.password)]
        self.wrong(2, "in use already", arguments=same)
        (self.directory / "empty").write_text("\n")
        empty = ["key", "add", "--new-password-file", str(self.directory / "empty")]
        self.fails(2, "is empty", arguments=["repository", *empty])
        self.assertEqual(len(self.do("key", "list")["keys"]), 1)


if __name__ == "__main__":
    main("restic")
