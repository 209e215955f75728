"""The agent's user, with everything that the agent's unit grants, tries to make root change files that only root may
change. Root does what it does on every node: it restores in place, carries out orders, takes a safety snapshot, and
lets the node join again. Each attack prepares something in a directory that the agent's user owns; then root acts.

Afterwards, root's files outside the restored source must be unchanged, and root's next restore must work."""

import base64
import concurrent.futures
import json
import os
import subprocess
import sys
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import Case, agent_program, main, run, wait_until
from lib.agent import write_config
from lib.cluster import Cluster
from lib.places import ROOT
from lib.processes import Process
from lib.shows import shows
from lib.unit import UID, Unit

UNITS = ROOT / "packaging" / "systemd"
JOURNAL = "files-app.json"


def identity(path: Path) -> tuple:
    """Everything that a write, an exchange, a new mode or a new owner would change."""
    status = path.lstat()
    what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else sorted(os.listdir(path))
    return status.st_ino, status.st_mtime_ns, status.st_mode, status.st_uid, status.st_gid, what


def tree(top: Path) -> dict[str, tuple]:
    return {str(path): identity(path) for path in (top, *sorted(top.rglob("*")))}


@dataclass
class Attack:
    """`code` runs as the agent's user, with the variables of Node.names(). `by` is what root does afterwards."""
    name: str
    code: str
    by: str = "restore"
    mistake: Callable[["Node"], None] | None = None  # of the administrator, which enables the attack
    is_repaired: bool = True  # root's restore works despite the attack
    is_refused: bool = False  # the system already refuses the preparation, at least on some hosts


def journal(phase: str, **entry) -> str:
    """Python source of an expression whose value is a journal."""
    fields = "".join(f", {name!r}: {value}" for name, value in entry.items())
    return f"""json.dumps(dict(format_version=1, run="01HF7YAT00R40M30E209RG50S1", kind="files", name="app",
        snapshot="a" * 64, begin="2026-01-01T00:00:00.000000000Z", state=base64.b64encode(json.dumps(dict(
        swap_version=2, phase={phase!r}, entries=[{{"staged_device": 0, "staged_inode": 1,
        "parent_inode": os.stat(victim).st_ino{fields}}}])).encode()
        ).decode())).encode()"""


# Claims that `keep` is the new state, so undoing the restore removes `keep`.
REMOVE = journal("swapping", target="victim + '/keep'", staged="victim + '/.holdfast-1'", target_inode="0",
                 had_target="False", is_removal="False")
# Claims that `keep` was exchanged with one of the attacker's files, through a symlinked directory.
EXCHANGE = journal("swapping", target="mine + '/way/keep'", staged="mine + '/way/.holdfast-1'",
                   target_inode="os.stat(mine + '/content').st_ino", had_target="True", is_removal="False")
WAY = "os.symlink(victim, mine + '/way'); open(mine + '/content', 'w').write('evil')\n"


def forged(place: str, text: str = REMOVE, before: str = "") -> str:
    return f"{before}\nos.makedirs({place}, exist_ok=True)\nopen({place} + '/{JOURNAL}', 'wb').write({text})"


def replaced(name: str, target: str = "victim") -> str:
    return f"away(state + '/{name}'); os.symlink({target}, state + '/{name}')"


def plan(make: str) -> str:
    return f"path = state + '/restores/' + 'ab' * 16 + '.plan'; {make}"


def in_repository(name: str) -> str:
    return f"away(repository + '/{name}'); os.symlink(victim, repository + '/{name}')"


def race(name: str) -> str:
    """Keeps exchanging a directory with a symlink until it is killed."""
    return f"""name = {name}
os.makedirs(name, exist_ok=True)
os.symlink(victim, name + '-other')
libc = ctypes.CDLL(None)
def exchange():
    assert libc.renameat2(-100, name.encode(), -100, (name + '-other').encode(), 2) == 0
exchange()
print("begun", flush=True)
while True:
    exchange()"""


def open_to(place: str) -> Callable[["Node"], None]:
    return lambda node: os.chown(getattr(node, place), UID, UID)


ATTACKS = [
    Attack("a forged journal removes a file", forged("state + '/restore'")),
    Attack("a forged journal exchanges a file", forged("state + '/restore'", EXCHANGE, WAY)),
    Attack("a forged journal, and root carries out an order", forged("state + '/restore'"), by="order"),
    Attack("a forged journal beside root's", forged("state + '/journals'")),
    Attack("a forged journal in a symlinked directory",
           forged("mine + '/d'") + "\naway(state + '/restore'); os.symlink(mine + '/d', state + '/restore')"),
    Attack("a forged journal as a symlink",
           forged("mine + '/d'") + f"\nos.makedirs(state + '/restore', exist_ok=True)"
           f"; os.symlink(mine + '/d/{JOURNAL}', state + '/restore/{JOURNAL}')"),
    Attack("a FIFO as the journal",
           f"os.makedirs(state + '/restore', exist_ok=True); os.mkfifo(state + '/restore/{JOURNAL}')"),
    Attack("a journal in root's directory", forged("helper + '/journals'"), is_refused=True),
    Attack("root's directory is renamed", "os.rename(helper, helper + '-old'); os.mkdir(helper)\n"
           + forged("helper + '/journals'"), is_refused=True),
    Attack("root's plan log is replaced", "os.unlink(helper + '/plans.db')", is_refused=True),
    Attack("locks is a symlink", replaced("locks")),
    Attack("a lock is a symlink", "os.makedirs(state + '/locks', exist_ok=True)\n"
           "away(state + '/locks/files-app.lock'); os.symlink(victim + '/keep', state + '/locks/files-app.lock')"),
    Attack("a lock is a hard link", "os.makedirs(state + '/locks', exist_ok=True)\n"
           "away(state + '/locks/files-app.lock'); os.link(victim + '/keep', state + '/locks/files-app.lock')", is_refused=True),
    Attack("a lock is a FIFO", "os.makedirs(state + '/locks', exist_ok=True)\n"
           "away(state + '/locks/files-app.lock'); os.mkfifo(state + '/locks/files-app.lock')"),
    Attack("sources is a symlink", replaced("sources")),
    Attack("a source's scratch space is a symlink", "os.makedirs(state + '/sources', exist_ok=True)\n"
           + replaced("sources/files-app")),
    Attack("cache is a symlink", replaced("cache")),
    Attack("resume is a symlink", replaced("resume")),
    Attack("restores is a symlink to root's plans", replaced("restores"), by="helper"),
    Attack("a plan is a symlink", plan("os.symlink(victim + '/keep', path)"), by="helper"),
    Attack("a plan is a hard link", plan("os.link(victim + '/keep', path)"), by="helper", is_refused=True),
    Attack("a plan is a FIFO", plan("os.mkfifo(path)"), by="helper"),
    Attack("a plan is a directory", plan("os.mkdir(path)"), by="helper"),
    Attack("a plan of a terabyte", plan("os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 40)"), by="helper"),
    Attack("a malformed plan", plan("open(path, 'wb').write(os.urandom(1000))"), by="helper"),
    Attack("packs go elsewhere", "for i in range(256):\n    name = f'{repository}/data/{i:02x}'\n"
           "    if not os.listdir(name): os.rmdir(name); os.symlink(victim, name)", is_repaired=False),
    Attack("index files go elsewhere", in_repository("index"), is_repaired=False),
    Attack("snapshots go elsewhere", in_repository("snapshots"), is_repaired=False),
    Attack("repository locks go elsewhere", in_repository("locks"), is_repaired=False),
    Attack("the identity goes elsewhere", replaced("identity"), by="join"),
    Attack("the roots go elsewhere", "away(state + '/identity/roots'); os.symlink(victim, state + '/identity/roots')",
           by="join"),
    Attack("race: restores", race("state + '/restores'"), by="helper"),
    Attack("race: sources", race("state + '/sources'")),
    Attack("race: index files", race("repository + '/index'"), is_repaired=False),
    Attack("race: a directory above a target", race("service"), by="restores", is_repaired=False),
    Attack("agent.yaml belongs to the agent's user", "text = open(config).read().replace(state, victim)\n"
           "open(config, 'w').write(text)", mistake=open_to("config")),
    Attack("the directory of agent.yaml belongs to the agent's user",
           "text = open(config).read().replace(state, victim); os.rename(config, config + '.old')\n"
           "open(config, 'w').write(text)", mistake=open_to("etc")),
    Attack("root's directory belongs to the agent's user", forged("helper + '/journals'"), mistake=open_to("helper")),
    Attack("the directory above belongs to the agent's user",
           "os.rename(helper, helper + '-old'); os.mkdir(helper)\n" + forged("helper + '/journals'"),
           mistake=open_to("var")),
]


@shows("the agent's user", "root's rights on a node",
       "cannot make root change, create or remove other files; the test tries 39 attacks")
@unittest.skipUnless(Unit.is_possible(), "needs root, setpriv and a kernel of 6.3")
class Node(Case):
    """A node whose agent runs as its unit's user. Root runs the restore helper with its unit's capabilities."""

    def setUp(self) -> None:
        super().setUp()
        self.directory.chmod(0o711)
        self.var = self.directory / "var"
        self.state = self.var / "agent"
        self.helper = self.var / "restore-helper"
        self.repository = self.directory / "repository"
        self.live = self.directory / "live"
        self.victim = self.directory / "victim"
        self.mine = self.directory / "mine"
        self.service = self.mine / "service"
        for path in (self.var, self.state, self.repository, self.live, self.victim, self.mine, self.service):
            path.mkdir(mode=0o755)
        (self.service / "conf").mkdir()
        (self.service / "conf" / "b").write_text("one\n")
        for path in (self.state, self.repository, self.mine):
            os.chown(path, UID, UID)
        (self.live / "a").write_text("one\n")
        (self.victim / "keep").write_text("root's own\n")
        (self.victim / ("cd" * 16 + ".plan")).write_text("a file of root's\n")
        self.config = write_config(
            self.directory / "etc", [{"kind": "files", "name": "app", "paths": [str(self.live), str(self.service / "conf")]}],
            state_dir=str(self.state), repository=self.repository)
        self.etc = self.config.parent
        (self.etc / "policy.yaml").write_text("restore: in-place\n")
        self.cluster = Cluster(self.directory / "cluster").start()
        run(self.words("repository", "init"))
        self.join()
        self.start_agent()
        self.assertEqual(self.cluster.json("backup", "--all")["runs"][0]["state"], "done")

    def words(self, *words: str) -> list[str]:
        return [agent_program(), *words, "--config", str(self.config)]

    def start_agent(self) -> None:
        self.agent = Process(self.unit().argv(self.words("run")), self.directory / "agent.log")
        self.addCleanup(self.agent.kill)
        wait_until("the agent connected", lambda: self.cluster.state_of("test-1")["connected"])

    def unit(self) -> Unit:
        return Unit(UNITS / "holdfast-agent.service.in", [self.var, self.repository, self.mine, self.etc])

    def names(self) -> str:
        places = ("state", "helper", "repository", "victim", "mine", "service", "config")
        return "".join(f"{name} = {str(getattr(self, name))!r}\n" for name in places)

    def attack(self, code: str, is_refused: bool) -> None:
        """Starts the attacker. Returns when the attacker has ended, or has printed that it has begun."""
        text = ("import base64, ctypes, json, os, shutil\n" + self.names() +
                "def away(path):\n    if os.path.lexists(path): os.rename(path, f'{path}-{os.urandom(8).hex()}')\n" + code)
        log = open(self.directory / "attacker.log", "w")
        self.addCleanup(log.close)
        attacker = subprocess.Popen(self.unit().argv([sys.executable, "-c", text]), stdout=subprocess.PIPE,
                                    stderr=log, text=True)
        assert attacker.stdout
        self.addCleanup(attacker.stdout.close)
        self.addCleanup(attacker.wait)
        self.addCleanup(attacker.kill)
        is_running = attacker.stdout.readline() == "begun\n"
        if not is_running and attacker.wait() != 0 and not is_refused:
            raise AssertionError(Path(log.name).read_text())

    def as_root(self, *words: str) -> subprocess.CompletedProcess:
        """Runs a command as root with the rights of the restore helper's unit. No FIFO may block the command."""
        rights = Unit(UNITS / "holdfast-restore.service.in", []).one("CapabilityBoundingSet").lower().split()
        bounding = ",".join(["-all", *("+" + right.removeprefix("cap_") for right in rights)])
        done = subprocess.run(["setpriv", f"--bounding-set={bounding}", "--no-new-privs", *self.words(*words)],
                              text=True, capture_output=True, timeout=60)
        (self.directory / "root.log").write_text(done.stdout + done.stderr)
        return done

    def restore(self) -> subprocess.CompletedProcess:
        return self.as_root("restore", "latest:files/app", "--in-place")

    def restores(self) -> None:
        """Restores repeatedly, so that the race is likely to occur."""
        for _ in range(12):
            self.restore()

    def order(self) -> None:
        plans = self.state / "restores"
        with concurrent.futures.ThreadPoolExecutor() as threads:
            done = threads.submit(self.cluster.call, "restore", "latest:files/app", "--in-place", "--node", "test-1",
                                  "--yes", operator=True, expect=None)
            wait_until("the plan for the helper", lambda: done.done() or list(plans.glob("*.plan")))
            self.as_root("restore-helper")
            done.result()

    def join(self, *options: str) -> None:
        token = self.cluster.call("agent", "token", "test-1", *options, operator=True).stdout
        run(self.words("join", "--token-file", "-"), input=token, expect=None)

    def what_root_owns(self) -> dict[str, tuple]:
        return tree(self.victim) | {str(self.etc / "policy.yaml"): identity(self.etc / "policy.yaml")}

    def try_attack(self, attack: Attack) -> None:
        (self.live / "a").write_text("damaged\n")
        if attack.mistake:
            attack.mistake(self)
        before = self.what_root_owns()
        self.attack(attack.code, attack.is_refused)
        {"restore": self.restore, "restores": self.restores, "order": self.order, "helper": lambda: self.as_root("restore-helper"),
         "join": lambda: self.join("--rejoin", "--yes")}[attack.by]()
        self.assertEqual(self.what_root_owns(), before)
        if attack.by in ("restore", "order") and attack.is_repaired and not attack.mistake:
            self.assertEqual((self.live / "a").read_text(), "one\n")


def test_of(attack: Attack) -> Callable[[Node], None]:
    return lambda node: node.try_attack(attack)


for number, one in enumerate(ATTACKS, 1):
    setattr(Node, f"test_{number:02}_" + one.name.replace(" ", "_").replace(":", "").replace("'", ""), test_of(one))

if __name__ == "__main__":
    main()
