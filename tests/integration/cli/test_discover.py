"""`source list --discover` finds local services, and its lines are valid configuration."""

import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import (  # noqa: E402
    Agent,
    Alertmanager,
    Authority,
    Case,
    EtcdCluster,
    HAProxy,
    KafkaCluster,
    Prometheus,
    ZooKeeperEnsemble,
    free_port,
    main,
    service_program,
    write_config,
)

# Debian's package is unpacked here, so its libraries are not on their default path.
_ROOT = Path(service_program("haproxy", "haproxy")).parents[1] / "root"
_LIBRARIES = {"LD_LIBRARY_PATH": str(_ROOT / "usr" / "lib" / "x86_64-linux-gnu")}


class Discover(Case):
    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.shared_directory()
        cls.etcd = EtcdCluster(directory / "etcd", authority=Authority(directory / "ca")).start()
        cls.addClassCleanup(cls.etcd.stop)
        cls.kafka = KafkaCluster(directory / "kafka", brokers=1).start()
        cls.addClassCleanup(cls.kafka.kill)
        config = directory / "haproxy.cfg"
        config.write_text(
            "defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n"
            f"listen l\n bind 127.0.0.1:{free_port()}\n"
        )
        cls.haproxy = HAProxy(directory, [config]).start()
        cls.addClassCleanup(cls.haproxy.stop)
        cls.zookeeper = ZooKeeperEnsemble(directory / "zk", members=1, own_log_dir=True)
        cls.addClassCleanup(cls.zookeeper.kill)
        cls.zookeeper.start()
        flags = ("--web.external-url=http://mon.example.com/prom/",)
        cls.prometheus = Prometheus(directory / "prometheus", flags=flags)
        cls.prometheus.api.url += "/prom"
        cls.addClassCleanup(cls.prometheus.kill)
        cls.prometheus.start()
        first = Alertmanager(directory / "am-1", peers=[])
        cls.alertmanager = Alertmanager(directory / "am-2", peers=[first])
        for one in (first, cls.alertmanager):
            cls.addClassCleanup(one.kill)
            one.start()

    def ours(self, document: dict) -> dict[str, dict]:
        """Services of this test by kind; the machine may have others."""
        broker = self.kafka.brokers[1]
        marks = {
            "etcd": self.etcd.members[0].client_url,
            "kafka": str(broker.log_dirs[0]),
            "haproxy": str(self.haproxy.configs[0]),
            "zookeeper": str(self.zookeeper.members[1].config),
            "prometheus": str(self.prometheus.data),
            "alertmanager": str(self.alertmanager.storage),
        }
        found = {}
        for kind, mark in marks.items():
            lines = [one for one in document["services"] if one["kind"] == kind and mark in one["line"]]
            self.assertEqual(len(lines), 1, (kind, document))
            found[kind] = lines[0]
        return found

    def test_each_line_is_a_source_that_can_be_probed(self) -> None:
        fresh = Agent(self.directory / "agent.yaml")
        found = self.ours(fresh.json("source", "list", "--discover"))
        self.assertEqual(found["etcd"]["process"], self.etcd.members[0].process.pid)
        self.assertEqual(found["haproxy"]["process"], self.haproxy.process.pid)
        self.assertEqual(found["kafka"]["process"], self.kafka.brokers[1].process.pid)
        self.assertEqual(found["zookeeper"]["process"], self.zookeeper.members[1].process.pid)
        self.assertEqual(found["prometheus"]["process"], self.prometheus.process.pid)
        self.assertEqual(found["alertmanager"]["process"], self.alertmanager.process.pid)
        [note] = found["alertmanager"]["notes"]
        self.assertIn("add their URLs", note)
        for service in found.values():
            self.assertFalse(service["configured"])

        # Paste the lines unchanged.
        config = write_config(self.directory, [])
        text = config.read_text().replace('"sources": []', '"sources": [\n%s]')
        entries = ",\n".join(service["line"].removeprefix("- ") for service in found.values())
        config.write_text(text % entries)
        (self.directory / "password").touch(0o600)
        (self.directory / "password").write_text("secret\n")
        agent = Agent(config)
        agent.run("config", "check")
        sources = agent.json("source", "list", env=_LIBRARIES)["sources"]
        self.assertEqual({source["kind"] for source in sources}, set(found))
        for source in sources:
            self.assertTrue(source["healthy"], source)
            self.assertEqual(source["missing"], [], source)

        again = self.ours(agent.json("source", "list", "--discover"))
        for kind, service in again.items():
            self.assertTrue(service["configured"], service)
            self.assertEqual(service["name"], found[kind]["name"])
        shown = agent.run("source", "list", "--discover").stdout
        for service in again.values():
            self.assertNotIn(service["line"], shown)
            self.assertRegex(shown, rf"{service['kind']}/{service['name']} .*yes\n")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_an_unprivileged_user_gets_notes_about_what_is_hidden(self) -> None:
        self.directory.chmod(0o755)
        agent = Agent(self.directory / "none.yaml", user="nobody")
        found = self.ours_of_nobody(agent.json("source", "list", "--discover"))
        self.assertTrue(any("CAP_SYS_PTRACE" in note for note in found["etcd"]["notes"]), found)
        for kind in ("kafka", "zookeeper"):
            self.assertTrue(any("let the agent read it" in note for note in found[kind]["notes"]), found)

    def ours_of_nobody(self, document: dict) -> dict[str, dict]:
        """Services by process. In lines of other users' processes, details may be guesses."""
        pids = {
            "etcd": self.etcd.members[0].process.pid,
            "kafka": self.kafka.brokers[1].process.pid,
            "haproxy": self.haproxy.process.pid,
            "zookeeper": self.zookeeper.members[1].process.pid,
        }
        by_pid = {service["process"]: service for service in document["services"]}
        return {kind: by_pid[pid] for kind, pid in pids.items()}


if __name__ == "__main__":
    main("alertmanager", "etcd", "haproxy", "kafka41", "prometheus", "zookeeper39")
