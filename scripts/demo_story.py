"""The story that scripts/demo tells, once everything is built: run that."""

import json
import os
import random
import shlex
import shutil
import sys
import tempfile
import textwrap
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))
from lib import (
    Agent,
    Authority,
    EtcdCluster,
    HAProxy,
    Tree,
    differences,
    free_port,
    run,
    scan,
    service_program,
    write_config,
)
from lib.haproxy import get
from lib.places import agent_program
from lib.processes import Process

_COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if _COLOUR else ("",) * 5
)
KEYS = 20_000


class Told:
    """What was checked so far, printed as it happens and once more at the end."""

    def __init__(self) -> None:
        self.checks: list[tuple[bool, str]] = []
        self.chapters = 0

    def chapter(self, title: str) -> None:
        self.chapters += 1
        print(f"\n{BOLD}{self.chapters}. {title}{PLAIN}")

    def say(self, text: str) -> None:
        print(textwrap.fill(text, 96, initial_indent="   ", subsequent_indent="   "))

    def output(self, command: str, text: str) -> None:
        print(f"   {BOLD}$ {command}{PLAIN}")
        for line in text.rstrip().splitlines():
            print(f"     {DIM}{line}{PLAIN}")

    def check(self, holds: bool, text: str) -> None:
        mark = f"{GREEN}✓{PLAIN}" if holds else f"{RED}✗{PLAIN}"
        print(f"   {mark} {text}")
        self.checks.append((holds, text))
        if not holds:
            raise SystemExit(f"demo: {text}: this does not hold")


class Machine:
    """The services of the demo and the agent that looks after them."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.etcd = EtcdCluster(directory / "etcd", "34", 3, authority=Authority(directory / "ca"))
        self.etc = directory / "haproxy"
        self.etc.mkdir()
        self.config = self.etc / "haproxy.cfg"
        self.port = free_port()
        self.haproxy = HAProxy(self.etc, [self.config])
        self.app = directory / "myapp"
        self.agent = Agent(self._configure())

    def _configure(self) -> Path:
        etcd = self.etcd.source("main", ca=str(self.directory / "ca" / "ca.pem"))
        haproxy = {
            "kind": "haproxy",
            "name": "edge",
            "config": [str(self.config)],
            "binary": self.haproxy.program,
            "reload": f"pidfile:{self.haproxy.pidfile}",
        }
        files = {"kind": "files", "name": "app", "paths": [str(self.app)]}
        return write_config(
            self.directory,
            [etcd, haproxy, files],
            repository=self.directory / "repository",
            node="demo-1",
            cluster="demo",
        )

    def write_haproxy(self) -> None:
        issued = Authority(self.etc / "ca", "edge-ca").issue("edge")
        (self.etc / "site.pem").write_text(issued.cert.read_text() + issued.key.read_text())
        (self.etc / "greetings.map").write_text("/ hello from HAProxy\n")
        self.config.write_text(
            textwrap.dedent(
                f"""\
                global
                    stats socket {self.haproxy.admin_socket} mode 600 level admin
                defaults
                    mode http
                    timeout connect 5s
                    timeout client 10s
                    timeout server 10s
                frontend plain
                    bind 127.0.0.1:{self.port}
                    http-request return status 200 content-type text/plain lf-string %[path,map({self.etc}/greetings.map)]
                frontend tls
                    bind 127.0.0.1:{free_port()} ssl crt {self.etc}/site.pem
                    http-request return status 200 content-type text/plain string secure
                """
            )
        )

    def write_app(self) -> None:
        tree = Tree(self.app)
        for number in range(400):
            tree.random_file(f"data/{number % 20:02d}/{number:04d}.bin", 4096 + number * 61, seed=number)
        tree.random_file("data/big.bin", 24 << 20, seed=9)
        tree.file("app.conf", b"port = 8080\n", 0o640)
        tree.file("bin/app", b"#!/bin/sh\nexit 0\n", 0o4755)
        tree.hard_link("bin/app-1.0", "bin/app")
        tree.symlink("current", "data/00")
        tree.holes("sparse.img", 64 << 20, {0: b"head", 32 << 20: b"middle"})
        tree.file(b"caf\xe9 \n.txt", b"a name with a newline that is not UTF-8\n")
        tree.fifo("events")
        try:
            os.setxattr(tree.path("app.conf"), "user.owner", b"team-a")
        except OSError:
            pass  # a file system without attributes
        tree.stamp()

    def stored_bytes(self) -> int:
        """What the repository takes on disk."""
        files = (self.directory / "repository").rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file())

    def haproxy_files(self) -> dict[str, bytes]:
        return {name: (self.etc / name).read_bytes() for name in ("haproxy.cfg", "greetings.map", "site.pem")}

    def answer(self) -> str:
        return get(self.port)[1]


def shown(machine: Machine, *arguments: str) -> str:
    """The command as an operator would type it."""
    words = " ".join(shlex.quote(word).replace(str(machine.directory), "$D") for word in arguments)
    return f"holdfast-agent {words} --config agent.yaml"


def agent(machine: Machine, told: Told, *arguments: str) -> None:
    """Runs a verb and shows what it says to a person."""
    done = machine.agent.run(*arguments, expect=None, env=PATH)
    told.output(shown(machine, *arguments), done.stdout.replace(str(machine.directory), "$D"))
    if done.code != 0:
        raise SystemExit(f"demo: {shown(machine, *arguments)} ended with {done.code}:\n{done.stderr}")


def restic(machine: Machine, *arguments: str) -> str:
    env = {"TZ": "UTC", "RESTIC_CACHE_DIR": str(machine.directory / "cache")}
    where = ["-r", str(machine.directory / "repository")]
    where += ["--password-file", str(machine.directory / "password")]
    return run([service_program("restic", "restic"), *where, *arguments], env=env, timeout=600).stdout


# The agent looks for etcdctl and haproxy where it looks for every program.
PATH = {
    "PATH": ":".join(
        [str(Path(service_program(name, "x")).parent) for name in ("etcd34", "haproxy", "restic")]
        + [os.environ["PATH"]]
    )
}


def set_up(machine: Machine, told: Told) -> None:
    told.chapter("Three services, as they run anywhere")
    machine.etcd.start()
    machine.etcd.fill(KEYS, prefix="registry", value_bytes=300)
    told.say(f"etcd 3.4: three members with TLS and client certificates, {KEYS:,} keys")
    machine.write_haproxy()
    machine.haproxy.start()
    told.say(f'HAProxy: master and worker; it answers "{machine.answer().strip()}"')
    machine.write_app()
    count = len(scan(machine.app))
    told.say(f"a directory: {count} entries with hard links, holes, odd names, attributes, a setuid program")


def back_up(machine: Machine, told: Told) -> None:
    told.chapter("Back them up while they run")
    agent(machine, told, "repository", "init", "--repository", "main")
    agent(machine, told, "source", "list")
    agent(machine, told, "backup", "--note", "before")
    first = machine.stored_bytes()
    told.check(first > 0, f"the repository holds {mib(first)}")

    told.say("Some keys, a map and a file change; the second backup stores only what is new.")
    machine.etcd.fill(KEYS // 100, prefix="registry", seed="b", value_bytes=300)
    (machine.etc / "greetings.map").write_text("/ hello again from HAProxy\n")
    machine.haproxy.reload()
    with open(machine.app / "data" / "big.bin", "r+b") as output:
        output.seek(5 << 20)
        output.write(b"a few bytes in the middle")
    agent(machine, told, "backup", "--note", "after a change")
    second = machine.stored_bytes() - first
    told.check(
        second < first / 5,
        f"the second backup added {mib(second)}, {100 * second / first:.1f} % of the first",
    )
    agent(machine, told, "list")


def mib(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB" if count >= 1 << 20 else f"{count / 1024:.1f} KiB"


def break_all(machine: Machine, told: Told) -> None:
    told.chapter("Break all of it")
    machine.etcd.ctl("del", "registry/", "--prefix")
    told.say("etcd: every key deleted, then the members stopped and their data directories wiped")
    machine.etcd.stop()
    for member in machine.etcd.members:
        shutil.rmtree(member.data_dir)
    told.say("HAProxy: the certificate is gone, the map empty, the configuration refused by haproxy -c")
    (machine.etc / "site.pem").unlink()
    (machine.etc / "greetings.map").write_text("")
    machine.config.write_text(machine.config.read_text().replace("frontend tls", "frontend plain tls ???"))
    told.check(not machine.haproxy.check(), "haproxy refuses the broken configuration")
    told.say("the directory: a hundred files deleted, others altered, rights changed")
    chance = random.Random(1)
    names = sorted(machine.app.glob("data/*/*.bin"))
    for name in chance.sample(names, 100):
        name.unlink()
    for name in (name for name in names[:80] if name.exists()):
        name.write_bytes(b"ransom")
    os.chmod(machine.app / "app.conf", 0o777)
    (machine.app / "current").unlink()


def bring_back(machine: Machine, told: Told, expected: dict) -> None:
    told.chapter("Bring it back")
    for member in machine.etcd.members:
        restore = ("restore", "latest:etcd/main", "--stage-data-dir", str(member.data_dir))
        restore += ("--member", member.name)
        if member is machine.etcd.members[0]:
            agent(machine, told, *restore)
        else:
            machine.agent.run(*restore, env=PATH)
    machine.etcd.start()
    keys = machine.etcd.state()
    told.check(keys == expected["etcd"], f"etcd serves again, all {len(keys):,} keys as they were")

    agent(machine, told, "restore", "latest:haproxy/edge", "--in-place")
    told.check(machine.haproxy_files() == expected["haproxy"], "HAProxy's files are as they were")
    told.check(
        machine.answer() == expected["answer"],
        f'and, reloaded by the agent, it answers "{machine.answer().strip()}" as before',
    )

    target = machine.directory / "elsewhere"
    agent(machine, told, "restore", "latest:files/app", "--to", str(target))
    copies = [path for path in target.rglob("myapp") if path.is_dir()]
    wrong = differences(expected["app"], scan(copies[0])) if copies else ["nothing was restored"]
    told.check(not wrong, "a copy of the directory beside is the same: content, names, owners, rights, times, holes, links")
    agent(machine, told, "restore", "latest:files/app", "--in-place")
    wrong = differences(expected["app"], scan(machine.app))
    told.check(not wrong, "and so is the directory itself, in place")


def without_us(machine: Machine, told: Told) -> None:
    told.chapter("The way out: stock restic reads the repository")
    command = "restic -r repository --password-file password"
    text = restic(machine, "snapshots", "--compact")
    told.output(f"{command} snapshots --compact", text)
    told.check(len(json.loads(restic(machine, "snapshots", "--json"))) >= 6, "restic lists the snapshots")
    text = restic(machine, "check", "--read-data")
    told.output(f"{command} check --read-data", text.split("\n", 1)[-1])
    told.check("no errors were found" in text, "restic read every byte and found no error")


def main() -> None:
    started = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    told = Told()
    print(f"{BOLD}Holdfast{PLAIN}: back up what runs, where it runs, and put it back. ($D is {directory})")
    try:
        machine = Machine(directory)
        set_up(machine, told)
        back_up(machine, told)
        expected = {
            "etcd": machine.etcd.state(),
            "answer": machine.answer(),
            "haproxy": machine.haproxy_files(),
            "app": scan(machine.app),
        }
        break_all(machine, told)
        bring_back(machine, told, expected)
        without_us(machine, told)
        machine.haproxy.stop()
        machine.etcd.stop()
    finally:
        for process in Process.running():
            process.kill()
        shutil.rmtree(os.fsencode(directory), ignore_errors=True)
    print(f"\n{BOLD}All of it, in {time.monotonic() - started:.0f} s:{PLAIN}")
    for _, text in told.checks:
        print(f"   {GREEN}✓{PLAIN} {text}")
    print(f"Nothing is left running, nothing was installed as a service. The program: {agent_program()}")


if __name__ == "__main__":
    main()
