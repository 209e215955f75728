"""Concurrent use of one repository: two agents and two stock restics, an old and a new one, write while a reader reads.
During that time no program can prune. Afterwards all data passes check and restore."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from .agent import Agent
from .places import service_program
from .processes import Process, run, wait_until
from .restic import Restic
from .trees import Tree, differences, scan

ROUNDS = 3
# Not preserved by stock restic.
LOST_BY_RESTIC = frozenset({"holes"})


class ManyAtOnce:
    """Mixin for a Case with an empty repository. It provides `agent_of(node, tree)`, an agent that saves the tree as
    files/app; `restic_of(who, service)`, a restic with its own cache; and `names(kind)`, the names of the repository's
    files of a kind ("data", "locks")."""

    directory: Path
    agent_of: Callable[[str, Path], Agent]
    restic_of: Callable[[str, str], Restic]
    names: Callable[[str], set[str]]

    def setUp(self) -> None:
        super().setUp()
        self.failures: list[BaseException] = []
        self.saved: list[tuple[str, str, list]] = []  # (writer, snapshot, tree at that time)
        self.lock = threading.Lock()
        self.old_restic = self.restic_of("old", "restic")
        self.new_restic = self.restic_of("new", "restic19")

    def make_tree(self, who: str) -> Tree:
        tree = Tree(self.directory / f"tree-{who}")
        tree.random_file("all have this", 1_500_000, seed=1)
        for number in range(100):
            tree.file(f"{number % 9}/{number}", f"{who} {number}\n".encode() * number)
        return tree

    def change(self, tree: Tree, who: str, turn: int) -> None:
        tree.random_file(f"turn {turn}", 700_000, seed=turn)  # two may store the same content concurrently
        tree.file("5/5", f"{who} in turn {turn}\n".encode())
        if turn > 0:
            os.unlink(tree.path(f"turn {turn - 1}"))

    def ours(self, who: str) -> None:
        tree = self.make_tree(who)
        agent = self.agent_of(who, self.directory / f"tree-{who}")
        for turn in range(ROUNDS):
            self.change(tree, who, turn)
            snapshot = agent.json("backup")["sources"][0]["snapshot"]
            self.remember(who, snapshot)

    def theirs(self, who: str, service: str) -> None:
        tree = self.make_tree(who)
        restic = self.restic_of(who, service)
        for turn in range(ROUNDS):
            self.change(tree, who, turn)
            self.remember(who, restic.backup(str(self.directory / f"tree-{who}"))["snapshot_id"])

    def remember(self, who: str, snapshot: str) -> None:
        with self.lock:
            self.saved.append((who, snapshot, scan(self.directory / f"tree-{who}")))

    def read(self, done: threading.Event) -> None:
        """Lists and checks the repository and restores the latest snapshot until all writers have finished."""
        agent = self.agent_of("reader", self.directory)
        reads = 0
        while not done.is_set() or reads == 0:
            listed = agent.json("list")["repositories"][0]["snapshots"]
            self.old_restic.run("snapshots", "--no-lock")
            agent.run("check")
            if listed:
                target = self.directory / f"read-{reads}"
                target.mkdir()
                agent.run("restore", listed[-1]["id"], "--to", str(target))
            reads += 1

    def guarded(self, work, *arguments) -> threading.Thread:
        def go() -> None:
            try:
                work(*arguments)
            except BaseException as error:  # noqa: BLE001: the test reports it
                with self.lock:
                    self.failures.append(error)

        thread = threading.Thread(target=go)
        thread.start()
        self.addCleanup(thread.join)
        return thread

    def hold(self) -> Process:
        """A stock restic backup that runs until its input ends."""
        read_end, write_end = os.pipe()
        process = self.old_restic.start("--no-cache", "backup", "--stdin", log=self.directory / "held", stdin=read_end)
        os.close(read_end)
        self.addCleanup(process.kill)
        self.held = write_end
        wait_until("its lock", lambda: self.names("locks"))
        return process

    def refuse_prune(self) -> None:
        packs = self.names("data")
        agent = self.agent_of("pruner", self.directory)
        done = agent.run("repository", "prune", expect=4)
        self.assertIn("locked", done.stderr)
        for restic in (self.old_restic, self.new_restic):
            done = restic.run("prune", expect=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("locked", done.stderr)
        self.assertLessEqual(packs, self.names("data"))

    def test_concurrent_writers_and_a_reader_lose_nothing(self) -> None:
        held = self.hold()
        done = threading.Event()
        writers = [self.guarded(self.ours, "we-1"), self.guarded(self.ours, "we-2"),
                   self.guarded(self.theirs, "they-1", "restic"), self.guarded(self.theirs, "they-2", "restic19")]
        reader = self.guarded(self.read, done)
        self.addCleanup(done.set)  # otherwise the reader outlives a failed test
        self.refuse_prune()
        for writer in writers:
            writer.join()
        done.set()
        reader.join()
        self.refuse_prune()
        os.write(self.held, b"the end")
        os.close(self.held)
        self.assertEqual(held.wait(), 0)
        self.assertEqual([], self.failures)

        self.assertEqual(len(self.saved), 4 * ROUNDS)
        self.everything_is_whole()
        # Concurrent writers may each store the same content; prune removes the duplicates.
        self.agent_of("pruner", self.directory).run("repository", "prune", "--max-unused", "0")
        self.everything_is_whole()

    def everything_is_whole(self) -> None:
        agent = self.agent_of("reader", self.directory)
        agent.run("check", "--read-data")
        self.old_restic.check()
        self.new_restic.check()
        snapshots = {one["id"] for one in self.old_restic.snapshots()}
        for number, (who, snapshot, tree) in enumerate(self.saved):
            (found,) = [one for one in snapshots if one.startswith(snapshot)]
            ours = who.startswith("we")
            # Each program restores snapshots of the other.
            target = self.directory / f"restored-{number}"
            target.mkdir(exist_ok=True)
            if ours:
                restic = self.new_restic if number % 2 else self.old_restic
                restic.restore(found, target)
            else:
                agent.run("restore", found, "--to", str(target))
            top = target / ("files/app/data" if ours else "")
            restored = scan(top / str(self.directory / f"tree-{who}").lstrip("/"))
            self.assertEqual([], differences(tree, restored, ignore=LOST_BY_RESTIC), f"{who} {found}")
            run(["rm", "-rf", str(target)])
