"""The demo's first part: a controller, three agents and an operator."""

import json
import os
import shlex
import shutil
from datetime import datetime
from pathlib import Path

from demo_alone import PATH, restic
from demo_services import Services
from demo_printer import Failed, Printer
from lib import Agent, differences, free_port, run, scan, wait_until, write_config
from lib.places import BUILD
from lib.processes import Process

_PASSPHRASE = "correct horse"
_CUT_WITHIN_MS = 50
# For the last node: its backups take seconds, long enough to kill the controller during one.
_READ_MIB_S = 40


class Cluster:
    """Each machine of the demo is a directory: backup-1 (the controller), anna's, and the nodes."""

    def __init__(self, printer: Printer, services: Services):
        self.printer = printer
        self.services = services
        self.host = services.directory / "backup-1"
        self.anna = services.directory / "anna"
        self.share = services.directory / "share"
        self.repository = self.share / "repository"
        self.controller: Process | None = None
        self.agents: dict[str, Process] = {}
        self.run = ""

    def play(self) -> None:
        self.make()
        self.join()
        self.back_up()
        self.look()
        self.refuse()
        self.bring_back()
        self.lose_the_controller()

    # What people type

    def anna_types(self, *words: str, expect: int = 0, **options) -> str:
        """A command on anna's machine, over TCP, with her keys."""
        return self._typed("anna", self.anna, {"HOME": str(self.anna)}, words, expect, **options)

    def host_types(self, *words: str, expect: int = 0, **options) -> str:
        """A command on the controller's host, over its socket, without operator keys."""
        env = {"HOME": str(self.host), "HOLDFAST_CONTROLLER": str(self.host / "socket")}
        return self._typed("backup-1", self.host, env, words, expect, **options)

    def _typed(self, where, directory, env, words, expect, **options) -> str:
        command = f"holdfast {shlex.join(words)}"
        self.printer.command(where, command)
        ended = self.printer.at_terminal(
            [str(BUILD / "bin" / "holdfast"), *words], directory=directory, env=env, **options
        )
        if ended.code != expect:
            raise Failed(f"{command} ended with {ended.code}, not {expect}:\n{ended.text}")
        return ended.text

    def asked(self, *words: str) -> dict:
        """The JSON answer to a command, for the demo's checks."""
        argv = [str(BUILD / "bin" / "holdfast"), *words, "--json"]
        return json.loads(run(argv, env={"HOME": str(self.anna)}).stdout)

    # The chapters

    def make(self) -> None:
        printer = self.printer
        printer.chapter("A cluster from nothing")
        printer.say("One command creates all keys and prints where each belongs. anna's keys are encrypted.")
        for directory in (self.host, self.anna, self.share):
            directory.mkdir()
        question = {"keys of anna: ": _PASSPHRASE, "Repeat the passphrase: ": _PASSPHRASE}
        self.host_types(
            *("init", "--dir", "prod", "--cluster", "prod", "--operator", "anna", "--host", "127.0.0.1"),
            answers=question,
        )
        self._carry_keys()
        printer.say("anna moves her keys to her own machine. Now the controller starts.")
        printer.command("backup-1", "holdfast-controller run --config etc/controller.yaml &")
        self.controller = Process(
            [str(BUILD / "bin" / "holdfast-controller"), "run", "--config", "etc/controller.yaml"],
            self.host / "controller.log",
            cwd=self.host,
        )
        wait_until("the controller's answer", lambda: self.asked("status"))

    def _carry_keys(self) -> None:
        """Follows the instructions that `init` prints. Everything is on one machine, so it uses free loopback ports."""
        made = self.host / "prod"
        shutil.move(made / "controller", self.host / "etc")
        (self.anna / ".config").mkdir()
        shutil.move(made / "operators" / "anna", self.anna / ".config" / "holdfast")
        shutil.move(made / "root" / "anna.key", self.anna / "root.key")
        shutil.rmtree(made)
        config, cli = self.host / "etc" / "controller.yaml", self.anna / ".config" / "holdfast" / "cli.yaml"
        ports = {port: str(free_port()) for port in ("7733", "7734", "7735")}
        for path in (config, cli):
            text = path.read_text().replace("//*:", "//127.0.0.1:")
            for port, other in ports.items():
                text = text.replace(f":{port}", f":{other}")
            path.write_text(text)
        own = f"admin:\n  socket: {json.dumps(str(self.host / 'socket'))}\n"
        state = f"\nstate_dir: {json.dumps(str(self.host / 'state'))}\n"
        config.write_text(config.read_text().replace("admin:\n", own) + state)

    def join(self) -> None:
        printer, services = self.printer, self.services
        printer.chapter("Three nodes join")
        printer.say(
            "Each node has its own configuration, which names its sources and the repository. A token lets "
            "one node join, once, within 15 minutes."
        )
        repository = {"url": f"file:{self.repository}", "password_file": str(self.share / "password")}
        for node, member in zip(services.NODES, services.etcd.members, strict=True):
            own = services.home(node) / "etcd.conf"
            own.write_text(f"# only {node} has this file\n")
            sources = services.sources(node, endpoints=[member.client_url])
            sources[0]["files"] = [str(own)]
            limits = {"read_mib_s": _READ_MIB_S if node == services.NODES[-1] else 0}
            config = write_config(
                services.home(node), sources, repositories={"main": repository}, node=node, limits=limits
            )
            self._write_policy(node)
            agent = Agent(config)
            if node == services.NODES[0]:
                done = agent.run("repository", "init", "--repository", "main")
                printer.output(node, "holdfast-agent init --repository main --config agent.yaml", done.stdout)
                token = _first_line(self.anna_types("agent", "token", node), "hf1.")
            else:
                token = self.asked("agent", "token", node)["token"]
            done = agent.run("join", "--token-file", "-", input=token)
            if node == services.NODES[0]:
                printer.output(node, "holdfast-agent join --token-file token --config agent.yaml", done.stdout)
            self.agents[node] = agent.start("run", log=services.home(node) / "agent.log", env=PATH)
        printer.say("node-2 and node-3 join in the same way, and each runs holdfast-agent run. The controller "
            "now knows all three.")
        wait_until("all agents", lambda: self.asked("status")["agents"]["connected"] == 3)
        self.anna_types("agent", "list")
        self.anna_types("source", "list")

    def _write_policy(self, node: str) -> None:
        """Writes which restores the node allows. node-3 gets no policy.yaml: no restores, only backups."""
        roots = {"staging": str(self.services.home(node) / "staging")}
        policies = {
            "node-1": {"restore": "in-place", "restore_roots": roots},
            # By default, the directory's FIFO is left out, and its setuid file is restored without this right.
            "node-2": {"restore": "staging", "restore_roots": roots, "restore_special": ["setuid", "fifos"]},
        }
        if node in policies:
            (self.services.home(node) / "policy.yaml").write_text(json.dumps(policies[node]))

    def back_up(self) -> None:
        printer = self.printer
        printer.chapter("One command backs up everything")
        printer.say(
            "All agents prepare, cut at the same moment, and then save in parallel. A terminal shows live "
            "progress; Ctrl-C stops watching, and the run continues."
        )
        self.anna_types("backup", "--all", "--note", "before", worth_showing=_how_lively)
        self.run = self.asked("run", "list")["runs"][0]["run"]
        view = self.asked("run", "show", self.run)["runs"][0]
        printer.check(view["state"] == "done", "one command backed up three nodes, and the run is done")
        snapshots = sorted(f"{one['source']}@{one['host']}" for one in view["snapshots"])
        printer.check(
            snapshots
            == [
                "etcd/main@prod",
                *(f"files/app@{node}" for node in self.services.NODES),
                "haproxy/edge@node-1",
            ],
            "one snapshot per source: one of etcd for all members, one per directory, one of HAProxy",
        )
        cuts = [_milliseconds(task["cut_time"]) for task in view["tasks"] if task["kind"] == "backup"]
        printer.check(
            max(cuts) - min(cuts) <= _CUT_WITHIN_MS,
            f"all {len(cuts)} tasks on three nodes cut within {max(cuts) - min(cuts):.0f} ms",
        )

    def look(self) -> None:
        printer = self.printer
        printer.chapter("Runs and snapshots")
        self.anna_types("run", "list")
        self.anna_types("snapshot", "list")
        self.anna_types("snapshot", "show", "latest:etcd/main")
        printer.say("Stock restic reads the repository, without Holdfast.")
        text = self.restic("check", "--read-data")
        printer.check("no errors were found" in text, "stock restic read every byte and found no errors")
        where = ("ls", "latest", "--path", "/etcd/main")
        names = [
            line for line in self.restic(*where, shown=False).splitlines() if line.endswith(("snapshot.db", "etcd.conf"))
        ]
        printer.output("anywhere", f"restic {shlex.join(where)} | grep -e snapshot.db -e etcd.conf", "\n".join(names))
        printer.check(len(names) == 4, "etcd's snapshot has the database once, and the files of each of the three members")

    def restic(self, *arguments: str, shown: bool = True) -> str:
        return restic(self.printer, self.services.directory, *arguments, repository=self.repository, shown=shown)

    def refuse(self) -> None:
        printer, services = self.printer, self.services
        printer.chapter("Refused restores")
        printer.say(
            "A restore needs an operator's signature. The controller's host has no operator key: an attacker "
            "there can start backups, but no restores."
        )
        self.host_types("restore", "latest:files/app@node-2", "--node", "node-2", "--into", "staging/x", expect=2)
        printer.check(True, "without an operator's key, no restore starts")
        printer.say(
            "Each node also has its own policy. node-3 has no policy.yaml, so its agent refuses every restore, "
            "even one that anna signed. The refusal is signed, too."
        )
        self.anna_restores("latest:files/app@node-3", "--node", "node-3", "--into", "staging/x", expect=4)
        staged = [node for node in services.NODES if (services.home(node) / "staging").exists()]
        printer.check(not staged, "node-3 refused the restore, and nothing was written on any node")

    def anna_restores(self, *words: str, expect: int = 0) -> None:
        key = str(self.anna / ".config" / "holdfast" / "operator.key")
        answers = {"[yes/no] ": "yes", f'Passphrase of "{key}": ': _PASSPHRASE}
        self.anna_types("restore", *words, expect=expect, answers=answers)

    def bring_back(self) -> None:
        printer, services = self.printer, self.services
        printer.chapter("Services break and are restored")
        expected = {"app": scan(services.app("node-2")), "haproxy": services.haproxy_files()}
        greeting = services.answer()
        services.spoil_app("node-2")
        printer.say(
            "node-2: a hundred files deleted, others overwritten. anna restores them to a staging directory first. "
            "She sees the order that she signs; the agent checks it again."
        )
        self.anna_restores("latest:files/app@node-2", "--node", "node-2", "--into", "staging/app")
        copies = list((services.home("node-2") / "staging").rglob("myapp"))
        wrong = differences(expected["app"], scan(copies[0])) if copies else ["nothing was restored"]
        printer.check(
            not wrong,
            "the copy on node-2 equals the directory: content, names, owners, modes, times, attributes, holes, hard links",
        )
        services.spoil_haproxy()
        printer.say(
            "node-1: HAProxy's certificate is deleted, and its configuration is invalid. This restore is in place: the "
            "agent takes a safety snapshot, checks the new files with haproxy -c, swaps them in, and reloads."
        )
        self.anna_restores("latest:haproxy/edge", "--node", "node-1", "--in-place")
        printer.check(services.haproxy_files() == expected["haproxy"], "HAProxy's files on node-1 have their former content")
        printer.check(services.answer() == greeting, f'HAProxy, reloaded by the agent, answers "{greeting.strip()}" again')
        self.anna_types("run", "list", "--limit", "4")

    def lose_the_controller(self) -> None:
        printer = self.printer
        printer.chapter("The controller is killed during a backup")
        printer.say("kill -9, then a restart. anna's terminal waits; the agents continue without the controller.")
        killed = False

        def kill_in_the_middle(text: str) -> float:
            nonlocal killed
            if not killed and " saving" in text:
                killed = True
                self._restart_controller()
            return float("trying again" in text)

        self.services.etcd.fill(2000, prefix="registry", seed="c", value_bytes=300)
        with open(self.services.app("node-3") / "data" / "big.bin", "r+b") as output:
            output.write(os.urandom(48 << 20))
        self.anna_types("backup", "--all", "--note", "the controller dies", worth_showing=kill_in_the_middle)
        run_id = self.asked("run", "list")["runs"][0]["run"]
        view = self.asked("run", "show", run_id)["runs"][0]
        printer.check(killed and view["state"] == "done", "the controller was killed during the backup, and the run is done")
        printer.check(len(view["snapshots"]) == 5, "the run has exactly one snapshot per source")
        # An agent keeps its lock until the new controller says that the run is over.
        wait_until("a repository without locks", lambda: not any((self.repository / "locks").iterdir()), 90)
        text = self.restic("check", "--read-data")
        printer.check("no errors were found" in text, "stock restic still finds no errors")

    def _restart_controller(self) -> None:
        assert self.controller is not None
        self.controller.kill()
        self.controller = Process(self.controller.argv, self.host / "controller.log", cwd=self.host)

    def stop(self) -> None:
        for process in (*self.agents.values(), self.controller):
            if process is not None:
                process.stop()


def _first_line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def _how_lively(text: str) -> float:
    """How much progress a picture of the live view shows: tasks that transfer bytes and have a percentage."""
    return text.count(" saving") + text.count("%") + text.count("/s")


def _milliseconds(time: str) -> float:
    whole, _, part = time.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole).timestamp() * 1000 + float(f"0.{part or 0}") * 1000
