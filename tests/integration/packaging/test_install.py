"""What `holdfast init` prints gives the controller's unit its keys, `config check` finds what the unit cannot open, and
root's own commands leave nothing that the unit's user cannot use."""

import concurrent.futures
import os
import shlex
import shutil
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, Finished, agent_program, main, run, wait_until
from lib.agent import write_config
from lib.cluster import Cluster, program
from lib.places import BUILD, ROOT
from lib.processes import Process, free_port
from lib.unit import UID, Unit

UNITS = ROOT / "packaging" / "systemd"


@unittest.skipUnless(Unit.is_possible(), "needs root, setpriv and a kernel of 6.3")
class Controller(Case):
    def setUp(self) -> None:
        super().setUp()
        self.directory.chmod(0o711)
        self.made = self.directory / "made"
        self.etc = self.directory / "etc"
        self.state = self.directory / "state"
        self.state.mkdir(mode=0o700)
        os.chown(self.state, UID, UID)
        done = run([program("holdfast"), "init", "--dir", str(self.made), "--cluster", "prod", "--operator", "anna",
                    "--host", "127.0.0.1", "--no-passphrase", "--json"])
        self.init = Finished(done.returncode, done.stdout, done.stderr).document

    def configure(self, directory: Path) -> None:
        config = directory / "controller.yaml"
        text = config.read_text().replace("admin:\n", f"admin:\n  socket: {self.state}/socket\n")
        for port in ("7733", "7734", "7735"):
            text = text.replace(f":{port}", f":{free_port()}")
        config.write_text(text + f"state_dir: {self.state}\n")

    def controller(self, *words: str, directory: Path) -> list[str]:
        unit = Unit(UNITS / "holdfast-controller.service.in", [self.state])
        return unit.argv([program("holdfast-controller"), *words, "--config", str(directory / "controller.yaml")])

    def test_config_check_names_every_key_that_the_unit_cannot_read(self) -> None:
        files = self.made / "controller"
        self.configure(files)
        self.made.chmod(0o755)
        files.chmod(0o755)

        done = run(self.controller("config", "check", directory=files), expect=None)

        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn("controller.key", done.stderr)
        self.assertIn("bus.curve", done.stderr)

    def test_controller_starts_with_files_installed_as_init_prints(self) -> None:
        for placement in self.init["placements"]:
            if placement["host"] != "controller":
                continue
            line = placement["command"].replace("/etc/holdfast/", f"{self.etc}/")
            line = line.replace("-o holdfast-controller -g holdfast-controller ", f"-o {UID} -g {UID} ")
            run(shlex.split(line), cwd=self.made / "controller")
        self.configure(self.etc)

        checked = run(self.controller("config", "check", directory=self.etc))
        running = Process(self.controller("run", directory=self.etc), self.directory / "log")
        self.addCleanup(running.kill)

        self.assertIn("cluster prod", checked.stdout)
        wait_until("the controller's socket", lambda: running.require_running() or (self.state / "socket").exists())
        running.signal(15)
        self.assertEqual(running.wait(), 0, running.tail())

    def test_controller_finds_its_configuration_by_option_and_by_variable(self) -> None:
        files = self.made / "controller"
        self.configure(files)
        os.chown(self.state, 0, 0)  # the files that init wrote are root's, too
        config = str(files / "controller.yaml")
        controller = program("holdfast-controller")

        for words in (["-c", config, "config", "check"], ["config", "check", f"--config={config}"]):
            self.assertIn("cluster prod", run([controller, *words]).stdout)
        named = {**os.environ, "HOLDFAST_CONTROLLER_CONFIG": "/nowhere/controller.yaml"}
        by_variable = run([controller, "config", "check"], expect=2, env=named)
        by_option = run([controller, "config", "check", "-c", config], env=named)
        mistyped = run([controller, "config", "chekc"], expect=2)

        self.assertIn("/nowhere/controller.yaml", by_variable.stderr)
        self.assertIn("cluster prod", by_option.stdout)
        self.assertIn('did you mean "config check"?', mistyped.stderr)

    def test_config_check_as_another_user(self) -> None:
        files = self.made / "controller"
        self.configure(files)
        self.made.chmod(0o755)
        files.chmod(0o755)
        check = [program("holdfast-controller"), "config", "check", "--config", str(files / "controller.yaml")]

        by_root = run(check, expect=None)
        denied = run([*check, "--as", "nobody"], expect=None)
        unknown = run([*check, "--as", "no-such-user"], expect=None)
        os.chown(self.state, 0, 0)
        run(check)

        self.assertIn("controller.key", by_root.stderr, "root checks as the owner of state_dir")
        self.assertNotEqual(denied.returncode, 0)
        self.assertIn("controller.key", denied.stderr)
        self.assertIn('user "no-such-user" not found', unknown.stderr)


@unittest.skipUnless(Unit.is_possible(), "needs root, setpriv and a kernel of 6.3")
class RootBesideTheService(Case):
    def setUp(self) -> None:
        super().setUp()
        self.directory.chmod(0o711)
        self.state = self.directory / "state"
        self.repository = self.directory / "repository"
        self.live = self.directory / "live"
        for path in (self.state, self.repository, self.live):
            path.mkdir(mode=0o700)
        for path in (self.state, self.repository):
            os.chown(path, UID, UID)
        (self.live / "a").write_text("one\n")
        self.config = write_config(
            self.directory / "etc", [{"kind": "files", "name": "app", "paths": [str(self.live)]}],
            state_dir=str(self.state), repository=self.repository)
        self.root("repository", "init")

    def root(self, *words: str, expect: int | None = 0) -> Finished:
        done = run([agent_program(), *words, "--config", str(self.config)], expect=expect)
        return Finished(done.returncode, done.stdout, done.stderr)

    def service(self, *words: str) -> Finished:
        unit = Unit(UNITS / "holdfast-agent.service.in", [self.state, self.repository])
        done = run(unit.argv([agent_program(), *words, "--config", str(self.config)]))
        return Finished(done.returncode, done.stdout, done.stderr)

    def check_owners(self) -> None:
        for top in (self.state, self.repository):
            foreign = [str(path) for path in top.rglob("*") if path.stat().st_uid != UID]
            self.assertEqual(foreign, [])

    def test_service_backs_up_after_roots_backup(self) -> None:
        self.root("backup")
        self.root("list")
        self.root("check")

        self.check_owners()
        self.service("backup")
        self.service("check")

    def test_service_backs_up_after_roots_restore_in_place(self) -> None:
        self.service("backup")
        (self.live / "a").write_text("damaged\n")

        self.root("restore", "latest:files/app", "--in-place")

        self.assertEqual((self.live / "a").read_text(), "one\n")
        self.assertEqual((self.live / "a").stat().st_uid, 0)
        self.check_owners()
        self.service("backup")

    def test_config_check_reports_all_errors_at_once(self) -> None:
        config = write_config(
            self.directory / "bad", [], state_dir=str(self.state),
            repositories={name: {"url": f"file:{self.repository}", "password_file": f"/nowhere/{name}"}
                          for name in ("first", "second")}
            | {"third": {"url": f"file:{self.repository}", "password_file": "${CREDENTIALS_DIRECTORY}/third"}})

        done = run([agent_program(), "config", "check", "--config", str(config)], expect=None)

        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nowhere/first", done.stderr)
        self.assertIn("/nowhere/second", done.stderr)

    def test_config_check_lists_credentials_that_only_the_unit_has(self) -> None:
        config = write_config(
            self.directory / "unit", [], state_dir=str(self.state),
            repositories={"main": {"url": f"file:{self.repository}",
                                   "password_file": "${CREDENTIALS_DIRECTORY}/main"}})

        done = run([agent_program(), "config", "check", "--config", str(config)])

        self.assertIn("cannot be checked outside the unit", done.stdout)

    def test_config_check_opens_everything_as_the_user(self) -> None:
        done = run([agent_program(), "config", "check", "--as", "nobody", "--config", str(self.config)], expect=None)

        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(self.repository), done.stderr)
        self.assertIn(str(self.state), done.stderr)


@unittest.skipUnless(Unit.is_possible(), "needs root, setpriv and a kernel of 6.3")
class HelperBesideTheService(Case):
    """An agent under its unit's user, and the restore helper as root with its unit's capabilities."""

    def setUp(self) -> None:
        super().setUp()
        self.directory.chmod(0o711)
        self.state = self.directory / "var" / "agent"
        self.repository = self.directory / "repository"
        self.live = self.directory / "live"
        for path in (self.state.parent, self.state, self.repository, self.live):
            path.mkdir(mode=0o755)
        for path in (self.state, self.repository):
            os.chown(path, UID, UID)
        (self.live / "a").write_text("one\n")
        self.config = write_config(
            self.directory / "etc", [{"kind": "files", "name": "app", "paths": [str(self.live)]}],
            state_dir=str(self.state), repository=self.repository)
        (self.directory / "etc" / "policy.yaml").write_text("restore: in-place\n")
        self.cluster = Cluster(self.directory / "cluster").start()
        run(self.words("repository", "init"))
        run(self.words("join", "--token-file", "-"), input=self.cluster.call("agent", "token", "test-1", operator=True).stdout)
        unit = Unit(UNITS / "holdfast-agent.service.in", [self.state, self.repository])
        agent = Process(unit.argv(self.words("run")), self.directory / "agent.log")
        self.addCleanup(agent.kill)
        wait_until("the agent connected", lambda: self.cluster.state_of("test-1")["connected"])

    def words(self, *words: str) -> list[str]:
        return [agent_program(), *words, "--config", str(self.config)]

    def helper(self) -> None:
        rights = Unit(UNITS / "holdfast-restore.service.in", []).one("CapabilityBoundingSet").lower().split()
        bounding = ",".join(["-all", *("+" + right.removeprefix("cap_") for right in rights)])
        run(["setpriv", f"--bounding-set={bounding}", "--no-new-privs", *self.words("restore-helper")])

    def restore(self, *words: str) -> None:
        """Restores by an order that the helper executes."""
        plans = self.state / "restores"
        before = set(plans.glob("*.plan"))
        with concurrent.futures.ThreadPoolExecutor() as threads:
            restore = threads.submit(self.cluster.call, "restore", *words, "--node", "test-1", "--yes", operator=True)
            wait_until("the plan for the helper", lambda: restore.done() or set(plans.glob("*.plan")) - before)
            self.helper()
            restore.result()

    def test_agent_backs_up_after_the_helpers_restore(self) -> None:
        self.assertEqual(self.cluster.json("backup", "--all")["runs"][0]["state"], "done")
        (self.live / "a").write_text("damaged\n")

        self.restore("latest:files/app", "--in-place")

        self.assertEqual((self.live / "a").read_text(), "one\n")
        foreign = [str(path) for top in (self.state, self.repository) for path in top.rglob("*")
                   if path.lstat().st_uid != UID]
        self.assertEqual(foreign, [])
        self.assertEqual(self.cluster.json("backup", "--all")["runs"][0]["state"], "done")

    def snapshots(self, *words: str) -> list[dict]:
        return self.cluster.json("snapshot", "list", *words)["snapshots"]

    def test_an_order_undoes_a_restore(self) -> None:
        self.cluster.call("backup", "--all")
        backup = self.snapshots()[0]["id"]
        (self.live / "a").write_text("damaged\n")
        self.restore("latest:files/app", "--in-place")
        self.restore("latest:files/app", "--in-place")
        self.assertEqual((self.live / "a").read_text(), "one\n")
        self.assertEqual([one["id"] for one in self.snapshots()], [backup])
        safety = [one for one in self.snapshots("--safety") if one["safety"]]
        self.assertEqual({one["source"] for one in safety}, {"files/app"})
        self.assertEqual(len(safety), 2)

        # The marks return when the catalog is rebuilt from the repository.
        self.cluster.call("catalog", "rebuild")
        self.assertEqual({one["id"] for one in self.snapshots("--safety") if one["safety"]},
                         {one["id"] for one in safety})
        self.restore(safety[-1]["id"], "--undo")
        self.assertEqual((self.live / "a").read_text(), "damaged\n")
        self.restore("files/app", "--undo")
        self.assertEqual((self.live / "a").read_text(), "one\n")
        said = self.cluster.call("restore", backup, "--undo", "--node", "test-1", "--yes", operator=True, expect=2)
        self.assertIn("not a safety snapshot", said.stderr)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("systemd-sysusers"), "needs root and systemd-sysusers")
class Script(Case):
    """scripts/install into a root directory that holds only the tables of users and groups."""

    def setUp(self) -> None:
        super().setUp()
        self.system = self.directory / "system"
        (self.system / "etc").mkdir(parents=True)
        for name in ("passwd", "group", "shadow", "gshadow"):
            lines = Path("/etc", name).read_text().splitlines(keepends=True)
            (self.system / "etc" / name).write_text("".join(line for line in lines if "holdfast" not in line))
        self.before = self.users()

    def users(self) -> dict[str, str]:
        return {name: (self.system / "etc" / name).read_text() for name in ("passwd", "group")}

    def install(self, *words: str) -> str:
        return run([str(ROOT / "scripts" / "install"), *words, "--destdir", str(self.system)]).stdout

    def files(self) -> set[str]:
        return {str(path.relative_to(self.system)) for path in self.system.rglob("*")
                if path.is_file() and path.parent != self.system / "etc"}

    def test_uninstall_reverses_install(self) -> None:
        self.install("all", "--build", str(BUILD))

        for name in ("holdfast", "holdfast-agent", "holdfast-controller"):
            self.assertTrue((self.system / "usr/local/bin" / name).is_file(), name)
        self.assertIn("holdfast-controller:", self.users()["passwd"])
        agent = self.system / "var/lib/holdfast/agent"
        owner = next(line for line in self.users()["passwd"].splitlines() if line.startswith("holdfast:")).split(":")[2]
        self.assertEqual((agent.stat().st_uid, agent.stat().st_mode & 0o777), (int(owner), 0o700))

        self.install("--uninstall")

        self.assertEqual(self.files(), set())
        self.assertEqual(self.users(), self.before)
        self.assertFalse((self.system / "var/lib/holdfast").exists())

    def test_uninstall_keeps_configuration_and_state(self) -> None:
        self.install("agent", "--build", str(BUILD))
        self.assertFalse((self.system / "usr/local/bin/holdfast-controller").exists())
        kept = [self.system / "etc/holdfast/agent.yaml", self.system / "var/lib/holdfast/agent/journal.db"]
        for path in kept:
            path.write_text("data\n")

        output = self.install("--uninstall")

        self.assertEqual([path.read_text() for path in kept], ["data\n"] * 2)
        self.assertIn("holdfast:", self.users()["passwd"])
        self.assertIn("has data", output)

    def test_examples_are_valid(self) -> None:
        self.install("all", "--build", str(BUILD))
        examples = self.system / "usr/local/share/doc/holdfast/examples"
        etc = self.directory / "etc"
        shutil.copytree(examples, etc)
        (self.directory / "main.password").write_text("secret\n")
        (self.directory / "main.password").chmod(0o600)
        config = etc / "agent.yaml"
        config.write_text(config.read_text().replace("/etc/holdfast/", f"{self.directory}/")
                          + f"state_dir: {self.directory}/state\n")

        done = run([agent_program(), "config", "check", "--config", str(config)])
        command = run([program("holdfast"), "status", "--config", str(etc / "cli.yaml")], expect=None)

        self.assertIn("1 repository, 1 source", done.stdout)
        self.assertNotIn("cli.yaml", command.stderr)


main()
