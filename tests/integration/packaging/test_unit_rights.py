"""The agent saves each kind of source as its own user, with only the rights of its unit. Both daemons work under their
units' restrictions. lib/unit.py lists the settings of a unit that these tests apply."""

import os
import shutil
import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import (Alertmanager, Authority, Case, EtcdCluster, Finished, HAProxy, MetricsEndpoint, Prometheus,
                 agent_program, free_port, main, run, service_program, wait_until)
from lib.agent import write_config
from lib.cluster import Cluster, program
from lib.places import ROOT
from lib.processes import Process
from lib.unit import UID, Unit

UNITS = ROOT / "packaging" / "systemd"
PASSWORD = "a password of the credential\n"


def give(path: Path) -> None:
    """Gives the path and everything below it to the units' user."""
    for one in (path, *path.rglob("*")):
        os.chown(one, UID, UID)


@unittest.skipUnless(Unit.is_possible(), "needs root, setpriv and a kernel of 6.3")
class Rights(Case):
    def setUp(self) -> None:
        super().setUp()
        self.directory.chmod(0o711)
        self.credentials = self.directory / "credentials"
        self.credentials.mkdir(mode=0o500)
        (self.credentials / "main").write_text(PASSWORD)
        (self.credentials / "main").chmod(0o400)
        give(self.credentials)
        self.state = self.directory / "state"
        self.repository = self.directory / "repository"
        self.secret = self.directory / "secret"
        for path, mode in ((self.state, 0o700), (self.repository, 0o700), (self.secret, 0o700)):
            path.mkdir(mode=mode)
        give(self.state)
        give(self.repository)

    def configure(self, *sources: dict) -> Path:
        """Everything except state and repository belongs to root and is closed to others."""
        config = write_config(
            self.directory / "etc", list(sources), state_dir=str(self.state),
            repositories={"main": {"url": f"file:{self.repository}", "password_file": "${CREDENTIALS_DIRECTORY}/main"}})
        config.chmod(0o600)
        run([agent_program(), "restore-helper", "--prepare", "--config", str(config)])  # the unit's ExecStartPre
        self.agent("repository", "init")
        return config

    def unit(self, kind: str = "agent") -> Unit:
        return Unit(UNITS / f"holdfast-{kind}.service.in", [self.state, self.repository])

    def agent(self, *words: str, expect: int = 0, unit: Unit | None = None) -> Finished:
        argv = [agent_program(), *words, "--config", str(self.directory / "etc" / "agent.yaml")]
        done = run((unit or self.unit()).argv(argv), expect=expect, env={"CREDENTIALS_DIRECTORY": str(self.credentials)})
        return Finished(done.returncode, done.stdout, done.stderr)

    def backup(self, **options) -> dict:
        return self.agent("backup", "--json", **options).document["sources"][0]

    def restored(self, source: dict, name: str) -> Path:
        """Restores a file of the source's newest snapshot as root, who has the password."""
        target = self.directory / "out"
        password = self.directory / "password"
        password.touch(0o600)
        password.write_text(PASSWORD)
        run([agent_program(), "restore", source["snapshot"], "--to", str(target),
             "--repository-url", f"file:{self.repository}", "--password-file", str(password)])
        return next(target.rglob(name))

    def test_files_of_other_users_are_read(self) -> None:
        for name, owner in (("root", 0), ("daemon", 1), ("nobody", 65534)):
            (self.secret / name).write_text(f"of {name}\n")
            (self.secret / name).chmod(0o600)
            os.chown(self.secret / name, owner, owner)
        self.configure({"kind": "files", "name": "app", "paths": [str(self.secret)]})

        saved = self.backup()

        self.assertEqual((saved["state"], saved["missing"]), ("done", []), saved)
        self.assertEqual(self.restored(saved, "nobody").read_text(), "of nobody\n")

    def test_without_the_capability_unreadable_files_are_named(self) -> None:
        (self.secret / "key").write_text("a key\n")
        (self.secret / "key").chmod(0o600)
        self.secret.chmod(0o755)
        self.configure({"kind": "files", "name": "app", "paths": [str(self.secret)]})
        without = self.unit()
        without.settings["AmbientCapabilities"] = [""]
        without.settings["CapabilityBoundingSet"] = [""]
        (self.directory / "etc").chmod(0o755)
        (self.directory / "etc" / "agent.yaml").chmod(0o644)

        saved = self.backup(unit=without, expect=3)

        self.assertEqual(saved["state"], "partly done", saved)
        self.assertEqual([one["what"] for one in saved["missing"]], [str(self.secret / "key")])
        self.assertIn("permission denied", saved["missing"][0]["reason"].lower())

    def test_agent_writes_only_where_the_unit_allows(self) -> None:
        (self.secret / "a").write_text("a\n")
        self.configure({"kind": "files", "name": "app", "paths": [str(self.secret)]})
        shut = Unit(UNITS / "holdfast-agent.service.in", [self.state])

        failed = self.agent("backup", expect=4, unit=shut)

        self.assertIn("read-only", failed.stderr.lower())
        self.assertIn("ReadWritePaths", failed.stderr)
        refused = run(self.unit().argv(["/bin/sh", "-c", f"echo x > {self.secret}/b"]), expect=None)
        self.assertNotEqual(refused.returncode, 0)

    def test_etcd_is_saved_with_a_key_that_only_root_can_read(self) -> None:
        etcd = EtcdCluster(self.directory / "etcd", "etcd", authority=Authority(self.directory / "ca")).start()
        etcd.fill(200)
        conf = self.secret / "etcd.conf"
        conf.write_text("name: m1\n")
        conf.chmod(0o600)
        self.assertEqual(Path(etcd.source()["key"]).stat().st_mode & 0o077, 0)
        self.configure(etcd.source(files=[str(conf)]))

        saved = self.backup()

        self.assertEqual((saved["state"], saved["missing"]), ("done", []), saved)
        self.assertGreater(self.restored(saved, "snapshot.db").stat().st_size, 0)
        etcd.stop()

    def test_prometheus_is_saved_if_only_its_user_can_read_the_data(self) -> None:
        endpoint = MetricsEndpoint(series=5)
        self.addCleanup(endpoint.stop)
        server = Prometheus(self.secret / "prometheus", targets=[f"127.0.0.1:{endpoint.port}"])
        self.addCleanup(server.kill)
        server.start()
        wait_until("a block", server.blocks, 120)
        self.configure(server.source())

        saved = self.backup()

        self.assertEqual((saved["state"], saved["missing"], saved["warnings"]), ("done", [], []), saved)
        self.assertGreater(self.restored(saved, "index").stat().st_size, 0)

    def test_alertmanager_is_saved_if_only_its_user_can_read_the_files(self) -> None:
        server = Alertmanager(self.secret / "alertmanager")
        self.addCleanup(server.kill)
        server.start()
        server.add_silence()
        self.configure(server.source())

        saved = self.backup()

        self.assertEqual((saved["state"], saved["missing"]), ("done", []), saved)
        self.assertIn(b"planned", self.restored(saved, "silences").read_bytes())

    def test_zookeeper_is_saved_if_only_its_user_can_read_the_data(self) -> None:
        """Uses the files that a real server left."""
        data = self.secret / "data"
        shutil.copytree(ROOT / "tests" / "unit" / "sources" / "zookeeper" / "data" / "39", data / "version-2")
        (data / "myid").write_text("1\n")
        config = self.secret / "zoo.cfg"
        config.write_text(f"dataDir={data}\nclientPort={free_port()}\nclientPortAddress=127.0.0.1\n")
        for path in (config, data, *data.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
            os.chown(path, 1, 1)
        self.configure({"kind": "zookeeper", "name": "main", "config": str(config)})

        saved = self.backup()

        self.assertEqual((saved["state"], saved["missing"]), ("done", []), saved)
        self.assertEqual(saved["position"]["zxid"], "0x38")
        snapshot = data / "version-2" / "snapshot.2a"
        self.assertEqual(self.restored(saved, snapshot.name).read_bytes(), snapshot.read_bytes())

    def test_haproxy_with_regular_expressions_is_saved_but_not_checked(self) -> None:
        """`haproxy -c` compiles the expressions into writable and executable memory, which the unit denies."""
        etc = self.secret
        issued = Authority(self.directory / "ca").issue("site")
        (etc / "site.pem").write_text(issued.cert.read_text() + issued.key.read_text())
        (etc / "paths.map").write_text("^/a(b|c)+ one\n")
        (etc / "haproxy.cfg").write_text(
            f"""defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend tls
    bind 127.0.0.1:{free_port()} ssl crt {etc}/site.pem
    acl api path_reg -i ^/v[0-9]+/(users|groups)/[^/]+$
    http-request deny if api
    http-request set-header X-To %[path,map_reg({etc}/paths.map)]
    http-request replace-path ^/old/(.*)$ /new/\\1
    http-request return status 200
""")
        for path in etc.iterdir():
            path.chmod(0o600)
        self.configure({"kind": "haproxy", "name": "edge", "config": [str(etc / "haproxy.cfg")],
                        "binary": service_program("haproxy", "haproxy")})

        saved = self.backup()

        self.assertEqual((saved["state"], saved["missing"], len(saved["warnings"])), ("done", [], 1), saved)
        self.assertIn("not checked", saved["warnings"][0])
        self.assertIn("MemoryDenyWriteExecute=no", saved["warnings"][0])
        self.assertIn("PRIVATE KEY", self.restored(saved, "site.pem").read_text())

    def test_runtime_state_of_haproxy_is_read_through_a_socket_of_the_agents_group(self) -> None:
        run_directory = self.directory / "run"
        run_directory.mkdir(mode=0o755)
        (self.secret / "a.map").write_text("a 1\n")
        config = self.secret / "haproxy.cfg"
        config.write_text(
            f"""global
    stats socket {run_directory}/admin.sock gid {UID} mode 660 level operator
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend plain
    bind 127.0.0.1:{free_port()}
    http-request set-header X-To %[path,map({self.secret}/a.map)]
    http-request return status 200
""")
        haproxy = HAProxy(run_directory, [config])
        haproxy.start()
        self.addCleanup(haproxy.stop)
        haproxy.admin(f"add map {self.secret}/a.map b 2")
        self.configure({"kind": "haproxy", "name": "edge", "config": [str(config)],
                        "binary": service_program("haproxy", "haproxy"), "socket": f"{run_directory}/admin.sock"})

        saved = self.backup()

        self.assertEqual((saved["state"], saved["missing"]), ("done", []), saved)
        self.assertIn("2 entries, 1 in the file", self.restored(saved, "manifest.json").read_text())

    def test_both_daemons_work_and_notify_systemd(self) -> None:
        (self.secret / "a").write_text("a\n")
        self.configure({"kind": "files", "name": "app", "paths": [str(self.secret)]})
        cluster = Cluster(self.directory / "cluster")
        for path in (self.directory / "cluster", self.directory / "cluster" / "made"):
            path.chmod(0o755)
        give(self.directory / "cluster" / "made" / "controller")
        home = self.directory / "controller"
        home.mkdir(mode=0o700)
        give(home)
        text = cluster.config.read_text()
        text = text.replace(str(cluster.socket), str(home / "socket")).replace(
            str(cluster.directory / "controller-state"), str(home))
        cluster.config.write_text(text)
        cluster.socket = home / "socket"
        shut = Unit(UNITS / "holdfast-controller.service.in", [home])
        controller_notify, listening = self.listen("controller")
        cluster.controller = Process(
            shut.argv([program("holdfast-controller"), "run", "--config", str(cluster.config)]),
            self.directory / "controller.log", env=listening)
        self.expect_message(controller_notify, cluster.controller, "READY=1")
        cluster._wait_for_controller()
        config = self.directory / "etc" / "agent.yaml"
        token = cluster.call("agent", "token", "test-1", operator=True).stdout
        joined = self.unit().argv([agent_program(), "join", "--token-file", "-", "--config", str(config)])
        run(joined, input=token, env={"CREDENTIALS_DIRECTORY": str(self.credentials)})
        agent_notify, listening = self.listen("agent")
        agent = Process(
            self.unit().argv([agent_program(), "run", "--config", str(config)]), self.directory / "agent.log",
            env={"CREDENTIALS_DIRECTORY": str(self.credentials), **listening})
        self.expect_message(agent_notify, agent, "READY=1")
        wait_until("the agent connected", lambda: cluster.state_of("test-1")["connected"])

        done = cluster.json("backup", "--all")["runs"][0]

        self.assertEqual(done["state"], "done", done)
        for notify, daemon in ((agent_notify, agent), (controller_notify, cluster.controller)):
            for _ in range(2):
                self.expect_message(notify, daemon, "WATCHDOG=1")
            daemon.signal(15)
            self.expect_message(notify, daemon, "STOPPING=1")
            self.assertEqual(daemon.wait(), 0, daemon.tail())

    def listen(self, name: str) -> tuple[socket.socket, dict[str, str]]:
        """systemd's end of the notification socket, and the variables that it sets, with a watchdog of 2 s."""
        path = self.directory / f"{name}.notify"
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.bind(str(path))
        path.chmod(0o666)
        notify.settimeout(30)
        return notify, {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000000"}

    def expect_message(self, notify: socket.socket, daemon: Process, word: str) -> None:
        while True:
            try:
                lines = notify.recv(4096).decode().splitlines()
            except TimeoutError:
                raise AssertionError(f"no {word}; the daemon said:\n{daemon.tail()}") from None
            if word in lines:
                return


shutil.which("systemd-analyze") or sys.exit(77)
main("etcd", "haproxy", "prometheus", "alertmanager")
