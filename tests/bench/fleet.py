"""The cost of a cluster of 200 nodes, and the overhead of a run over the standalone verb: the half of `bench bus` with
real programs. They are a controller and an agent process per node, connected by CURVE. The agents are
tests/bench/null_agent, whose only kind of source saves a few zeros. All share this machine, so the seconds of a run
include the CPU time of all agents.
"""

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lib import EtcdCluster, agent_program, places, run, wait_until, write_config
from lib.cluster import Cluster, program
from lib.processes import Process

# Nodes that share a repository. Each task reads the locks, snapshots and index files of the others in its group. On
# real clusters every node does this work itself; here two cores do it for all.
GROUP = 20
SETTLE_SECONDS = 10
IDLE_SECONDS = 20
SLOW_SECONDS = 30
WATCHES = 20
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Row:
    title: str
    value: float
    limit: float | None = None


def show(title: str, rows: list[Row]) -> None:
    print(f"\n{title}")
    print(f"{'':56}{'measured':>10}{'limit':>8}{'ratio':>8}")
    for row in rows:
        line = f"{row.title:56}{row.value:10.2f}"
        if row.limit is not None:
            line += f"{row.limit:8.2f}{row.value / row.limit:8.2f}" + ("  MISSED" if row.value > row.limit else "")
        print(line, flush=True)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def timed(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


class Fleet:
    def __init__(self, directory: Path, nodes: int):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self.cluster = Cluster(directory)
        self.nodes = [f"node-{number:03d}" for number in range(nodes)]
        self.agents: list[Process] = []

    def start(self) -> list[Row]:
        cluster = self.cluster.start()
        cluster.password.touch(0o600)
        cluster.password.write_text("secret\n")
        configs = {node: self._config(node) for node in self.nodes}
        for node in self.nodes[::GROUP]:
            run([self._agent(), "repository", "init", "--config", str(configs[node])])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda node: self._join(node, configs[node]), self.nodes))
        started = time.monotonic()
        for node in self.nodes:
            self.agents.append(Process(
                [self._agent(), "run", "--config", str(configs[node])], cluster.directory / f"{node}.log"))
        wait_until("all agents connected", self._all_connected, 300)
        connected = time.monotonic() - started
        # Each agent opens its repository once at start, which scrypt makes expensive on purpose.
        wait_until("the agents at rest", self._at_rest, 600)
        return [Row("all agents started and connected, s", connected),
                Row("agents' CPU until they are at rest, s each", self._agents_cpu() / len(self.agents))]

    def _config(self, node: str) -> Path:
        directory = self.cluster.directory
        sources = [{"kind": "null", "name": "quick"}, {"kind": "null", "name": "slow", "seconds": SLOW_SECONDS}]
        group = f"group-{self.nodes.index(node) // GROUP:02d}"
        repository = {"url": f"file:{directory / group}", "password_file": str(self.cluster.password)}
        return write_config(directory / node, sources, node=node, repositories={group: repository})

    def _join(self, node: str, config: Path) -> None:
        token = self.cluster.call("agent", "token", node, operator=True).stdout
        run([self._agent(), "join", "--token-file", "-", "--config", str(config)], input=token)

    @staticmethod
    def _agent() -> str:
        return str(places.BUILD / "tests" / "null_agent")

    def _all_connected(self) -> bool:
        for agent in self.agents:
            agent.require_running()
        return sum(one["connected"] for one in self.cluster.json("agent", "list")["agents"]) == len(self.nodes)

    def _agents_cpu(self) -> float:
        return sum(cpu_seconds(agent.pid) for agent in self.agents)

    def _at_rest(self) -> bool:
        before = self._agents_cpu()
        time.sleep(2)
        return self._agents_cpu() - before < 0.1

    def idle(self) -> list[Row]:
        time.sleep(SETTLE_SECONDS)
        controller = self.cluster.controller.pid
        before, agents, started = cpu_seconds(controller), self._agents_cpu(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        seconds = time.monotonic() - started
        sizes = [resident_mib(agent.pid) for agent in self.agents]
        return [
            Row("controller idle, % of a core", (cpu_seconds(controller) - before) / seconds * 100, 1),
            Row("controller idle, resident MiB", resident_mib(controller)),
            Row("an agent idle, % of a core", (self._agents_cpu() - agents) / seconds * 100 / len(self.agents)),
            Row("an agent idle, resident MiB, median", statistics.median(sizes)),
            Row("an agent idle, resident MiB, largest", max(sizes), 32),
        ]

    def runs(self, rounds: int) -> list[Row]:
        def once() -> float:
            before = cpu_seconds(self.cluster.controller.pid), self._agents_cpu()
            seconds = timed(lambda: self.cluster.json("backup", "null/quick"))
            taken.append((seconds, cpu_seconds(self.cluster.controller.pid) - before[0],
                          self._agents_cpu() - before[1]))
            return seconds

        taken: list[tuple[float, float, float]] = []
        first = once()
        taken.clear()
        for _ in range(rounds):
            once()
        return [
            Row(f"first run of {len(self.nodes)} tasks, command to done, s", first, 3),
            Row("later runs, s", statistics.median(one[0] for one in taken), 3),
            Row("of these, the controller's CPU, s", statistics.median(one[1] for one in taken)),
            Row("of these, all agents' CPU, s", statistics.median(one[2] for one in taken)),
        ]

    def watch(self) -> list[Row]:
        """Measures the controller while every node runs a slow backup and reports progress each second."""
        cluster = self.cluster
        run_id = cluster.json("backup", "null/slow", "--no-wait")["runs"][0]["run"]

        def all_save() -> bool:
            tasks = cluster.json("run", "show", run_id)["runs"][0]["tasks"]
            return len(tasks) == len(self.nodes) and all(task["state"] == "saving" for task in tasks)

        wait_until("all tasks saving", all_save, SLOW_SECONDS / 2)
        before, started = cpu_seconds(cluster.controller.pid), time.monotonic()
        answers = sorted(self._first_words(run_id) for _ in range(WATCHES))
        shows = [timed(lambda: cluster.json("run", "show", run_id)) for _ in range(WATCHES)]
        busy = (cpu_seconds(cluster.controller.pid) - before) / (time.monotonic() - started) * 100
        if not all_save():
            raise AssertionError("the tasks ended before all answers were measured")
        cluster.wait_for_end(run_id, 2 * SLOW_SECONDS + 60)
        return [
            Row("`run watch` to its first line, ms, median", statistics.median(answers) * 1000, 100),
            Row("`run watch` to its first line, ms, slowest", answers[-1] * 1000, 100),
            Row("`run show`, whole, ms, median", statistics.median(shows) * 1000),
            Row("controller meanwhile, % of a core", busy),
        ]

    def _first_words(self, run_id: str) -> float:
        started = time.monotonic()
        child = subprocess.Popen(
            [program("holdfast"), "run", "watch", run_id, "--json", "--controller", str(self.cluster.socket)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        line = child.stderr.readline()
        seconds = time.monotonic() - started
        child.kill()
        child.wait()
        child.stderr.close()
        if json.loads(line)["run"] != run_id:
            raise AssertionError(f"unexpected: {line}")
        return seconds

    def stop(self) -> None:
        for agent in self.agents:
            agent.signal(15)
        for agent in self.agents:
            agent.stop()
        self.cluster.controller.stop()


def overhead(directory: Path, rounds: int) -> list[Row]:
    """One etcd, saved in turns by the standalone verb and by a run, each after the same number of changes."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    etcd = EtcdCluster(directory / "etcd", "etcd").start()
    etcd.fill(20_000)
    cluster = Cluster(directory).start()
    cluster.add("db-1", [etcd.source()])
    agent = cluster.agent("db-1")
    agent.run("backup")
    cluster.call("backup", "--all")
    alone, by_run = [], []
    for number in range(max(rounds, 5)):
        etcd.fill(100, seed=f"round {number}")
        alone.append(timed(lambda: agent.run("backup")))
        etcd.fill(100, seed=f"and {number}")
        by_run.append(timed(lambda: cluster.call("backup", "--all")))
    cluster.agents["db-1"].stop()
    cluster.controller.stop()
    etcd.stop()
    middle = statistics.median(alone), statistics.median(by_run)
    return [
        Row(f"{Path(agent_program()).name} backup, s", middle[0]),
        Row("holdfast backup --all, s", middle[1]),
        Row("a run's overhead, s", middle[1] - middle[0], 0.5),
    ]


def bench(directory: Path, rounds: int, nodes: int = 200) -> None:
    fleet = Fleet(directory / "fleet", nodes)
    rows = fleet.start()
    rows += fleet.idle()
    rows += fleet.runs(rounds)
    rows += fleet.watch()
    rows += [Row("an agent at rest after that, resident MiB, largest", _after(fleet), 32)]
    fleet.stop()
    show(f"fleet, {nodes} agent processes, {GROUP} to a repository, median of {rounds}", rows)
    show("one etcd", overhead(directory / "one", rounds))


def _after(fleet: Fleet) -> float:
    time.sleep(SETTLE_SECONDS)
    return max(resident_mib(agent.pid) for agent in fleet.agents)
