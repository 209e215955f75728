#!/usr/bin/env python3
"""Kills a controller, an agent or a composer with SIGKILL at every crash point of a backup, during 20 concurrent runs.

The process to be killed runs with HOLDFAST_CRASH_POINT. The test orders 20 runs: of an etcd with three members and of
19 file sources on three nodes. When the process has died, the test kills the other side too and restarts both. Then
    - every run ends within 60 seconds, with success if its node was not killed;
    - a run has at most one snapshot of a source, and the catalog lists exactly the snapshots in the repository;
    - the next run of all sources succeeds, no lock is left, and stock restic finds no errors in the repository.

    cluster_crash_points.py SCENARIO     save | compose | journal | catalog | list
"""

import signal
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from crash_points import SCENARIOS as STANDALONE, all_points
from lib import Case, EtcdCluster, Restic, Tree, main, wait_until
from lib.cluster import Cluster

NODES = ("db-1", "db-2", "db-3")
# The etcd snapshot is one more run.
FILES_SOURCES = 19
FINAL = ("done", "partly done", "failed")
SECONDS_TO_THE_END = 60
# An agent killed while writing a snapshot keeps its lock this long, because the write may still complete.
SECONDS_TO_LAND = 60

# Crash points, and the passings at which to crash. With many runs, the first passings are close together.
SCENARIOS: dict[str, dict[str, list[int]]] = {
    "save": {
        "repository.lock.after_put": [1],  # consecutive tasks share their lock
        "repository.pack.before_put": [1, 6],
        "repository.pack.after_put": [2],
        "repository.index.before_put": [3],
        "repository.index.after_put": [1],
        "jobs.part.after_save": [4],
        "storage.posix.before_rename": [5],
        "storage.posix.after_rename": [12],
    },
    "compose": {
        "jobs.compose.before_record": [1],
        "jobs.compose.after_record": [4],
        "repository.snapshot.before_put": [3],
        "repository.snapshot.after_put": [1, 4],
    },
    "journal": {
        "database.before_commit": [1, 15, 40],
        "database.after_commit": [2, 8, 25],
    },
    "catalog": {
        # Messages that arrive together are committed together: twenty runs take about forty commits.
        "database.before_commit": [2, 6, 25],
        "database.after_commit": [1, 4, 14],
    },
}


class ClusterCrashes(Case):
    def setUp(self) -> None:
        super().setUp()
        self.etcd = EtcdCluster(self.directory / "etcd", "etcd", members=3).start()
        self.etcd.fill(200)
        self.cluster = Cluster(self.directory).start()
        self.restic = Restic(self.cluster.repository, self.cluster.password, self.directory / "cache")
        self.cluster.password.touch(0o600)
        self.cluster.password.write_text("secret\n")
        self.restic.init_cheaply()
        self.sources = ["etcd/main"]
        self.node_of: dict[str, str] = {}
        shares: dict[str, list[dict]] = {node: [] for node in NODES}
        for number in range(FILES_SOURCES):
            node = NODES[number % len(NODES)]
            live = self.directory / "live" / f"s{number:02d}"
            tree = Tree(live)
            for file in range(4):
                tree.random_file(f"{file}", 60_000 + number, seed=100 * number + file)
            shares[node].append({"kind": "files", "name": f"s{number:02d}", "paths": [str(live)]})
            self.sources.append(f"files/s{number:02d}")
            self.node_of[f"files/s{number:02d}"] = node
        for node, member in zip(NODES, self.etcd.members, strict=True):
            etcd = {"kind": "etcd", "name": "main", "endpoints": [member.client_url]}
            self.cluster.add(node, [etcd, *shares[node]])
        self.runs: set[str] = set()
        self.round = 0

    def change_everything(self) -> None:
        """Changes all sources so that each run has something to write."""
        self.round += 1
        for number in range(FILES_SOURCES):
            changed = self.directory / "live" / f"s{number:02d}" / "changed"
            changed.write_text(f"{number} in round {self.round}\n" * 200)
        self.etcd.fill(200, prefix=f"round-{self.round}")

    def order(self, dies: bool) -> dict[str, str]:
        """Orders 20 runs; returns run -> source, without runs that the dying controller did not accept."""
        def ordered(source: str) -> tuple[str, str] | None:
            done = self.cluster.call("backup", source, "--no-wait", "--json", expect=None, timeout=60)
            if done.code == 0:
                return done.document["runs"][0]["run"], source
            self.assertTrue(dies, f"{source} refused: {done.stderr}")
            return None

        with ThreadPoolExecutor(max_workers=5) as pool:
            return dict(run for run in pool.map(ordered, self.sources) if run is not None)

    def order_until_it_dies(self, dying, what: str, dies: bool) -> dict[str, str]:
        """Orders more runs until the process dies: the number of passings depends on how messages are batched."""
        def are_over() -> bool:
            done = self.cluster.call("run", "list", "--limit", "0", "--json", expect=None)
            if done.code != 0:
                return False
            return set(runs) <= {one["run"] for one in done.document["runs"] if one["ended"]}

        runs: dict[str, str] = {}
        for _ in range(4):
            runs |= self.order(dies)
            wait_until(f"{what}, or the end of what was ordered", lambda: not dying.is_running() or are_over(), 90)
            if not dying.is_running():
                return runs
            self.change_everything()
        self.fail(f"waited through {len(runs)} runs for {what}")

    def crash(self, scenario: str, point: str, passing: int) -> None:
        self.change_everything()
        node = NODES[self.round % len(NODES)]
        env = {"HOLDFAST_CRASH_POINT": f"{point}:{passing}"}
        if scenario == "catalog":
            self.cluster.controller.kill()
            dying = self.cluster.launch_controller(env=env)
            survivor = self.cluster.agents[node]
            wait_until("the controller's answer, or its death", lambda: not dying.is_running()
                       or self.cluster.call("status", expect=None).code in (0, 1))
        else:
            self.cluster.agents[node].kill()
            dying = self.cluster.launch_agent(node, env=env)
            survivor = self.cluster.controller
            wait_until("the agent's connection, or its death", lambda: not dying.is_running()
                       or self.cluster.state_of(node)["connected"], 60)
        runs = self.order_until_it_dies(dying, f"the death at {point}:{passing}", dies=scenario == "catalog")
        self.assertEqual(dying.wait(), -signal.SIGKILL, dying.tail())
        survivor.kill()
        if scenario == "catalog":
            dying.kill()
        else:
            self.cluster.agents[node].kill()

        began = time.monotonic()
        self.cluster.start()
        self.cluster.launch_agent(node)

        def all_over() -> bool:
            known = {one["run"]: one for one in self.cluster.json("run", "list", "--limit", "0")["runs"]}
            self.assertLessEqual(set(runs), set(known))
            # Includes runs that the controller recorded but died before confirming.
            views.update((run, view) for run, view in known.items() if run not in self.runs)
            return all(view["ended"] for view in views.values())

        views: dict[str, dict] = {}
        left = SECONDS_TO_THE_END - (time.monotonic() - began)
        wait_until("the end of every run", all_over, max(left, 0.1))
        self.runs |= set(views)
        for run, view in views.items():
            self.assertIn(view["state"], FINAL, view)
            if self.node_of.get(runs.get(run, "")) not in (node, None):
                self.assertEqual(view["state"], "done", view)
        self.agree(views)

    def start_over(self) -> None:
        self.cluster.restart_controller()
        for node in NODES:
            self.cluster.restart_agent(node)

    def agree(self, views: dict[str, dict]) -> None:
        """The catalog and the repository agree about these runs."""
        there: dict[str, list[dict]] = {run: [] for run in views}
        for one in self.restic.snapshots():
            for run in views:
                if f"run:{run}" in one["tags"]:
                    there[run].append(one)
        catalog: dict[str, set[str]] = {run: set() for run in views}
        for one in self.cluster.json("snapshot", "list", "--limit", "0")["snapshots"]:
            if one["run"] in catalog:
                catalog[one["run"]].add(one["id"])
        for run, snapshots in there.items():
            self.assertEqual({one["id"] for one in snapshots}, catalog[run], views[run])
            places = [(one["hostname"], *one["paths"]) for one in snapshots]
            self.assertLessEqual(len(places), 1, places)
            if views[run]["state"] == "done":
                self.assertEqual(len(places), 1, views[run])

    def walk(self, scenario: str) -> None:
        for point, passings in SCENARIOS[scenario].items():
            for passing in passings:
                with self.subTest(f"{point}:{passing}"):
                    try:
                        self.crash(scenario, point, passing)
                    except AssertionError:
                        self.start_over()  # a failure must not affect the next case
                        raise
        last = self.cluster.json("backup", "--all", "--if-busy", "queue")["runs"]
        self.assertEqual({run["state"] for run in last}, {"done"}, last)
        self.assertTrue(self.cluster.json("catalog", "check")["sound"])
        # Locks of killed processes are gone, too: taking a lock removes the node's stale ones.
        locks = self.cluster.repository / "locks"
        try:
            wait_until("a repository without locks", lambda: not any(locks.iterdir()), SECONDS_TO_LAND + 30)
        except AssertionError as error:
            logs = [f"{node}, pid {agent.pid}:\n{agent.tail(60)}" for node, agent in self.cluster.agents.items()]
            raise AssertionError("\n".join([str(error), *map(str, self.restic.locks()), *logs])) from None
        self.restic.check()


class Save(ClusterCrashes):
    def test_runs_end_after_an_agent_dies_while_saving(self) -> None:
        self.walk("save")


class Compose(ClusterCrashes):
    def test_runs_end_after_the_composer_dies(self) -> None:
        self.walk("compose")


class Journal(ClusterCrashes):
    def test_runs_end_after_an_agent_dies_at_a_journal_commit(self) -> None:
        self.walk("journal")


class Catalog(ClusterCrashes):
    def test_runs_end_after_the_controller_dies_at_a_catalog_commit(self) -> None:
        self.walk("catalog")


class List(unittest.TestCase):
    def test_every_point_of_a_backup_is_in_a_scenario(self) -> None:
        covered = {point for points in SCENARIOS.values() for point in points}
        catalog = {point for point in all_points() if point.startswith("database.")}
        self.assertEqual(covered, STANDALONE["backup"].keys() | STANDALONE["compose"].keys() | catalog)


_TESTS = {"save": Save, "compose": Compose, "journal": Journal, "catalog": Catalog, "list": List}

if __name__ == "__main__":
    wanted = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if wanted not in _TESTS:
        sys.exit(f"usage: cluster_crash_points.py {' | '.join(_TESTS)}")
    sys.argv.append(_TESTS[wanted].__name__)  # the only class to run
    main("etcd", "restic")
