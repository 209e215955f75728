"""Failures around a backup: passwords, full disks, missing files, concurrent runs, interrupts. Each ends with the exit
code in docs/errors.md, a message that names the object, and no partial result."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, Restic, agent_program, main, service_program, wait_until, write_config


def fill(directory: Path, megabytes: int) -> None:
    """Writes incompressible files without duplicates."""
    directory.mkdir(exist_ok=True)
    for number in range(megabytes):
        (directory / f"file-{number}").write_bytes(os.urandom(1 << 20))


class FaultCase(Case):
    def setUp(self) -> None:
        super().setUp()
        self.data = self.directory / "data"
        self.data.mkdir()
        (self.data / "file").write_text("content\n")
        source = {"kind": "files", "name": "app", "paths": [str(self.data)]}
        self.config = write_config(self.directory / "agent", [source])
        self.repository = self.directory / "agent" / "repository"
        self.agent = Agent(self.config)

    def init(self) -> None:
        self.agent.run("repository", "init", "--repository", "main")

    def restic(self) -> Restic:
        password = self.directory / "agent" / "password"
        return Restic(self.repository, password, self.directory / "cache")

    def refused(self, code: int, *words: str, **keywords) -> None:
        """The verb `words` exits with `code` and names everything in keywords["says"]."""
        done = self.agent.run(*words, expect=code)
        for text in keywords["says"]:
            self.assertIn(text, done.stderr)

    def snapshots(self) -> list[dict]:
        return self.agent.json("list")["repositories"][0]["snapshots"]


class Repository(FaultCase):
    def test_backup_without_a_repository_is_refused(self) -> None:
        self.refused(2, "backup", says=["password"])  # the password file is missing, too
        (self.directory / "agent" / "password").touch(0o600)
        (self.directory / "agent" / "password").write_text("secret\n")
        self.refused(1, "backup", says=[str(self.repository), "holdfast-agent init"])

    def test_init_refuses_an_existing_repository(self) -> None:
        self.init()
        self.refused(1, "repository", "init", "--repository", "main", says=[str(self.repository)])
        self.agent.run("backup")

    def test_wrong_password_is_refused(self) -> None:
        self.init()
        self.agent.run("backup")
        (self.directory / "agent" / "password").write_text("wrong\n")
        for verb in (["backup"], ["list"], ["check"], ["restore", "latest", "--to", str(self.directory / "x")]):
            with self.subTest(verb=verb[0]):
                self.refused(4, *verb, says=["password", "main"])
        self.assertFalse((self.directory / "x" / "data").exists())

    def test_truncated_key_names_the_file(self) -> None:
        self.init()
        (key,) = (self.repository / "keys").iterdir()
        key.chmod(0o600)
        key.write_bytes(key.read_bytes()[:100])
        self.refused(1, "backup", says=[key.name[:8]])

    def test_damaged_pack_is_reported_by_check_and_by_restore(self) -> None:
        self.init()
        self.agent.run("backup")
        packs = sorted((self.repository / "data").rglob("*"), key=lambda path: path.stat().st_size)
        for pack in [path for path in packs if path.is_file()]:
            pack.chmod(0o600)
            content = bytearray(pack.read_bytes())
            content[len(content) // 3] ^= 1
            pack.write_bytes(content)
        done = self.agent.run("check", "--read-data", expect=1)
        self.assertIn("files/app", done.stdout + done.stderr)
        self.agent.run("restore", "latest:files/app", "--to", str(self.directory / "x"), expect=1)

    def test_verbs_work_without_a_configuration(self) -> None:
        self.init()
        self.agent.run("backup")
        where = ["--repository-url", f"file:{self.repository}"]
        where += ["--password-file", str(self.directory / "agent" / "password")]
        target = self.directory / "x"
        self.agent.run("check", "--read-data", *where, config=False)
        self.assertIn("files", self.agent.run("list", *where, config=False).stdout)
        self.agent.run("restore", "latest", "--to", str(target), *where, config=False)
        self.assertEqual((target / "data" / str(self.data)[1:] / "file").read_text(), "content\n")


class Place(FaultCase):
    """Tests with their own file system, in a separate mount namespace."""

    def in_namespace(self, script: str) -> str:
        self.repository.mkdir(parents=True)
        environment = {
            **os.environ,
            "REPOSITORY": str(self.repository),
            "AGENT": agent_program(),
            "CONFIG": str(self.config),
            "RESTIC": service_program("restic", "restic"),
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD_FILE": str(self.directory / "agent" / "password"),
            "RESTIC_CACHE_DIR": str(self.directory / "cache"),
        }
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        argv = ["unshare", *as_root, "--mount", "bash", "-euc", script]
        done = subprocess.run(argv, env=environment, text=True, capture_output=True, timeout=250)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_full_disk_fails_the_backup_and_damages_nothing(self) -> None:
        fill(self.directory / "large", 48)
        said = self.in_namespace(f"""
            mount -t tmpfs -o size=24m none "$REPOSITORY"
            "$AGENT" repository init --config "$CONFIG" --repository main
            "$AGENT" backup --config "$CONFIG"
            mv {self.directory}/large {self.data}/large
            code=0; "$AGENT" backup --config "$CONFIG" || code=$?
            echo "full disk: exit $code"
            test $code = 1
            test "$("$AGENT" list --config "$CONFIG" --json | grep -c '"parent"')" = 1
            "$RESTIC" check --read-data
            "$AGENT" check --read-data --config "$CONFIG"
            rm -r {self.data}/large
            "$AGENT" restore latest:files/app --config "$CONFIG" --to {self.directory}/back
        """)
        self.assertIn("no space left on device", said)
        self.assertEqual((self.directory / "back" / "data" / str(self.data)[1:] / "file").read_text(), "content\n")

    def test_too_small_a_disk_is_reported_before_anything_is_written(self) -> None:
        fill(self.data / "large", 16)
        said = self.restored_to_tmpfs("size=8m")
        self.assertIn("needs 16.0 MiB, but only 8.00 MiB are free", said)
        self.assertIn("items in the target: 0", said)

    def test_too_few_inodes_are_reported_before_anything_is_written(self) -> None:
        (self.data / "many").mkdir()
        for number in range(40):
            (self.data / "many" / str(number)).write_text("x")
        said = self.restored_to_tmpfs("nr_inodes=20")
        self.assertIn("creates 42 files, but the file system has inodes for only 17", said)
        self.assertIn("items in the target: 0", said)

    def restored_to_tmpfs(self, options: str) -> str:
        """The error of a restore to a file system mounted with `options`."""
        return self.in_namespace(f"""
            "$AGENT" repository init --config "$CONFIG" --repository main
            "$AGENT" backup --config "$CONFIG"
            mkdir {self.directory}/target
            mount -t tmpfs -o {options} none {self.directory}/target
            code=0; "$AGENT" restore latest:files/app --config "$CONFIG" --to {self.directory}/target/x || code=$?
            echo "items in the target: $(find {self.directory}/target/x -mindepth 1 | wc -l)"
            test $code = 1
        """)

    def test_restore_fails_when_the_disk_fills_up_and_then_resumes(self) -> None:
        fill(self.data / "large", 16)
        config = json.loads(self.config.read_text())
        config["repositories"]["main"]["read_mib_s"] = 4  # slow enough to fill the disk
        self.config.write_text(json.dumps(config))
        target = self.directory / "target"
        said = self.in_namespace(f"""
            "$AGENT" repository init --config "$CONFIG" --repository main
            "$AGENT" backup --config "$CONFIG"
            mkdir {target}
            mount -t tmpfs -o size=20m none {target}
            restore() {{ "$AGENT" restore latest:files/app --config "$CONFIG" --to {target}/x; }}
            restore & running=$!
            until test -n "$(find {target}/x -name 'file-*')"; do kill -0 $running; done
            head -c 20M /dev/zero > {target}/somebody || true
            code=0; wait $running || code=$?
            test $code = 1
            rm {target}/somebody
            restore
            diff -r {self.data} {target}/x/data{self.data}
        """)
        self.assertIn("no space left on device", said)

    def test_read_only_storage_is_named(self) -> None:
        said = self.in_namespace("""
            "$AGENT" repository init --config "$CONFIG" --repository main
            "$AGENT" backup --config "$CONFIG"
            mount --bind "$REPOSITORY" "$REPOSITORY"; mount -o remount,bind,ro "$REPOSITORY"
            code=0; "$AGENT" backup --config "$CONFIG" || code=$?
            echo "read-only: exit $code"
            test $code = 4
        """)
        self.assertIn("read-only file system", said)


class Source(FaultCase):
    def test_unreadable_file_is_named_and_the_rest_saved(self) -> None:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in [self.directory, *self.directory.rglob("*")]:
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            self.agent = Agent(self.config, user="nobody")
        secret = self.data / "secret"
        secret.write_text("x")
        secret.chmod(0)
        self.init()
        done = self.agent.run("backup", "--json", expect=3)
        (source,) = done.document["sources"]
        self.assertEqual(source["state"], "partly done")
        self.assertEqual([missing["what"] for missing in source["missing"]], [str(secret)])
        (snapshot,) = self.snapshots()
        self.assertTrue(snapshot["partial"])

    def test_missing_path_is_named(self) -> None:
        self.init()
        shutil.rmtree(self.data)
        done = self.agent.run("backup", "--json", expect=1)
        self.assertIn(str(self.data), done.stdout)

    def test_concurrent_backup_is_refused_and_names_the_lock_holder(self) -> None:
        fill(self.data / "large", 300)
        self.init()
        first = self.agent.start("backup", log=self.directory / "first.log")
        wait_until("the first pack", lambda: any(path.is_file() for path in (self.repository / "data").rglob("*")))
        second = self.agent.run("backup", expect=4)
        self.assertIn(f"pid {first.pid}", second.stderr)
        self.assertEqual(first.wait(120), 0)
        self.assertEqual(len(self.snapshots()), 1)

    def test_interrupted_backup_leaves_no_snapshot_and_no_lock(self) -> None:
        self.init()
        self.agent.run("backup")
        fill(self.data / "large", 300)
        run = self.agent.start("backup", log=self.directory / "run.log")
        before = {path for path in (self.repository / "data").rglob("*") if path.is_file()}
        wait_until(
            "a new pack",
            lambda: {path for path in (self.repository / "data").rglob("*") if path.is_file()} - before,
        )
        run.signal(signal.SIGINT)
        self.assertEqual(run.wait(60), 130)
        self.assertEqual(len(self.snapshots()), 1)
        self.assertEqual(list((self.repository / "locks").iterdir()), [])
        self.restic().check()
        self.agent.run("backup")
        self.assertEqual(len(self.snapshots()), 2)

    def test_killed_run_leaves_a_lock_that_the_next_one_removes(self) -> None:
        fill(self.data / "large", 300)
        self.init()
        run = self.agent.start("backup", log=self.directory / "run.log")
        wait_until("the first pack", lambda: any(path.is_file() for path in (self.repository / "data").rglob("*")))
        run.kill()
        self.assertNotEqual(list((self.repository / "locks").iterdir()), [])
        self.agent.run("backup")
        self.assertEqual(list((self.repository / "locks").iterdir()), [])
        self.restic().check()


if __name__ == "__main__":
    main("restic")
