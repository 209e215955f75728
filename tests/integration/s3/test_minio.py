"""A repository in a real S3 service, used by Holdfast and stock restic."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import (
    Agent,
    Authority,
    Case,
    ExclusiveLocks,
    ManyAtOnce,
    MinIO,
    Restic,
    Tree,
    main,
    scan,
    service_program,
    wait_until,
    write_config,
)
from lib.minio import SECRET_KEY


class Place(Case):
    def setUp(self) -> None:
        super().setUp()
        self.minio = MinIO(self.directory / "minio", Authority(self.directory / "authority")).start()
        self.addCleanup(self.minio.kill)  # cleanups run in reverse order: the directory is removed later
        self.url = f"s3:{self.minio.url}/backups/some/prefix"
        self.tree = self.directory / "tree"
        tree = Tree(self.tree)
        tree.file("a/small", b"small")
        tree.file("a/empty", b"")
        tree.symlink("a/link", "small")
        tree.random_file("large", 40_000_000, seed=1)
        for number in range(300):
            tree.file(f"many/{number}", str(number).encode() * 50)
        tree.stamp()
        self.agent = Agent(self.config())
        self.restic = self.restic_of("test", "restic")

    def restic_of(self, who: str, service: str) -> Restic:
        return Restic(
            self.url, self.directory / "password", self.directory / f"cache-{who}", service=service,
            environment=self.minio.environment, arguments=("--cacert", str(self.minio.authority.ca)),
        )

    def keys(self, kind: str) -> list[Path]:
        return [key for key in self.minio.files("backups") if kind in key.parts]

    def stored(self) -> int:
        return sum(self.minio.size("backups", key) for key in self.keys("data"))

    def config(self, directory: Path | None = None, tree: Path | None = None, node: str = "test-1", **options) -> Path:
        repository = {
            "url": self.url,
            "password_file": str(self.directory / "password"),
            "ca": str(self.minio.authority.ca),
            "credentials_file": str(self.minio.credentials_file),
        }
        repository = {name: value for name, value in (repository | options).items() if value is not None}
        sources = [{"kind": "files", "name": "app", "paths": [str(tree or self.tree)]}]
        return write_config(directory or self.directory, sources, repositories={"main": repository}, node=node)


class ExclusiveOnMinIO(ExclusiveLocks, Place):
    def setUp(self) -> None:
        super().setUp()
        self.slow_agent = Agent(self.config(self.directory / "slow", read_mib_s=1))
        self.agent.run("repository", "init")


class ManyOnMinIO(ManyAtOnce, Place):
    def setUp(self) -> None:
        super().setUp()
        self.agent.run("repository", "init")

    def agent_of(self, node: str, tree: Path) -> Agent:
        return Agent(self.config(self.directory / node, tree, node))

    def names(self, kind: str) -> set[str]:
        return {key.name for key in self.keys(kind)}


class OnMinIO(Place):
    def require_restored(self, top: Path) -> None:
        self.assertEqual(scan(top / str(self.tree)[1:]), scan(self.tree))

    def restore_by_us(self, snapshot: str) -> Path:
        target = self.directory / "by us"
        shutil.rmtree(target, ignore_errors=True)
        self.agent.run("restore", snapshot, "--to", str(target))
        return target

    def restore_by_restic(self, snapshot: str) -> Path:
        target = self.directory / "by restic"
        shutil.rmtree(target, ignore_errors=True)
        self.restic.restore(snapshot, target)
        return target

    def find_tree(self, top: Path) -> Path:
        """The directory at or below `top` that contains the tree's original path."""
        wanted = str(self.tree)[1:]
        return next(path for path in [top, *top.rglob("*")] if (path / wanted).is_dir())

    def test_both_use_our_repository(self) -> None:
        self.agent.run("repository", "init")  # also creates the bucket
        self.agent.run("backup")
        self.agent.run("check", "--read-data")
        self.restic.check()
        ours = self.restic.snapshots()[0]["id"]
        listed = [json.loads(line) for line in self.restic.run("ls", "--json", ours).stdout.splitlines()]
        sizes = {entry["path"]: entry.get("size", 0) for entry in listed[1:]}
        self.assertEqual(sizes[f"/files/app/data{self.tree}/large"], 40_000_000)
        self.require_restored(self.find_tree(self.restore_by_restic(ours)))

        theirs = self.restic.backup(str(self.tree))["snapshot_id"]
        self.agent.run("check", "--read-data")
        self.require_restored(self.find_tree(self.restore_by_us(theirs)))
        self.require_restored(self.find_tree(self.restore_by_us("latest:files/app")))

        # After restic removes and repacks, our snapshots are intact and the next backup works.
        self.restic.run("forget", "--prune", theirs)
        (self.tree / "a" / "small").write_bytes(b"changed")
        self.agent.run("backup")
        self.agent.run("check", "--read-data")
        self.restic.check()
        self.assertEqual([key for key in self.minio.files("backups") if "locks" in key.parts], [])

    def test_both_use_a_repository_of_restic(self) -> None:
        (self.directory / "password").touch(0o600)
        (self.directory / "password").write_text("a password\n")
        self.restic.init()
        self.restic.backup(str(self.tree))
        self.agent.run("backup")
        self.agent.run("check", "--read-data")
        self.restic.check()
        for snapshot in self.restic.snapshots():
            self.require_restored(self.find_tree(self.restore_by_us(snapshot["id"])))
            self.require_restored(self.find_tree(self.restore_by_restic(snapshot["id"])))

    def test_largest_packs_of_restic_are_read(self) -> None:
        Tree(self.tree).random_file("larger", 140 << 20, seed=4)
        Tree(self.tree).file("even", b"\xaa" * (24 << 20))
        Tree(self.tree).stamp()
        (self.directory / "password").touch(0o600)
        (self.directory / "password").write_text("a password\n")
        self.restic.init()
        self.restic.backup(str(self.tree), arguments=("--pack-size", "128"))
        self.assertGreaterEqual(max(self.minio.size("backups", key) for key in self.keys("data")), 128 << 20)
        self.agent.run("backup")
        self.agent.run("check", "--read-data")
        for snapshot in self.restic.snapshots():
            self.require_restored(self.find_tree(self.restore_by_us(snapshot["id"])))

    def do(self, *arguments: str) -> dict:
        return self.agent.json("repository", *arguments)

    def backup(self, text: str) -> str:
        (self.tree / "a" / "small").write_text(text)
        return self.agent.json("backup")["sources"][0]["snapshot"]

    def ids(self) -> list[str]:
        return [snapshot["id"] for snapshot in self.restic.snapshots()]

    def require_sound(self) -> None:
        self.restic.check()
        self.assertTrue(self.agent.json("check", "--read-data")["repositories"][0]["sound"])
        self.assertEqual(self.keys("locks"), [])

    def test_each_program_handles_keys_and_locks_of_the_other(self) -> None:
        self.agent.run("repository", "init")
        ours = self.do("key", "add", "--new-password-file", str(self.directory / "ours"))["added"]
        (self.directory / "theirs").write_text("of restic\n")
        self.restic.run("key", "add", "--new-password-file", str(self.directory / "theirs"))
        self.assertEqual(len(self.do("key", "list")["keys"]), 3)
        self.restic.run("key", "remove", ours[:8])
        theirs = next(key["id"] for key in self.do("key", "list")["keys"] if not key["in_use"])
        self.do("key", "remove", theirs)
        self.do("key", "passwd")
        self.assertEqual([key["in_use"] for key in self.do("key", "list")["keys"]], [True])
        self.assertEqual(self.restic.snapshots(), [])  # with the new password

        # We clear a killed restic's lock, and restic clears a killed agent's.
        child = subprocess.Popen(
            [str(service_program("restic", "restic")), "--repo", self.url, "--cacert", str(self.minio.authority.ca)]
            + ["--password-file", str(self.directory / "password"), "--no-cache", "backup", "--stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=os.environ | self.minio.environment,
        )
        self.addCleanup(child.stdin.close)
        self.addCleanup(child.kill)
        wait_until("restic holds a lock", lambda: self.do("lock", "list")["locks"])
        self.agent.run("repository", "prune", expect=4)
        child.kill()
        child.wait()
        self.assertEqual(self.do("unlock")["removed"], 1)
        backup = self.agent.start("backup", log=self.directory / "backup.log")
        wait_until("the agent holds a lock", lambda: self.keys("locks"))
        backup.kill()
        self.restic.unlock()
        self.assertEqual(self.keys("locks"), [])
        self.backup("after all")
        self.require_sound()

    def test_both_programs_forget_and_prune(self) -> None:
        self.agent.run("repository", "init")
        made = [self.backup(f"content {number}") for number in range(5)]
        self.restic.run("forget", made[0])
        self.do("forget", "--keep-last", "2", "--min-keep", "1")
        self.assertEqual(self.ids(), made[3:])
        Tree(self.tree).random_file("large", 40_000_000, seed=9)
        Tree(self.tree).stamp()
        last = self.backup("the last")
        before = len(self.keys("data"))
        self.do("forget", *made[3:], "--allow-below-floor")
        self.assertGreater(self.do("prune", "--max-unused", "0")["packs_removed"], 0)
        self.assertLess(len(self.keys("data")), before)
        self.require_sound()
        self.assertEqual(self.do("prune")["packs_removed"], 0)
        self.require_restored(self.find_tree(self.restore_by_restic(last)))
        self.require_restored(self.find_tree(self.restore_by_us(last)))
        self.restic.run("prune", "--max-unused", "0")
        self.require_sound()

    def kill_when(self, name: str, condition, *arguments: str) -> None:
        """Starts a command and kills it as soon as the condition holds. Then stock restic removes its lock and finds no
        errors."""
        with self.subTest(name):
            process = self.agent.start(*arguments, log=self.directory / name)
            self.addCleanup(process.kill)
            wait_until(name, condition)
            process.kill()
            self.restic.unlock()
            self.restic.check()

    def test_killed_backups_and_prunes_damage_nothing(self) -> None:
        self.agent.run("repository", "init")
        first = self.backup("whole")
        before = self.stored()
        large = Tree(self.tree)
        large.random_file("large", 300_000_000, seed=5)
        large.stamp()
        (self.tree / "a" / "small").write_text("after the kills")
        # A pack is 16 MiB.
        for count in (1, 5, 9, 13):
            self.kill_when(f"backup {count}", lambda: len(self.keys("data")) >= count + 4, "backup")
        last = self.agent.json("backup")["sources"][0]["snapshot"]
        self.assertEqual(self.ids(), [first, last])
        self.require_sound()
        # Data that no killed backup managed to index is unused.
        self.do("prune")
        self.assertLess(self.stored() - before, 310_000_000)
        self.require_sound()

        self.do("forget", first, "--allow-below-floor")
        large.random_file("large", 300_000_000, seed=6)
        large.stamp()
        newest = self.backup("the newest")
        self.do("forget", last, "--allow-below-floor")
        packs = len(self.keys("data"))
        indexes = set(self.keys("index"))
        prune = ["repository", "prune", "--max-unused", "0"]
        self.kill_when("prune, new index", lambda: set(self.keys("index")) - indexes, *prune)
        self.kill_when("prune, packs go", lambda: len(self.keys("data")) < packs, *prune)
        self.do(*prune[1:])
        self.require_sound()
        self.assertLess(len(self.keys("data")), packs - 10)
        self.require_restored(self.find_tree(self.restore_by_us(newest)))
        self.require_restored(self.find_tree(self.restore_by_restic(newest)))

    def test_lost_index_and_pack_are_repaired(self) -> None:
        self.agent.run("repository", "init")
        last = self.backup("one")
        for index in self.keys("index"):
            self.minio.remove("backups", index)
        self.agent.run("check", expect=1)
        self.assertGreater(self.do("repair", "index")["packs_added"], 0)
        self.require_sound()
        # A pack of the source's content: other packs cannot be repaired from the source.
        largest = max(self.keys("data"), key=lambda key: self.minio.size("backups", key))
        self.minio.remove("backups", largest)
        self.agent.run("check", expect=1)
        self.do("repair", "index")
        self.assertGreater(self.agent.json("backup", "--rehash")["sources"][0]["bytes_stored"], 10_000_000)
        self.require_sound()
        self.require_restored(self.find_tree(self.restore_by_us(last)))

    def test_copy_archives_and_reading_verbs_work(self) -> None:
        self.agent.run("repository", "init")
        snapshot = self.backup("to be copied")
        disk = Restic(self.directory / "disk", self.directory / "password", self.directory / "disk-cache")
        disk.init()
        there = ["--to-url", f"file:{disk.repository}", "--to-password-file", str(self.directory / "password")]
        self.assertEqual(self.do("copy", *there)["snapshots"][0]["state"], "copied")
        disk.check()
        file = self.agent.json("export", snapshot, "--to", str(self.directory))["file"]
        self.do("forget", snapshot, "--allow-below-floor")
        self.do("prune")
        imported = self.agent.json("import", file)["snapshot"]
        self.require_sound()
        self.require_restored(self.find_tree(self.restore_by_us(imported)))

        small = f"data{self.tree}/a/small"
        self.assertEqual(self.agent.run("repository", "dump", imported, small).stdout, "to be copied")
        self.assertIn("small", self.agent.run("repository", "ls", imported, f"data{self.tree}/a").stdout)
        self.assertIn(small, self.agent.run("repository", "find", "small").stdout)
        changed = self.backup("changed")
        self.assertIn("small", self.agent.run("repository", "diff", imported, changed).stdout)
        self.assertEqual(self.do("stats")["snapshots"], 2)
        self.assertIn(self.url, self.agent.run("repository", "info").stdout)

    def test_errors_of_the_service_are_shown_without_secrets(self) -> None:
        self.agent.run("repository", "init")
        wrong = self.directory / "wrong"
        wrong.write_text("[default]\naws_access_key_id = holdfast-test\naws_secret_access_key = hush-hush\n")
        done = Agent(self.config(credentials_file=str(wrong))).run("list", expect=4)
        self.assertIn("SignatureDoesNotMatch", done.stderr)
        self.assertNotIn("hush-hush", done.stderr)
        wrong.write_text(f"[default]\naws_access_key_id = nobody\naws_secret_access_key = {SECRET_KEY}\n")
        done = Agent(self.config(credentials_file=str(wrong))).run("list", expect=4)
        self.assertIn("InvalidAccessKeyId", done.stderr)
        self.assertNotIn(SECRET_KEY, done.stderr)
        done = Agent(self.config(ca=None)).run("list", expect=4)
        self.assertIn("certificate", done.stderr)
        done = Agent(self.config()).run("repository", "init", expect=1)  # it already exists

    def test_backup_survives_a_restart_of_the_server(self) -> None:
        self.agent.run("repository", "init")
        Tree(self.tree).random_file("larger", 300_000_000, seed=2)
        Tree(self.tree).stamp()
        backup = self.agent.start("backup", log=self.directory / "backup.log")
        wait_until("some packs", lambda: sum("data" in key.parts for key in self.minio.files("backups")) > 2)
        self.minio.kill()
        wait_until("a try that fails", lambda: "again in" in backup.log.read_text())
        self.minio.start()
        self.assertEqual(backup.wait(120), 0, backup.tail())
        self.agent.run("check", "--read-data")
        self.restic.check()
        self.require_restored(self.find_tree(self.restore_by_us("latest:files/app")))

    def test_credentials_in_the_environment_and_a_url_suffice(self) -> None:
        # No configuration file is needed. The system does not trust our CA, so this uses plain HTTP.
        plain = MinIO(self.directory / "plain").start()
        agent = Agent(self.config(url=f"s3:{plain.url}/bucket", ca=None, credentials_file=None))
        environment = plain.environment
        agent.run("repository", "init", env=environment)
        agent.run("backup", env=environment)
        url = ["--repository-url", f"s3:{plain.url}/bucket", "--password-file", str(self.directory / "password")]
        done = agent.run("check", "--read-data", *url, config=False, env=environment)
        self.assertEqual(done.code, 0)
        empty = {"HOME": str(self.directory), "AWS_EC2_METADATA_DISABLED": "true"}
        done = agent.run("list", expect=2, env=empty)
        self.assertIn("no S3 credentials in the environment", done.stderr)


if __name__ == "__main__":
    main("minio", "restic", "restic19")
