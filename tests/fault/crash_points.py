#!/usr/bin/env python3
"""Kills the real program with SIGKILL at every crash point.

The program runs with HOLDFAST_CRASH_POINT=NAME or NAME:k and kills itself there. Afterwards
    - `restic unlock` removes all remaining locks, and `restic check --read-data` finds no errors;
    - every earlier snapshot restores identically;
    - a snapshot of the killed run is complete or does not exist;
    - after the agent's next start, a restore in place is either complete or undone.
A scenario, or a test named in ELSEWHERE, must reach every name in common/base/crash_point.h.

    crash_points.py SCENARIO     init | backup | compose | restore_to | in_place_files | in_place_haproxy | rollback |
                                 forget | key_add | passwd | prune | repair_index | repair_packs | copy | import |
                                 save_services | restore_services | list
"""

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration" / "haproxy"))
from edge import Edge
from lib import (
    Agent,
    Alertmanager,
    Case,
    MapHAProxy,
    MetricsEndpoint,
    Prometheus,
    Restic,
    Tree,
    ZooKeeperEnsemble,
    differences,
    main,
    scan,
    service_program,
    wait_until,
    write_config,
)
from lib.haproxy import get
from lib.places import ROOT
from lib.ring import Ring
from lib.zookeeper_client import create

# Crash points that each scenario reaches, and the passings at which it is killed.
_SAVING = {
    "repository.lock.after_put": [1],
    "repository.pack.before_put": [1, 2],
    "repository.pack.after_put": [1, 2],
    "repository.index.before_put": [1],
    "repository.index.after_put": [1],
    "jobs.part.after_save": [1],
    "repository.snapshot.before_put": [1],
    "repository.snapshot.after_put": [1],
    "storage.posix.before_rename": [1, 2, 4],
    "storage.posix.after_rename": [1, 2, 4],
}
_EXTRACTING = {
    "restore.file.before_rename": [1, 7],
    "restore.file.after_rename": [1, 7],
    "restore.directory.before_attributes": [1, 2],
}
_SWAPPING = {
    "swap.after_stage": [1],
    "swap.before_first": [1],
    "swap.between": [1],
    "swap.after_last": [1],
    "swap.before_commit": [1],
    "swap.after_commit": [1],
}
# Data, trees, their index and a snapshot.
_STORING = {
    "repository.pack.before_put": [1, 2],
    "repository.pack.after_put": [1, 2],
    "repository.index.before_put": [1],
    "repository.index.after_put": [1],
    "repository.snapshot.before_put": [1],
    "repository.snapshot.after_put": [1],
}
# Three parts, one after the other, then their snapshot.
_COMPOSING = {
    "repository.lock.after_put": [1],
    "repository.pack.before_put": [1, 4, 6],
    "repository.index.after_put": [1, 3, 4],
    "jobs.part.after_save": [1, 2, 3],
    "jobs.compose.before_record": [1],
    "jobs.compose.after_record": [1],
    "repository.snapshot.before_put": [1],
    "repository.snapshot.after_put": [1],
}
SCENARIOS: dict[str, dict[str, list[int]]] = {
    "backup": _SAVING,
    "compose": _COMPOSING,
    "restore_to": _EXTRACTING | {"repository.lock.after_put": [1]},
    "in_place_files": _SWAPPING | _EXTRACTING | {"repository.snapshot.after_put": [1]},
    # Runtime state is saved, prepared for the reload, loaded, restored.
    "in_place_haproxy": _SWAPPING | {"haproxy.live.handover": [1, 2, 3, 4]},
    "rollback": {"swap.rollback": [1, 2]},
    "forget": {"repository.lock.after_put": [1], "jobs.forget.after_remove": [1, 2]},
    "repair_index": {
        "repository.index.before_put": [1],
        "repository.index.after_put": [1],
        "repository.index.after_remove": [1, 2],
    },
    "prune": {
        "repository.pack.before_put": [1],
        "repository.pack.after_put": [1],
        "repository.index.before_put": [1],
        "repository.index.after_put": [1],
        "repository.index.after_remove": [1, 2],
        "repository.pack.after_remove": [1, 2],
    },
    "passwd": {"repository.key.after_put": [1], "jobs.passwd.after_swap": [1]},
    # The key, then the config.
    "init": {"storage.posix.before_rename": [1, 2], "storage.posix.after_rename": [1, 2]},
    # The lock, then the key.
    "key_add": {
        "repository.lock.after_put": [1],
        "storage.posix.before_rename": [2],
        "storage.posix.after_rename": [2],
        "repository.key.after_put": [1],
    },
    "repair_packs": {
        "repository.pack.before_put": [1],
        "repository.pack.after_put": [1],
        "repository.index.before_put": [1],
        "repository.index.after_put": [1, 2],
        "repository.index.after_remove": [1, 2],
        "repository.pack.after_remove": [1, 2],
    },
    # One lock per repository.
    "copy": _STORING | {"repository.lock.after_put": [1, 2], "storage.posix.after_rename": [1, 3, 4, 5]},
    "import": _STORING | {"repository.lock.after_put": [1], "storage.posix.after_rename": [1, 2, 4]},
    # One source after the other: ZooKeeper, Prometheus, Alertmanager, HAProxy.
    "save_services": {
        "repository.pack.before_put": [1, 4],
        "jobs.part.after_save": [1, 2, 3, 4],
        "repository.snapshot.after_put": [3],
    },
    # First the logs, then the snapshot, for a member with a dataLogDir.
    "restore_services": {
        "zookeeper.stage.swap": [1, 2, 3],
        "zookeeper.znode.after_create": [1, 3],
        "prometheus.data_dir.swap": [1, 2],
        "alertmanager.silence.after_make": [1, 3],
    },
}


# Not reached by standalone verbs; these tests kill a program there instead.
ELSEWHERE = {
    "database.before_commit": "tests/unit/database/faults_test.cc",
    "database.after_commit": "tests/unit/database/faults_test.cc",
    "kafka.log_dirs.swap": "tests/unit/sources/kafka/restore_log_dirs_test.cc",
}


def all_points() -> set[str]:
    text = (ROOT / "common" / "base" / "crash_point.h").read_text()
    return set(re.findall(r'std::string_view\("([^"]+)"\)', text))


class Crashes(Case):
    """Runs verbs of `self.agent` that kill themselves, and checks what they leave."""

    agent: Agent
    restic: Restic

    def crash(self, point: str, passing: int, *arguments: str) -> None:
        done = self.agent.run(
            *arguments, expect=None, env={"HOLDFAST_CRASH_POINT": f"{point}:{passing}"}
        )
        self.assertEqual(
            done.code,
            -signal.SIGKILL,
            f"{' '.join(arguments)} was not killed at {point}:{passing}\n{done.stderr}",
        )

    def check_repository(self) -> None:
        self.restic.unlock()
        self.restic.check()

    def snapshots(self) -> list[str]:
        return [snapshot["id"] for snapshot in self.restic.snapshots()]

    def each_crash(self, scenario: str, body: Callable[[str, int], None]) -> None:
        """Runs `body` for every crash point of the scenario. A failure does not skip the others."""
        for point, passings in SCENARIOS[scenario].items():
            for passing in passings:
                with self.subTest(f"{point}:{passing}"):
                    body(point, passing)


def damage_index(files: list[Path]) -> None:
    """Flips a byte in the middle of each file, replacing the file."""
    for file in files:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.chmod(0o600)
        file.write_bytes(content)


class FilesCrashes(Crashes):
    """A source files/app of two directories and a file, a snapshot of its state "old", and the live state "new". Each
    crash starts from a copy of these."""

    def setUp(self) -> None:
        super().setUp()
        self.template = self.directory / "template"
        self.work = self.directory / "work"
        self.template.mkdir()
        self._place()
        self._write("old")
        self.restic.init_cheaply()
        self.first = self.agent.json("backup", "files/app")["sources"][0]["snapshot"]
        self.old = self.state()
        self._write("new")
        self.new = self.state()

    def _place(self) -> None:
        self.work.mkdir(exist_ok=True)
        self.live = self.work / "live"
        source = {
            "kind": "files",
            "name": "app",
            "paths": [str(self.live / name) for name in ("one", "two", "single.conf")],
        }
        self.agent = Agent(write_config(self.work, [source]))
        (self.work / "password").touch(0o600)
        (self.work / "password").write_text("secret\n")
        self.restic = Restic(self.work / "repository", self.work / "password", self.directory / "cache")

    def _write(self, version: str) -> None:
        """The state "old" or "new": they differ in content, names and attributes."""
        shutil.rmtree(self.live, ignore_errors=True)
        tree = Tree(self.live)
        for number in range(30):
            # Half of the files are the same in both states.
            seed = number if number % 2 else number + (1000 if version == "new" else 0)
            tree.random_file(f"one/{number:02d}", 150_000 + number, seed=seed)
        tree.file(f"one/sub/only-{version}", version.encode())
        tree.file("one/mode", b"x", 0o600 if version == "old" else 0o644)
        tree.file("two/a", version.encode() * 1000)
        tree.symlink("two/link", version)
        tree.file("single.conf", f"version = {version}\n".encode())
        tree.stamp(1_600_000_000 if version == "old" else 1_650_000_000)

    def state(self) -> dict[str, dict]:
        return {name: scan(self.live / name) for name in ("one", "two", "single.conf")}

    def keep(self) -> None:
        """Saves the whole of `work` as the state from which each crash starts."""
        shutil.rmtree(self.template)
        shutil.copytree(self.work, self.template, symlinks=True)

    def again(self) -> None:
        shutil.rmtree(self.work)
        shutil.copytree(self.template, self.work, symlinks=True)
        self._write("new")

    def assert_snapshot_holds(self, snapshot: str, expected: dict[str, dict]) -> None:
        target = self.directory / "out"
        shutil.rmtree(target, ignore_errors=True)
        self.agent.run("restore", snapshot, "--to", str(target))
        below = next(path.parent for path in target.rglob("single.conf"))
        for name, entries in expected.items():
            self.assertEqual(differences(entries, scan(below / name)), [], name)


class Backup(FilesCrashes):
    def test_killed_backup_loses_no_snapshot(self) -> None:
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            self.crash(point, passing, "backup", "files/app")
            self.check_repository()
            left = self.snapshots()
            self.assertIn(self.first, left)
            self.assertLessEqual(len(left), 2)
            self.assert_snapshot_holds(self.first, self.old)
            for snapshot in left:
                if snapshot != self.first:
                    self.assert_snapshot_holds(snapshot, self.new)
            # The next backup works and makes one more snapshot.
            after = self.agent.json("backup", "files/app")["sources"][0]["snapshot"]
            self.assertEqual(len(self.snapshots()), len(left) + 1)
            self.assert_snapshot_holds(after, self.new)
            # Unfinished files do no harm; a prune removes them once they are old.
            unfinished = list((self.work / "repository").rglob("*-tmp-*"))
            if point == "storage.posix.before_rename":
                self.assertGreaterEqual(len(unfinished), 1)  # several are written at once
            for path in unfinished:
                os.utime(path, (0, 0))
            pruned = self.agent.json("repository", "prune")
            self.assertEqual(pruned["leftover_files"], len(unfinished))
            self.assertEqual(list((self.work / "repository").rglob("*-tmp-*")), [])

        self.each_crash("backup", body)


class Compose(Crashes):
    """One process saves parts of three nodes and composes their snapshot. It is killed and resumes from its journal."""

    def test_killed_composer_resumes_from_its_journal(self) -> None:
        template = self.directory / "template"
        nodes = ["n1", "n2", "n3"]
        ring = Ring(self.directory / "work", nodes, self.directory / "cache")
        ring.write()
        ring.restic.init_cheaply()
        self.restic = ring.restic
        shutil.copytree(ring.directory, template, symlinks=True)

        def body(point: str, passing: int) -> None:
            shutil.rmtree(ring.directory)
            shutil.copytree(template, ring.directory, symlinks=True)
            done = ring.run(expect=None, env={"HOLDFAST_CRASH_POINT": f"{point}:{passing}"})
            self.assertEqual(done.returncode, -signal.SIGKILL, f"not killed at {point}:{passing}\n{done.stderr}")
            before = self.snapshots()
            sealed = ring.directory / "state" / "sealed"
            expected = hashlib.sha256(sealed.read_bytes()).hexdigest() if sealed.exists() else None
            # Until its process is known to be dead, the lock protects the parts from every prune.
            self.assertNotEqual(list((ring.directory / "repository" / "locks").iterdir()), [])

            made = ring.snapshot_of(ring.run())

            self.assertEqual(self.snapshots(), [made])
            self.assertIn(before, ([], [made]))
            if expected is not None:
                self.assertEqual(made, expected, "other bytes than the journal's")
            self.assertEqual(list((ring.directory / "repository" / "locks").iterdir()), [])
            self.restic.check()
            target = self.directory / "out"
            shutil.rmtree(target, ignore_errors=True)
            self.restic.restore(made, target)
            live = ring.directory / "live"
            data = target / "ring" / "r" / "data" / str(live / "data").lstrip("/")
            self.assertEqual(differences(scan(live / "data"), scan(data)), [])
            for node in nodes:
                own = live / "own" / node
                saved = target / "ring" / "r" / "members" / node / "files" / str(own).lstrip("/")
                self.assertEqual(differences(scan(own), scan(saved)), [], node)

        self.each_crash("compose", body)


class RestoreTo(FilesCrashes):
    def test_killed_restore_changes_neither_repository_nor_live_tree(self) -> None:
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            target = self.directory / "target"
            shutil.rmtree(target, ignore_errors=True)
            self.crash(point, passing, "restore", self.first, "--to", str(target))
            self.check_repository()
            self.assertEqual(self.snapshots(), [self.first])
            self.assertEqual(self.state(), self.new, "the live tree was touched")
            self.assert_snapshot_holds(self.first, self.old)

        self.each_crash("restore_to", body)


class InPlace(FilesCrashes):
    def assert_done_or_undone(self) -> None:
        """After the next start, the restore is either complete or undone, never half done."""
        self.agent.run("backup", "files/app")
        now = self.state()
        if now["single.conf"] == self.old["single.conf"]:
            expected = self.old
        else:
            expected = self.new
        for name, entries in expected.items():
            self.assertEqual(differences(entries, now[name]), [], name)
        left = [path.name for path in self.live.rglob(".holdfast-*")]
        self.assertEqual(left, [], "something was left beside the live tree")


class InPlaceFiles(InPlace):
    def test_killed_restore_in_place_is_done_or_undone(self) -> None:
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            self.crash(point, passing, "restore", self.first, "--in-place")
            self.check_repository()
            self.assert_snapshot_holds(self.first, self.old)
            self.assert_done_or_undone()
            # Then the restore succeeds.
            self.agent.run("restore", self.first, "--in-place")
            for name, entries in self.old.items():
                self.assertEqual(differences(entries, scan(self.live / name)), [], name)

        self.each_crash("in_place_files", body)


class Rollback(InPlace):
    def test_killed_rollback_is_completed_at_the_next_start(self) -> None:
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            self.crash("swap.after_last", 1, "restore", self.first, "--in-place")
            self.crash(point, passing, "backup", "files/app")
            self.check_repository()
            self.assert_done_or_undone()

        self.each_crash("rollback", body)


class Forget(FilesCrashes):
    def test_killed_forget_removes_the_oldest_first(self) -> None:
        """The oldest snapshots go first, so the remaining ones are the newest."""
        made = [self.first]
        made += [self.agent.json("backup", "files/app")["sources"][0]["snapshot"] for _ in range(3)]
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            arguments = ["repository", "forget", "--keep-last", "1", "--min-keep", "1"]
            self.crash(point, passing, *arguments)
            gone = 0 if "lock" in point else passing
            listed = self.agent.json("list")["repositories"][0]["snapshots"]
            self.assertEqual([snapshot["id"] for snapshot in listed], made[gone:])
            # No unlock: the next process on this machine sees that the lock's owner is dead.
            self.agent.run(*arguments)
            self.assertEqual(self.snapshots(), made[-1:])
            self.check_repository()
            self.assert_snapshot_holds(made[-1], self.new)

        self.each_crash("forget", body)


class Passwd(FilesCrashes):
    def test_killed_passwd_leaves_a_valid_password_file(self) -> None:
        """The password file opens the repository at any moment. The old password works until the new one does."""
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            self.crash(point, passing, "repository", "key", "passwd")
            self.check_repository()
            self.assert_snapshot_holds(self.first, self.old)
            was_swapped = point == "jobs.passwd.after_swap"
            password = self.work / "password"
            self.assertEqual(password.read_text() != "secret\n", was_swapped)
            left = self.agent.json("repository", "key", "list")["keys"]
            self.assertEqual(len(left), 2)
            # The key that the killed run left can be removed by id.
            self.agent.run("repository", "key", "passwd")
            for key in left:
                if not key["in_use"]:
                    self.agent.run("repository", "key", "remove", key["id"])
            self.assertEqual(len(self.agent.json("repository", "key", "list")["keys"]), 1)
            self.assertEqual(list(self.work.glob("password.*")), [])
            self.check_repository()

        self.each_crash("passwd", body)


class RepairIndex(FilesCrashes):
    def test_killed_index_repair_can_be_repeated(self) -> None:
        """Two index files are damaged, and one is missing."""
        for version in ("third", "fourth"):
            self._write(version)
            self.agent.run("backup", "files/app")
        last = self.snapshots()[-1]
        expected = self.state()
        indexes = sorted((self.work / "repository" / "index").iterdir())
        indexes[0].unlink()
        damage_index(indexes[1:3])
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            self.crash(point, passing, "repository", "repair", "index")
            self.restic.unlock()
            done = self.agent.json("repository", "repair", "index", expect=None)
            self.assertIn(done["exit_code"], (0, 3))
            self.check_repository()
            self.assert_snapshot_holds(self.first, self.old)
            self.assert_snapshot_holds(last, expected)

        self.each_crash("repair_index", body)


class Prune(FilesCrashes):
    def test_killed_prune_loses_nothing_and_can_be_repeated(self) -> None:
        """The second of three snapshots is forgotten. The last one needs a part of its packs."""
        self.agent.run("backup", "files/app")
        for path in sorted(self.live.rglob("*"))[::4]:
            if path.is_file() and not path.is_symlink():
                path.write_bytes(b"changed once more\n" + path.name.encode())
        self.agent.run("backup", "files/app")
        snapshots = self.snapshots()
        expected = self.state()
        self.restic.run("forget", snapshots[1])
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            self.crash(point, passing, "repository", "prune", "--max-unused", "0%")
            self.check_repository()
            self.assert_snapshot_holds(self.first, self.old)
            self.assert_snapshot_holds(snapshots[-1], expected)
            done = self.agent.json("repository", "prune", "--max-unused", "0%")
            self.assertEqual(done["bytes_left_unneeded"], 0)
            self.check_repository()
            again = self.agent.json("repository", "prune", "--max-unused", "0%")
            self.assertEqual((again["packs_removed"], again["bytes_unneeded"]), (0, 0))
            self.assertEqual(self.snapshots(), [snapshots[0], snapshots[2]])
            self.assert_snapshot_holds(snapshots[-1], expected)

        self.each_crash("prune", body)


class Init(Crashes):
    def test_killed_init_can_be_repeated(self) -> None:
        """After a crash, `init` works again once the key is removed, as the error says. A finished repository opens."""
        work = self.directory / "work"

        def body(point: str, passing: int) -> None:
            shutil.rmtree(work, ignore_errors=True)
            self.agent = Agent(write_config(work, []))
            self.restic = Restic(work / "repository", work / "password", self.directory / "cache")
            self.crash(point, passing, "repository", "init")
            keys = list((work / "repository" / "keys").iterdir())
            is_made = (work / "repository" / "config").exists()
            self.assertEqual(is_made, (point, passing) == ("storage.posix.after_rename", 2))
            has_key = any("-tmp-" not in key.name for key in keys)
            if not is_made and has_key:
                self.assertIn("run `init` again", self.agent.run("repository", "init", expect=1).stderr)
                for key in keys:
                    key.unlink()
            if not is_made:
                self.agent.run("repository", "init")
            self.check_repository()
            self.assertEqual(len(self.agent.json("repository", "key", "list")["keys"]), 1)

        self.each_crash("init", body)


class KeyAdd(FilesCrashes):
    def test_killed_key_add_can_be_repeated(self) -> None:
        """The new key's password file remains, and finally opens the repository."""
        other = self.work / "other-password"
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            arguments = ["repository", "key", "add", "--new-password-file", str(other)]
            self.crash(point, passing, *arguments)
            self.check_repository()
            self.assert_snapshot_holds(self.first, self.old)
            keys = len(self.agent.json("repository", "key", "list")["keys"])
            self.assertEqual(keys, 2 if "after" in point and "lock" not in point else 1)
            self.agent.run(*arguments)
            self.assertEqual(len(self.agent.json("repository", "key", "list")["keys"]), keys + 1)
            Restic(self.work / "repository", other, self.directory / "cache").check()

        self.each_crash("key_add", body)


class RepairPacks(FilesCrashes):
    def test_killed_pack_repair_loses_no_data(self) -> None:
        """Intact packs lose no data."""
        self.agent.run("backup", "files/app")
        last = self.snapshots()[-1]
        packs = sorted(path for path in (self.work / "repository" / "data").rglob("*") if path.is_file())[:3]
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            arguments = ["repository", "repair", "packs"]
            self.crash(point, passing, *arguments, *(pack.name for pack in packs))
            self.check_repository()
            self.assert_snapshot_holds(self.first, self.old)
            self.assert_snapshot_holds(last, self.new)
            if left := [pack.name for pack in packs if pack.exists()]:
                done = self.agent.json(*arguments, *left)
                self.assertEqual((done["packs_removed"], done["blobs_lost"]), (len(left), 0))
            self.assertFalse(any(pack.exists() for pack in packs))
            self.check_repository()
            self.assertEqual(self.snapshots(), [self.first, last])
            self.assert_snapshot_holds(last, self.new)

        self.each_crash("repair_packs", body)


class Copy(FilesCrashes):
    def test_killed_copy_is_finished_by_the_next(self) -> None:
        self.agent.run("backup", "files/app")
        originals = dict(zip(self.snapshots(), (self.old, self.new), strict=True))
        there = Restic(self.work / "offsite", self.work / "password", self.directory / "cache")
        there.init_cheaply()
        repositories = {
            name: {"url": f"file:{self.work / place}", "password_file": str(self.work / "password")}
            for name, place in (("main", "repository"), ("offsite", "offsite"))
        }
        write_config(self.work, [], repositories=repositories)
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            arguments = ["repository", "copy", "--repository", "main", "--to", "offsite"]
            self.crash(point, passing, *arguments)
            self.check_repository()
            there.unlock()
            there.check()
            for snapshot in there.snapshots():
                self.assert_snapshot_holds(snapshot["id"], originals[snapshot["original"]])
            self.agent.run(*arguments)
            there.check()
            copies = there.snapshots()
            self.assertEqual(sorted(snapshot["original"] for snapshot in copies), sorted(originals))
            for snapshot in copies:
                self.assert_snapshot_holds(snapshot["id"], originals[snapshot["original"]])
            self.assertEqual(self.snapshots(), list(originals))

        self.each_crash("copy", body)


class Import(FilesCrashes):
    def test_killed_import_can_be_repeated(self) -> None:
        """Imports an archive of a snapshot whose data is gone from the repository."""
        self.agent.run("export", self.first, "--to", str(self.work))
        (archive,) = self.work.glob("*.tar.zst")
        last = self.agent.json("backup", "files/app")["sources"][0]["snapshot"]
        self.restic.run("forget", "--prune", self.first)
        self.keep()

        def body(point: str, passing: int) -> None:
            self.again()
            self.crash(point, passing, "import", str(archive))
            self.check_repository()
            self.assert_snapshot_holds(last, self.new)
            for snapshot in self.snapshots():
                self.assert_snapshot_holds(snapshot, self.new if snapshot == last else self.old)
            imported = self.agent.json("import", str(archive))
            self.assertEqual(imported["present"], point == "repository.snapshot.after_put")
            self.check_repository()
            left = self.snapshots()
            self.assertEqual(len(left), 2)
            for snapshot in left:
                self.assert_snapshot_holds(snapshot, self.new if snapshot == last else self.old)

        self.each_crash("import", body)


_LIVE = """
backend names
    stick-table type string len 64 size 1k expire 1h store gpc0
backend app
    server s1 127.0.0.1:9 weight 20
"""


class InPlaceHaproxy(Crashes):
    """Two versions that differ in every file and in the runtime state: the map in memory, a table row, a server's
    weight."""

    def setUp(self) -> None:
        super().setUp()
        self.edge = Edge(self.directory, cheap_key=True, socket=str(self.directory / "admin.sock"))
        self.agent = self.edge.agent
        self.restic = self.edge.restic
        self.write("v1")
        self.edge.haproxy.start()
        self.addCleanup(self.edge.haproxy.stop)
        self.set_live("one", 1)
        self.first = self.edge.backup()["snapshot"]

    def write(self, version: str) -> None:
        self.edge.write(version, extra=_LIVE)
        self.edge.load_state(self.directory / "servers-state")

    def set_live(self, word: str, number: int) -> None:
        for command in (
            f"set map {self.edge.etc}/maps/version.map version {word}",
            f"set table names key k data.gpc0 {number}",
            f"set server app/s1 weight {number}",
        ):
            self.assertEqual(self.edge.haproxy.admin(command).strip(), "", command)

    def live(self) -> tuple[str, int, int]:
        """The answer, the row's counter and the server's weight; fewer values while a worker starts."""
        rows = re.findall(r"gpc0=(\d+)", self.edge.haproxy.admin("show table names"))
        servers = [line.split() for line in self.edge.haproxy.admin("show servers state app").splitlines()]
        weights = [int(words[7]) for words in servers if words[3:4] == ["s1"]]
        return get(self.edge.port)[1], *map(int, rows), *weights

    def test_killed_restore_in_place_leaves_matching_files_and_runtime_state(self) -> None:
        known = {"v1": ("v1 one", 1, 1), "v2": ("v2 two", 2, 2)}

        def body(point: str, passing: int) -> None:
            self.edge.restore(self.first)
            v1 = self.edge.contents()
            self.write("v2")
            v2 = self.edge.contents()
            self.edge.haproxy.reload()
            wait_until("answers of v2", lambda: get(self.edge.port)[1].startswith("v2"))
            self.set_live("two", 2)
            self.crash(point, passing, "restore", self.first, "--in-place")
            self.check_repository()

            self.agent.run("backup", "haproxy/edge")
            now = self.edge.contents()
            self.assertIn(now, (v1, v2), "half of it was restored")
            self.assertTrue(self.edge.haproxy.check())
            # The process runs the files on disk, with the runtime state that belongs to them.
            version = "v1" if now == v1 else "v2"
            wait_until(f"the state of {version}", lambda: self.live() == known[version])
            left = [str(path) for path in (self.directory / "agent" / "state").rglob("live-*")]
            left += [str(path) for path in self.directory.rglob(".holdfast-*")]
            self.assertEqual(left, [])
            self.assertFalse((self.directory / "servers-state").exists())

        self.each_crash("in_place_haproxy", body)


class Services(Crashes):
    """An agent that saves four services, which keep running."""

    def setUp(self) -> None:
        super().setUp()
        # The agent looks for promtool in PATH. The host may have another version.
        promtool = Path(service_program("prometheus", "promtool")).parent
        self.enterContext(mock.patch.dict(os.environ, {"PATH": f"{promtool}:{os.environ['PATH']}"}))
        self.zookeeper = ZooKeeperEnsemble(self.directory / "zookeeper", members=1)
        self.addCleanup(self.zookeeper.kill)
        self.zookeeper.start()
        metrics = MetricsEndpoint(series=5)
        self.addCleanup(metrics.stop)
        self.prometheus = Prometheus(self.directory / "prometheus", targets=[f"127.0.0.1:{metrics.port}"])
        self.addCleanup(self.prometheus.kill)
        self.prometheus.start()
        self.alertmanager = Alertmanager(self.directory / "alertmanager")
        self.addCleanup(self.alertmanager.kill)
        self.alertmanager.start()
        self.haproxy = MapHAProxy(self.directory / "edge")
        self.haproxy.start()
        self.addCleanup(self.haproxy.stop)
        wait_until("samples", lambda: metrics.turns > 1)
        self.work = self.directory / "work"
        zookeeper = {"kind": "zookeeper", "name": "main", "config": str(self.zookeeper.members[1].config)}
        haproxy = self.haproxy.source()
        sources = [zookeeper, self.prometheus.source(), self.alertmanager.source(), haproxy]
        self.agent = Agent(write_config(self.work, sources))
        (self.work / "password").touch(0o600)
        (self.work / "password").write_text("secret\n")
        self.restic = Restic(self.work / "repository", self.work / "password", self.directory / "cache")
        self.restic.init_cheaply()

    def save_all(self) -> dict[str, str]:
        """Snapshots by kind."""
        return {source["kind"]: source["snapshot"] for source in self.agent.json("backup")["sources"]}

    def restored(self, snapshot: str, name: str, *way: str) -> Path:
        target = self.directory / name
        shutil.rmtree(target, ignore_errors=True)
        self.agent.run("restore", snapshot, *(way or ("--to",)), str(target))
        return target

    def active(self) -> list[str]:
        """Comments of the active silences."""
        there = self.alertmanager.silences().values()
        return sorted(one["comment"] for one in there if one["status"]["state"] != "expired")


class SaveServices(Services):
    def test_killed_backup_leaves_only_intact_snapshots(self) -> None:
        self.save_all()
        with self.zookeeper.client() as client:
            client.create("/later", b"x")
        self.alertmanager.add_silence(comment="later")
        self.haproxy.change_in_memory()
        before = self.snapshots()
        template = self.directory / "template"
        shutil.copytree(self.work, template, symlinks=True)

        def body(point: str, passing: int) -> None:
            shutil.rmtree(self.work)
            shutil.copytree(template, self.work, symlinks=True)
            self.crash(point, passing, "backup")
            self.check_repository()
            left = self.restic.snapshots()
            self.assertEqual([one["id"] for one in left][:4], before)
            for one in left[4:]:
                getattr(self, "check_" + one["paths"][0].split("/")[1])(one["id"])
            self.save_all()
            self.assertEqual(len(self.snapshots()), len(left) + 4)
            self.restic.check()

        self.each_crash("save_services", body)

    def check_zookeeper(self, snapshot: str) -> None:
        """Staging compares the digest of the tree."""
        self.restored(snapshot, "zookeeper-out", "--stage-data-dir")

    def check_prometheus(self, snapshot: str) -> None:
        for saved in (self.restored(snapshot, "prometheus-out") / "data" / "wal").glob("0*"):
            live = self.prometheus.data / "wal" / saved.name
            if live.exists():
                self.assertTrue(live.read_bytes().startswith(saved.read_bytes()), saved)

    def check_alertmanager(self, snapshot: str) -> None:
        saved = (self.restored(snapshot, "alertmanager-out") / "data" / "silences.json").read_text()
        self.assertEqual([one["comment"] for one in json.loads(saved)], ["later"])

    def check_haproxy(self, snapshot: str) -> None:
        (members,) = (self.restored(snapshot, "haproxy-out") / "members").iterdir()
        self.assertEqual((members / "live" / "1" / f"maps{self.haproxy.map}").read_text(), "/ memory\n")


class RestoreServices(Services):
    """A killed restore leaves nothing, or the same command resumes it."""

    def test_killed_restore_leaves_nothing_or_can_be_resumed(self) -> None:
        with self.zookeeper.client() as client:
            client.fill(create(f"/app{name}", name.encode()) for name in ("", "/a", "/b", "/c"))
        for number in range(4):
            self.alertmanager.add_silence(comment=f"number {number}")
        self.saved = self.save_all()
        bodies = {"zookeeper.stage": self.stage, "zookeeper.znode": self.put_znodes,
                  "prometheus.data_dir": self.make_data_dir, "alertmanager.silence": self.make_silences}
        self.each_crash("restore_services", lambda point, passing: bodies[point.rpartition(".")[0]](point, passing))
        self.check_repository()

    def stage(self, point: str, passing: int) -> None:
        whole = self.files(self.restored(self.saved["zookeeper"], "whole", "--stage-data-dir") / "version-2")
        data, log = self.directory / "staged-data", self.directory / "staged-log"
        for directory in (data, log):
            shutil.rmtree(directory, ignore_errors=True)
        places = [directory / "version-2" for directory in (log, data)]
        arguments = ["restore", self.saved["zookeeper"], "--stage-data-dir", str(data), "--stage-data-log-dir", str(log)]
        self.crash(point, passing, *arguments)
        # Logs come first, because a server does not start from logs alone.
        self.assertEqual([place.exists() for place in places], [passing > 1, passing > 2])
        if passing > 1:
            self.assertIn("already exists", self.agent.run(*arguments, expect=None).stderr)
        if passing < 3:
            shutil.rmtree(places[0], ignore_errors=True)
            self.agent.run(*arguments)
        self.assertEqual(self.files(*places), whole)

    def put_znodes(self, point: str, passing: int) -> None:
        paths = ("/app", "/app/a", "/app/b", "/app/c")
        host = f"127.0.0.1:{self.zookeeper.members[1].client_port}"
        arguments = ["restore", self.saved["zookeeper"], "--znode", "/app", "--to-ensemble", host]
        with self.zookeeper.client() as client:
            for path in reversed(paths):
                client.delete(path)
            self.crash(point, passing, *arguments)
            # At least `passing` nodes are confirmed. Further requests were pending, parents before children.
            there = [client.stat(path) is not None for path in paths]
            self.assertGreaterEqual(sum(there), passing)
            self.assertEqual(there, sorted(there, reverse=True))
            self.agent.run(*arguments)
            self.assertEqual([client.get(path)[0] for path in paths], [b"", b"/a", b"/b", b"/c"])

    def make_data_dir(self, point: str, passing: int) -> None:
        whole = self.files(self.restored(self.saved["prometheus"], "whole", "--to-data-dir"))
        target = self.directory / "made"
        shutil.rmtree(target, ignore_errors=True)
        arguments = ["restore", self.saved["prometheus"], "--to-data-dir", str(target)]
        self.crash(point, passing, *arguments)
        self.assertEqual(target.exists(), passing > 1)
        if passing == 1:
            self.agent.run(*arguments)
        self.assertEqual(self.files(target), whole)

    def make_silences(self, point: str, passing: int) -> None:
        for identity, one in self.alertmanager.silences().items():
            if one["status"]["state"] != "expired":
                self.alertmanager.expire(identity)
        arguments = ["restore", self.saved["alertmanager"], "--to-api", self.alertmanager.url]
        self.crash(point, passing, *arguments)
        self.assertEqual(len(self.active()), passing)
        self.agent.run(*arguments)
        self.assertEqual(self.active(), [f"number {number}" for number in range(4)])

    @staticmethod
    def files(*directories: Path) -> dict[str, bytes]:
        """Content by name below any of the directories."""
        return {str(path.relative_to(directory)): path.read_bytes()
                for directory in directories for path in directory.rglob("*") if path.is_file()}


_TESTS = {
    "init": Init,
    "backup": Backup,
    "compose": Compose,
    "restore_to": RestoreTo,
    "in_place_files": InPlaceFiles,
    "in_place_haproxy": InPlaceHaproxy,
    "rollback": Rollback,
    "forget": Forget,
    "passwd": Passwd,
    "prune": Prune,
    "repair_index": RepairIndex,
    "repair_packs": RepairPacks,
    "key_add": KeyAdd,
    "copy": Copy,
    "import": Import,
    "save_services": SaveServices,
    "restore_services": RestoreServices,
}


class List(unittest.TestCase):
    def test_every_point_is_in_a_scenario(self) -> None:
        covered = {point for points in SCENARIOS.values() for point in points}
        self.assertEqual(covered | set(ELSEWHERE), all_points())
        for point, file in ELSEWHERE.items():
            self.assertRegex((ROOT / file).read_text(), f'"{re.escape(point)}[":]')  # or ":k"


_TESTS["list"] = List

if __name__ == "__main__":
    wanted = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if wanted not in _TESTS:
        sys.exit(f"usage: crash_points.py {' | '.join(_TESTS)}")
    sys.argv.append(_TESTS[wanted].__name__)  # the only class to run
    services = {
        "in_place_haproxy": ["haproxy"],
        "save_services": ["alertmanager", "haproxy", "prometheus", "zookeeper39"],
        "restore_services": ["alertmanager", "haproxy", "prometheus", "zookeeper39"],
    }
    main("restic", *services.get(wanted, []))
