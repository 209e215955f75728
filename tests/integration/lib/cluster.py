"""A controller and its agents on loopback, set up as an operator would."""

import json
from pathlib import Path

from .agent import Agent, Finished, write_config
from .places import BUILD
from .processes import Process, free_port, run, wait_until


def program(name: str) -> str:
    return str(BUILD / "bin" / name)


class Cluster:
    """A cluster whose files are all below `directory`. The agents share one repository there. The operator is anna.
    `init`: more options of `holdfast init`."""

    def __init__(self, directory: Path, name: str = "prod", init: tuple[str, ...] = ("--no-passphrase",)):
        self.directory = directory
        self.name = name
        self.repository = directory / "repository"
        self.password = directory / "password"
        made = directory / "made"
        run([program("holdfast"), "init", "--dir", str(made), "--cluster", name, "--operator", "anna",
             "--host", "127.0.0.1", *init])
        self.config = made / "controller" / "controller.yaml"
        self.operator = made / "operators" / "anna" / "cli.yaml"
        self.root_key = made / "root" / "anna.key"
        ports = {port: str(free_port()) for port in ("7733", "7734", "7735")}
        for path in (self.config, self.operator):
            text = path.read_text()
            for port, other in ports.items():
                text = text.replace(f":{port}", f":{other}")
            path.write_text(text)
        self.socket = directory / "socket"
        text = self.config.read_text().replace("admin:\n", f"admin:\n  socket: {json.dumps(str(self.socket))}\n")
        self.config.write_text(text + f"\nstate_dir: {json.dumps(str(directory / 'controller-state'))}\n")
        self.controller: Process | None = None
        self.agents: dict[str, Process] = {}
        self._configs: dict[str, Path] = {}

    def start(self) -> "Cluster":
        self.launch_controller()
        self._wait_for_controller()
        return self

    def launch_controller(self, **options) -> Process:
        """Starts the controller without waiting for it."""
        self.controller = Process([program("holdfast-controller"), "run", "--config", str(self.config)],
                                  self.directory / "controller.log", **options)
        return self.controller

    def _wait_for_controller(self) -> None:
        def answers() -> bool:
            self.controller.require_running()
            # 1: the controller answers and reports a problem.
            return self.call("status", expect=None).code in (0, 1)

        wait_until("the controller's answer", answers)

    def call(self, *arguments: str, expect: int | None = 0, operator: bool = False, **options) -> Finished:
        """Runs `holdfast` on the controller's host, or with `operator` on anna's, with her keys."""
        where = ["--config", str(self.operator)] if operator else ["--controller", str(self.socket)]
        options.setdefault("timeout", 300)
        env = {"HOME": str(self.directory)} | options.pop("env", {})
        done = run([program("holdfast"), *arguments, *where], expect=expect, env=env, **options)
        return Finished(done.returncode, done.stdout, done.stderr)

    def status(self) -> dict:
        """The cluster's status, even if it reports problems."""
        return self.json("status", expect=None)

    def json(self, *arguments: str, **options) -> dict:
        return self.call(*arguments, "--json", **options).document

    def write_config(self, node: str, sources: list[dict], *, password: Path | None = None, **settings) -> None:
        """`password` is the file with the repository's password; by default, the correct one."""
        repository = {"url": f"file:{self.repository}", "password_file": str(password or self.password)}
        self._configs[node] = write_config(
            self.directory / node / "agent", sources, node=node, repositories={"main": repository}, **settings)

    def add(self, node: str, sources: list[dict], *, policy: dict | None = None, **settings) -> None:
        """Writes the node's configuration, joins the node, starts its agent and waits until it is connected."""
        self.write_config(node, sources, **settings)
        agent = self.agent(node)
        if not self.repository.exists():
            agent.run("repository", "init")
        if policy is not None:
            (self._configs[node].parent / "policy.yaml").write_text(json.dumps(policy))
        token = self.call("agent", "token", node, operator=True).stdout
        agent.run("join", "--token-file", "-", input=token)
        self.start_agent(node)

    def agent(self, node: str) -> Agent:
        return Agent(self._configs[node])

    def start_agent(self, node: str) -> None:
        self.launch_agent(node)
        self.wait_for(node)

    def launch_agent(self, node: str, **options) -> Process:
        """Starts the agent without waiting for it."""
        self.agents[node] = self.agent(node).start("run", log=self.directory / f"{node}.log", **options)
        return self.agents[node]

    def wait_for(self, node: str, connected: bool = True) -> None:
        def is_so() -> bool:
            self.agents[node].require_running()
            return self.state_of(node)["connected"] == connected

        wait_until(f"{node} connected: {connected}", is_so, 60)

    def state_of(self, node: str) -> dict:
        return next(agent for agent in self.json("agent", "list")["agents"] if agent["node"] == node)

    def rotate(self, *changes: str) -> None:
        """Creates the next root document and activates it."""
        self.call("trust", "rotate", *changes, "--root-key", str(self.root_key), "--send", "--yes", operator=True)

    def restart_controller(self) -> None:
        """Kills the controller without warning, as a power cut would, and starts it again."""
        self.controller.kill()
        self.start()

    def restart_agent(self, node: str) -> None:
        self.agents[node].kill()
        self.launch_agent(node)

    def run_of(self, run_id: str) -> dict:
        return self.json("run", "show", run_id, expect=None)["runs"][0]

    def wait_for_end(self, run_id: str, seconds: float = 60) -> dict:
        return wait_until(
            f"the end of run {run_id}", lambda: (view := self.run_of(run_id))["ended"] and view, seconds)
