"""The demo's second part: one agent without a controller."""

import json
import os
import shlex
import shutil
from pathlib import Path

from demo_services import KEYS, Services
from demo_printer import Failed, Printer
from lib import Agent, differences, run, scan, service_program, write_config

# The agent finds etcdctl and haproxy in PATH.
PATH = {
    "PATH": ":".join(
        [str(Path(service_program(name, "x")).parent) for name in ("etcd", "haproxy", "restic")]
        + [os.environ["PATH"]]
    )
}


def mib(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB" if count >= 1 << 20 else f"{count / 1024:.1f} KiB"


def restic(printer: Printer, directory: Path, *arguments: str, repository: Path, shown: bool = True) -> str:
    """Runs stock restic on a repository whose password file is next to it; returns the output."""
    env = {"TZ": "UTC", "RESTIC_CACHE_DIR": str(directory / "cache")}
    where = ["-r", str(repository), "--password-file", str(repository.parent / "password")]
    done = run([service_program("restic", "restic"), *where, *arguments], env=env, timeout=600)
    if shown:
        command = f"restic -r {repository} --password-file {repository.parent / 'password'}"
        text = done.stdout.split("\n", 1)[-1] if arguments[0] == "check" else done.stdout
        printer.output("anywhere", f"{command} {' '.join(arguments)}", text)
    return done.stdout


class Alone:
    def __init__(self, printer: Printer, services: Services):
        self.printer = printer
        self.services = services
        self.directory = services.directory / "alone"
        self.repository = self.directory / "repository"
        self.agent = Agent(write_config(self.directory, services.sources("node-1"), node="node-1"))
        # By default, the directory's FIFO is left out, and its setuid file is restored without this right.
        (self.directory / "policy.yaml").write_text("restore_special: [setuid, fifos]\n")
        self.expected: dict = {}

    def verb(self, *arguments: str, shown: bool = True, lines: int = 0) -> None:
        """Runs a verb and shows its output, or only the first `lines` of it."""
        done = self.agent.run(*arguments, expect=None, env=PATH)
        command = f"holdfast-agent {shlex.join(arguments)} --config agent.yaml"
        if shown:
            said = done.stdout.splitlines()
            rest = [f"... ({len(said) - lines} more lines)"] if 0 < lines < len(said) else []
            self.printer.output("node-1", command, "\n".join(said[: lines or len(said)] + rest))
        if done.code != 0:
            raise Failed(f"{command} ended with {done.code}:\n{done.stderr}")

    def play(self) -> None:
        self.back_up()
        self.break_all()
        self.bring_back()
        self.without_us()

    def stored(self) -> int:
        """The repository's size on disk, in bytes."""
        return sum(path.stat().st_size for path in self.repository.rglob("*") if path.is_file())

    def back_up(self) -> None:
        printer, services = self.printer, self.services
        printer.chapter("One node, no server")
        printer.say("The agent also backs up a node without a controller. Its configuration names the sources and the repository.")
        self.verb("repository", "init", "--repository", "main")
        self.verb("source", "list", lines=4)
        self.verb("backup", "--note", "before", lines=4)
        first = self.stored()
        printer.say(
            "Now 1 % of the keys, a map, and a few bytes in the middle of a large file change. The second "
            "backup stores only the changes."
        )
        services.etcd.fill(KEYS // 100, prefix="registry", seed="b", value_bytes=300)
        (services.etc / "greetings.map").write_text("/ hello again from HAProxy\n")
        services.haproxy.reload()
        with open(services.app("node-1") / "data" / "big.bin", "r+b") as output:
            output.seek(5 << 20)
            output.write(b"a few bytes in the middle")
        self.verb("backup", "--note", "after a change", lines=4)
        second = self.stored() - first
        printer.check(
            second < first / 5,
            f"the second backup added {mib(second)} to {mib(first)}: {100 * second / first:.1f} %",
        )
        self.expected = {
            "etcd": services.etcd.state(),
            "answer": services.answer(),
            "haproxy": services.haproxy_files(),
            "app": scan(services.app("node-1")),
        }

    def break_all(self) -> None:
        printer, services = self.printer, self.services
        printer.chapter("Everything is lost")
        services.etcd.ctl("del", "registry/", "--prefix")
        services.etcd.stop()
        for member in services.etcd.members:
            shutil.rmtree(member.data_dir)
        printer.say("etcd: every key deleted, then the members stopped and their data directories wiped")
        services.spoil_haproxy()
        printer.say("HAProxy: the certificate is deleted, the map is empty, the configuration is invalid")
        if services.haproxy.check():
            raise Failed("haproxy -c accepts the invalid configuration")
        services.spoil_app("node-1")
        printer.say("the directory: a hundred files deleted, others overwritten, modes changed")

    def bring_back(self) -> None:
        printer, services = self.printer, self.services
        printer.chapter("Everything is restored")
        printer.say("etcd's own tool creates a data directory for each member; the agent prints the next step for each.")
        for member in services.etcd.members:
            restore = ("restore", "latest:etcd/main", "--stage-data-dir", str(member.data_dir))
            self.verb(*restore, "--member", member.name, shown=member is services.etcd.members[0], lines=5)
        services.etcd.start()
        keys = services.etcd.state()
        printer.check(keys == self.expected["etcd"], f"etcd serves again, and all {len(keys):,} keys have their values")

        self.verb("restore", "latest:haproxy/edge", "--in-place")
        printer.check(services.haproxy_files() == self.expected["haproxy"], "HAProxy's files were restored in place, with their former content")
        printer.check(
            services.answer() == self.expected["answer"],
            f'HAProxy, reloaded by the agent, answers "{services.answer().strip()}" again',
        )

        self.verb("restore", "latest:files/app", "--in-place")
        wrong = differences(self.expected["app"], scan(services.app("node-1")))
        printer.check(
            not wrong,
            "the directory was restored: content, names, owners, modes, times, attributes, holes, hard links",
        )

    def without_us(self) -> None:
        self.printer.chapter("Without Holdfast")
        self.printer.say("Stock restic reads the repository. You do not need Holdfast to get your data back.")
        text = restic(self.printer, self.directory, "snapshots", "--json", repository=self.repository, shown=False)
        restic(self.printer, self.directory, "snapshots", "--compact", repository=self.repository)
        self.printer.check(len(json.loads(text)) >= 6, "stock restic lists the snapshots of this node")
        text = restic(self.printer, self.directory, "check", "--read-data", repository=self.repository)
        self.printer.check("no errors were found" in text, "stock restic read every byte and found no errors")
