"""Many at once in one repository: two of us and two stock restics, an old and a new one, write, readers read, and nobody prunes meanwhile.
Afterwards everything checks and restores."""

import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import (  # noqa: E402
    Agent,
    Case,
    ExclusiveLocks,
    Process,
    Restic,
    Tree,
    differences,
    main,
    run,
    scan,
    service_program,
    wait_until,
    write_config,
)

ROUNDS = 3
# What stock restic cannot keep.
LOST_BY_RESTIC = frozenset({"holes"})


class InOnePlace(Case):
    def setUp(self) -> None:
        super().setUp()
        self.repository = self.directory / "repository"
        self.password = self.directory / "password"
        self.password.write_text("secret\n")
        self.password.chmod(0o600)
        self.restic = Restic(self.repository, self.password, self.directory / "cache")
        self.new_restic = Restic(self.repository, self.password, self.directory / "cache-new", service="restic19")
        self.restic.init_cheaply()

    def agent_of(self, node: str, tree: Path, **repository) -> Agent:
        place = {"url": f"file:{self.repository}", "password_file": str(self.password)} | repository
        config = write_config(self.directory / node, [{"kind": "files", "name": "app", "paths": [str(tree)]}],
                              repositories={"main": place}, node=node)
        return Agent(config)


class OneAlone(ExclusiveLocks, InOnePlace):
    def setUp(self) -> None:
        super().setUp()
        self.tree = self.directory / "tree"
        self.tree.mkdir()
        self.agent = self.agent_of("we", self.tree)
        self.slow_agent = self.agent_of("slow", self.tree, read_mib_s=1)


class ManyAtOnce(InOnePlace):
    def setUp(self) -> None:
        super().setUp()
        self.failures: list[BaseException] = []
        self.saved: list[tuple[str, str, list]] = []  # who, the snapshot, the tree as it was
        self.lock = threading.Lock()

    def tree(self, who: str) -> Tree:
        tree = Tree(self.directory / f"tree-{who}")
        tree.random_file("all have this", 1_500_000, seed=1)
        for number in range(100):
            tree.file(f"{number % 9}/{number}", f"{who} {number}\n".encode() * number)
        return tree

    def change(self, tree: Tree, who: str, turn: int) -> None:
        tree.random_file(f"turn {turn}", 700_000, seed=turn)  # two may store the same at the same moment
        tree.file("5/5", f"{who} in turn {turn}\n".encode())
        if turn > 0:
            os.unlink(tree.path(f"turn {turn - 1}"))

    def ours(self, who: str) -> None:
        tree = self.tree(who)
        agent = self.agent_of(who, self.directory / f"tree-{who}")
        for turn in range(ROUNDS):
            self.change(tree, who, turn)
            snapshot = agent.json("backup")["sources"][0]["snapshot"]
            self.remember(who, snapshot)

    def theirs(self, who: str, service: str) -> None:
        tree = self.tree(who)
        restic = Restic(self.repository, self.password, self.directory / f"cache-{who}", service=service)
        for turn in range(ROUNDS):
            self.change(tree, who, turn)
            self.remember(who, restic.backup(str(self.directory / f"tree-{who}"))["snapshot_id"])

    def remember(self, who: str, snapshot: str) -> None:
        with self.lock:
            self.saved.append((who, snapshot, scan(self.directory / f"tree-{who}")))

    def read(self, done: threading.Event) -> None:
        """Lists and checks what is there, and restores what was last, as long as anybody writes."""
        agent = self.agent_of("reader", self.directory)
        reads = 0
        while not done.is_set() or reads == 0:
            listed = agent.json("list")["repositories"][0]["snapshots"]
            self.restic.run("snapshots", "--no-lock")
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
            except BaseException as error:  # noqa: BLE001: the test tells of it
                with self.lock:
                    self.failures.append(error)

        thread = threading.Thread(target=go)
        thread.start()
        return thread

    def hold(self) -> Process:
        """A backup by stock restic that lasts until its input ends."""
        read_end, write_end = os.pipe()
        env = {"RESTIC_REPOSITORY": str(self.repository), "RESTIC_PASSWORD_FILE": str(self.password),
               "RESTIC_CACHE_DIR": str(self.directory / "cache-hold")}
        process = Process([service_program("restic", "restic"), "backup", "--stdin"], self.directory / "held",
                          env=env, stdin=read_end)
        os.close(read_end)
        self.addCleanup(process.kill)
        self.held = write_end
        wait_until("its lock", lambda: any((self.repository / "locks").iterdir()))
        return process

    def refuse_prune(self) -> None:
        packs = sorted(path.name for path in (self.repository / "data").rglob("*") if path.is_file())
        agent = self.agent_of("pruner", self.directory)
        done = agent.run("repository", "prune", expect=4)
        self.assertIn("locked", done.stderr)
        for restic in (self.restic, self.new_restic):
            done = restic.run("prune", expect=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("locked", done.stderr)
        now = {path.name for path in (self.repository / "data").rglob("*") if path.is_file()}
        self.assertLessEqual(set(packs), now)

    def test_four_writers_a_reader_and_no_prune(self) -> None:
        held = self.hold()
        done = threading.Event()
        writers = [self.guarded(self.ours, "we-1"), self.guarded(self.ours, "we-2"),
                   self.guarded(self.theirs, "they-1", "restic"), self.guarded(self.theirs, "they-2", "restic19")]
        reader = self.guarded(self.read, done)
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
        # Of the same content at the same moment each may have stored its own: one of them goes.
        self.agent_of("pruner", self.directory).run("repository", "prune", "--max-unused", "0")
        self.everything_is_whole()

    def everything_is_whole(self) -> None:
        agent = self.agent_of("reader", self.directory)
        agent.run("check", "--read-data")
        self.restic.check()
        self.new_restic.check()
        snapshots = {one["id"] for one in self.restic.snapshots()}
        for number, (who, snapshot, tree) in enumerate(self.saved):
            (found,) = [one for one in snapshots if one.startswith(snapshot)]
            ours = who.startswith("we")
            # Each restores what the other wrote.
            target = self.directory / f"restored-{number}"
            target.mkdir(exist_ok=True)
            if ours:
                restic = self.new_restic if number % 2 else self.restic
                restic.restore(found, target)
            else:
                agent.run("restore", found, "--to", str(target))
            top = target / ("files/app/data" if ours else "")
            restored = scan(top / str(self.directory / f"tree-{who}").lstrip("/"))
            self.assertEqual([], differences(tree, restored, ignore=LOST_BY_RESTIC), f"{who} {found}")
            run(["rm", "-rf", str(target)])


if __name__ == "__main__":
    main("restic", "restic19")
