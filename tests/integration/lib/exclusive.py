"""An exclusive lock on a repository excludes all other processes, stock restic and Holdfast, while its owner lives."""

import random
from pathlib import Path

from .agent import Agent
from .processes import wait_until
from .restic import Restic


class ExclusiveLocks:
    """Mixin for a Case with a repository, a tree that both programs back up, and both programs. `slow_agent` reads one
    MiB a second from the repository."""

    agent: Agent
    slow_agent: Agent
    restic: Restic
    tree: Path
    directory: Path

    def write_tree(self, numbers: range) -> None:
        for number in range(40):
            path = self.tree / f"part-{number}"
            path.unlink(missing_ok=True)
            if number in numbers:
                path.write_bytes(random.Random(number).randbytes(1_000_000))

    def backup_by_us(self) -> str:
        return self.agent.json("backup")["sources"][0]["snapshot"]

    def exclusive_locks(self) -> list[dict]:
        return [lock for lock in self.agent.json("repository", "lock", "list")["locks"] if lock["exclusive"]]

    def test_we_refuse_or_wait_while_restic_holds_an_exclusive_lock(self) -> None:
        self.write_tree(range(3))
        snapshot = self.backup_by_us()
        for number, verb in enumerate((["check", "--read-data"], ["prune", "--max-unused", "0"])):
            with self.subTest(verb[0]):
                # At one KiB per second it runs until it is killed.
                held = self.restic.start("--limit-download", "1", "--no-cache", *verb,
                                         log=self.directory / f"restic {number}")
                self.addCleanup(held.kill)
                (lock,) = wait_until("its lock", self.exclusive_locks)
                self.assertEqual(lock["pid"], held.pid)

                for ours in (["backup"], ["repository", "forget", snapshot, "--allow-below-floor"],
                             ["repository", "prune"], ["repository", "repair", "index"]):
                    done = self.agent.run(*ours, expect=4)
                    self.assertIn(f"locked by {lock['user']}@{lock['host']}, pid {held.pid}, since ", done.stderr)
                    self.assertIn("--retry-lock", done.stderr)
                self.assertIn(snapshot, self.restic.run("list", "snapshots", "--no-lock").stdout.split())
                waiting = self.agent.start("backup", "--retry-lock", "10m", log=self.directory / f"waits {number}")
                wait_until("it says for whom it waits", lambda: f"pid {held.pid}" in waiting.log.read_text())
                self.assertIn("; waiting for at most 10m", waiting.log.read_text())
                held.require_running()
                waiting.require_running()

                held.kill()
                self.restic.unlock()
                self.assertEqual(waiting.wait(60), 0, waiting.tail())
                self.assertEqual(self.exclusive_locks(), [])

    def test_restic_refuses_while_we_hold_an_exclusive_lock(self) -> None:
        self.write_tree(range(40))
        first = self.backup_by_us()
        self.write_tree(range(0, 40, 2))
        second = self.backup_by_us()
        self.agent.run("repository", "forget", first, "--allow-below-floor")
        # Repacking keeps this prune busy for twenty seconds.
        held = self.slow_agent.start("repository", "prune", "--max-unused", "0", log=self.directory / "prune")
        self.addCleanup(held.kill)
        (lock,) = wait_until("its lock", self.exclusive_locks)
        self.assertEqual(lock["pid"], held.pid)

        for theirs in (["backup", str(self.tree)], ["check"], ["prune"], ["forget", second]):
            done = self.restic.run(*theirs, expect=None)
            self.assertNotEqual(done.returncode, 0, theirs)
            self.assertIn(f"PID {held.pid} on {lock['host']}", done.stderr)
        self.restic.unlock()  # removes stale locks, but this owner is alive
        held.require_running()
        self.assertEqual([one["pid"] for one in self.exclusive_locks()], [held.pid])

        self.assertEqual(held.wait(120), 0, held.tail())
        self.restic.backup(str(self.tree))
        self.restic.check()
