"""Faults during a backup of Kafka: each has a clear result that names the object, and everything else is saved."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saving import make_agent, source_of
from lib import Agent, Case, KafkaCluster, KafkaClient, Record, agent_program, main, wait_until, write_config
from lib.kafka_log import partition_records
from lib.processes import Process, free_port

FOR_EVER = {"retention.ms": "-1"}
MIB = 1 << 20


def progress_in(log: Path) -> list[dict]:
    """The progress lines, without an incomplete last one."""
    *whole, _ = log.read_text().split("\n")
    return [json.loads(line) for line in whole if line.startswith('{"')]


def document_in(log: Path) -> dict:
    """The JSON document, which follows the progress lines."""
    text = log.read_text()
    return json.loads(text[text.index("{\n") :])


class Strangers:
    """`addresses` where no broker answers, each with the expected message and hint."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        hole, mute, web = (self.listener(backlog) for backlog in (0, 100, 100))
        # These fill the backlog. The kernel lets further clients wait, like a firewall that drops packets.
        for _ in range(3):
            one = socket.socket()
            self.sockets.append(one)
            one.setblocking(False)
            one.connect_ex(hole.getsockname())
        threading.Thread(target=self.answer, args=[web], daemon=True).start()
        self.addresses = {
            f"127.0.0.1:{free_port()}": ("Connection refused", "the brokers run and listen there"),
            "nowhere.invalid:9092": ("resolve", "host names"),
            self.address(hole): ("", "check that the brokers run and listen there, that no firewall blocks the connection, and that the addresses they advertise (advertised.listeners) can be reached from here"),
            self.address(mute): ("ApiVersionRequest failed", "the program that listens there does not answer like a broker: check the address, and whether it requires TLS (`security.protocol`)"),
            self.address(web): ("Invalid response size", "the program that listens there does not answer like a broker: check the address, and whether it requires TLS (`security.protocol`)"),
        }

    def listener(self, backlog: int) -> socket.socket:
        found = socket.socket()
        self.sockets.append(found)
        found.bind(("127.0.0.1", 0))
        found.listen(backlog)
        return found

    @staticmethod
    def address(listener: socket.socket) -> str:
        return f"127.0.0.1:{listener.getsockname()[1]}"

    @staticmethod
    def answer(listener: socket.socket) -> None:
        """Like a web server that does not understand the request."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def close(self) -> None:
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
            one.close()


class Faults(Case):
    """Each test saves `cluster`: one broker, or `pair`, two brokers with ZooKeeper, so that either may die."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.shared = cls.shared_directory()
        cls.cluster = KafkaCluster(cls.shared / "kafka", brokers=1, properties={"message.max.bytes": "30000000"})
        cls.pair = KafkaCluster(cls.shared / "pair", "kafka39", 2, zookeeper=True)
        cls.addClassCleanup(cls.cluster.kill)
        cls.addClassCleanup(cls.pair.kill)
        cls.cluster.start()
        # The doomed run writes its first index after a minute, while the other tests run.
        cls.cluster.create_topic("bulk", config=FOR_EVER)
        cls.cluster.admin().load("bulk", 16_000, 10_000, random=1.0)
        source = source_of(cls.cluster, cls.shared, topics={"include": ["bulk"]}, read_mib_s=1)
        doomed = make_agent(cls.shared / "doomed", source)
        cls.doomed_run = doomed.start("backup", log=cls.shared / "doomed.log")
        cls.addClassCleanup(cls.doomed_run.kill)
        cls.doom = threading.Thread(target=cls.kill_when_something_is_stored, daemon=True)
        cls.doom.start()
        # These fail after half a minute.
        cls.strangers = Strangers()
        cls.addClassCleanup(cls.strangers.close)
        cls.lost_runs = {address: cls.run_at(address) for address in cls.strangers.addresses}
        cls.pair.start()

    @classmethod
    def kill_when_something_is_stored(cls) -> None:
        index = cls.shared / "doomed" / "repository" / "index"

        def is_whole() -> bool:
            return any(len(file.name) == 64 for file in index.iterdir())  # written under another name

        wait_until("an index", lambda: is_whole() or not cls.doomed_run.is_running(), 200)
        cls.doomed_run.kill()

    @classmethod
    def run_at(cls, address: str) -> tuple[Agent, Process]:
        directory = cls.shared / address.replace(":", "-")
        agent = make_agent(directory, {"kind": "kafka", "name": "main", "repository": "main", "bootstrap": [address]})
        run = agent.start("backup", log=directory / "log")
        cls.addClassCleanup(run.kill)
        return agent, run

    def source(self, *topics: str, **options) -> dict:
        return source_of(self.cluster, self.directory, topics={"include": list(topics)}, **options)

    def agent(self, *topics: str, **options) -> Agent:
        return make_agent(self.directory / f"agent-{len(list(self.directory.iterdir()))}", self.source(*topics, **options))

    def backup(self, agent: Agent, expect: int = 0) -> dict:
        [task] = agent.json("backup", expect=expect)["sources"]
        return task

    def restore(self, agent: Agent) -> Path:
        target = self.directory / f"restored-{len(list(self.directory.iterdir()))}"
        agent.run("restore", "latest:kafka/main", "--allow-partial", "--to", str(target))
        return target

    def check_whole(self, directory: Path, *topics: str) -> None:
        """The restored records are those that a consumer reads."""
        client = self.cluster.admin()
        for topic in topics:
            there = client.consume(topic)
            for partition in range(len(client.metadata()["topics"][topic])):
                wanted = [record for record in there if record.partition == partition]
                self.assertEqual(partition_records(directory, topic, partition), wanted, f"{topic}-{partition}")

    def document(self, directory: Path, topic: str, partition: int = 0) -> dict:
        return json.loads((directory / "data" / "topics" / topic / str(partition) / "partition.json").read_text())

    def missing(self, task: dict) -> dict[str, str]:
        return {one["what"]: one["reason"] for one in task["missing"]}

    def backup_disturbed(self, agent: Agent, disturb: Callable[[], None], expect: int) -> dict:
        """Pauses a run that has begun to read, and calls `disturb`. Reading must be slow enough for this."""
        log = agent.config.with_name("run.log")
        run = agent.start("backup", "--json", log=log)

        def reads() -> bool:
            run.require_running()
            return any(line["phase"] == "save" and line["bytes"] > MIB for line in progress_in(log))

        wait_until("records to be read", reads, 60)
        run.signal(signal.SIGSTOP)
        self.assertTrue(run.is_running())
        disturb()
        run.signal(signal.SIGCONT)
        self.assertEqual(run.wait(150), expect, run.tail())
        return document_in(log)["sources"][0]

    # -- faults

    def test_topics_deleted_during_the_backup_are_named(self) -> None:
        admin = self.cluster.admin()
        for topic in ("go-a", "go-b", "go-c", "go-e", "go-z"):
            self.cluster.create_topic(topic, config=FOR_EVER)
        admin.load("go-a", 12_000, 1_000, random=1.0)
        for topic in ("go-c", "go-e", "go-z"):
            admin.load(topic, 1_000, 1_000)

        def disturb() -> None:
            self.cluster.delete_topic("go-c")
            self.cluster.create_topic("go-d", config=FOR_EVER)
            self.cluster.delete_topic("go-e")
            self.cluster.create_topic("go-e", config=FOR_EVER)
            admin.load("go-e", 1_500, 1_000, seed=2)

        files = [str(directory) for directory in self.cluster.brokers[1].log_dirs]
        agent = self.agent("go-*", read_mib_s=4, log_dirs=files)
        task = self.backup_disturbed(agent, disturb, 3)
        self.assertEqual(list(self.missing(task)), ["data/topics/go-c/0", "data/topics/go-e"])
        self.assertIn("the topic was deleted", self.missing(task)["data/topics/go-c/0"])
        self.assertIn("deleted and recreated", self.missing(task)["data/topics/go-e"])
        self.assertLess(task["seconds"]["save"], 40)  # the run did not wait for the deleted topic
        directory = self.restore(agent)
        self.check_whole(directory, "go-a", "go-b", "go-z")
        self.assertFalse((directory / "data" / "topics" / "go-d").exists())
        self.assertEqual(self.backup(agent)["missing"], [])
        self.check_whole(self.restore(agent), "go-a", "go-b", "go-d", "go-e", "go-z")

    def test_open_transaction_keeps_later_records_out(self) -> None:
        self.cluster.create_topic("paid", 2, config=FOR_EVER)
        begun = 1577880000000  # 2020-01-01T12:00:00Z
        with self.cluster.admin().producing() as producing:
            producing.begin("x")
            producing.produce([Record("paid", 0, value=b"closed", timestamp=1000)], "x")
            producing.commit("x")
            producing.begin("hangs")
            producing.produce([Record("paid", 0, value=b"open", timestamp=begun)], "hangs")
            producing.produce([Record("paid", 0, value=b"behind it"), Record("paid", 1, value=b"other")])
            agent = self.agent("paid")
            task = self.backup(agent)
            [warning] = task["warnings"]
            self.assertIn('partition 0 of topic "paid": an open transaction', warning)
            self.assertIn("keeps offsets 2 to 3 out of the snapshot", warning)
            self.assertIn("2020-01-01T12:00:00", warning)
            directory = self.restore(agent)
            self.check_whole(directory, "paid")
            self.assertEqual(self.document(directory, "paid")["last_stable"], 2)

    def test_records_deleted_before_they_are_read_are_named(self) -> None:
        """The reader prefetches less than what is deleted."""
        self.cluster.create_topic("shrinks", config=FOR_EVER)
        self.cluster.admin().load("shrinks", 70_000, 1_000, random=1.0)
        self.cluster.create_topic("shrinks-not", config=FOR_EVER)
        self.cluster.admin().load("shrinks-not", 1_000, 1_000)
        agent = self.agent("shrinks*", read_mib_s=8)
        task = self.backup_disturbed(agent, lambda: self.cluster.admin().trim("shrinks", 0, 69_000), 0)
        self.assertEqual(task["missing"], [])
        directory = self.restore(agent)
        [lost] = self.document(directory, "shrinks")["lost"]
        self.assertEqual(lost["end"], 69_000)
        self.assertIn("deleted during the backup", " ".join(task["warnings"]))
        offsets = [record.offset for record in partition_records(directory, "shrinks", 0)]
        self.assertEqual(offsets, [*range(lost["first"]), *range(69_000, 70_000)])
        self.check_whole(directory, "shrinks-not")

    def test_large_records_are_saved(self) -> None:
        self.cluster.create_topic("large", config=FOR_EVER | {"max.message.bytes": "20000000"})
        values = [b"before", os.urandom(15_000_000), b"between", os.urandom(9_000_000), b"behind"]
        properties = self.cluster.admin().properties | {"message.max.bytes": "20000000"}
        KafkaClient(properties).produce([Record("large", 0, value=value) for value in values])
        agent = self.agent("large")
        self.assertEqual(self.backup(agent)["state"], "done")
        records = partition_records(self.restore(agent), "large", 0)
        self.assertTrue([record.value for record in records] == values)

    def test_full_disk_leaves_the_repository_valid(self) -> None:
        directory = self.directory / "agent"
        agent = make_agent(directory, self.source("bulk"), repository=self.directory / "small" / "repository")
        # The repository gets a small file system in a separate mount namespace.
        script = f"""
            mkdir "$SMALL.made"; mv "$SMALL"/* "$SMALL.made"
            mount -t tmpfs -o size=24m none "$SMALL"; mv "$SMALL.made"/* "$SMALL"
            code=0; "$AGENT" backup --config "$CONFIG" || code=$?
            test $code = 1
            "$AGENT" check --read-data --config "$CONFIG"
            test "$("$AGENT" list --config "$CONFIG" --json | grep -c '"parent"')" = 0
        """
        environment = {
            **os.environ,
            "SMALL": str(self.directory / "small"),
            "AGENT": agent_program(),
            "CONFIG": str(agent.config),
        }
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        argv = ["unshare", *as_root, "--mount", "bash", "-euc", script]
        done = subprocess.run(argv, env=environment, text=True, capture_output=True, timeout=250, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("no space left on device", done.stderr)

    def test_unfinished_data_of_a_killed_run_is_used(self) -> None:
        self.doom.join(240)
        self.assertFalse(self.doomed_run.is_running())
        whole = source_of(self.cluster, self.shared, topics={"include": ["bulk"]})
        agent = Agent(write_config(self.shared / "doomed", [whole]))
        task = self.backup(agent)
        self.assertEqual((task["state"], task["parent"]), ("done", None))
        self.assertGreater(task["bytes"], 150 * MIB)
        self.assertLess(task["bytes_added"], task["bytes"] - 16 * MIB)
        self.check_whole(self.restore(agent), "bulk")
        agent.run("check")

    def test_absent_leader_and_damaged_file_are_named(self) -> None:
        self.cluster = self.pair
        self.cluster.create_topic("held", config=FOR_EVER | {"segment.bytes": str(MIB)}, assignment=[[1], [2]])
        self.cluster.create_topic("other", config=FOR_EVER, assignment=[[1], [2]])
        admin = self.cluster.admin()
        for topic in ("held", "other"):
            for partition in range(2):
                admin.load(topic, 3_000, 1_000, random=1.0, partition=partition)
        self.cluster.stop_broker(2)
        wait_until("no leader", lambda: self.cluster.admin(1).metadata()["topics"]["held"]["1"]["leader"] == -1)
        agent = self.agent("held", "other")
        task = self.backup(agent, 3)
        self.assertEqual(list(self.missing(task)), ["data/topics/held/1", "data/topics/other/1"])
        for one in task["missing"]:
            self.assertIn("leader not available", one["reason"])
            self.assertIn("start one of them", one["remedy"])
        directory = self.restore(agent)
        for topic in ("held", "other"):
            self.assertEqual(len(partition_records(directory, topic, 0)), 3_000)

        first, damaged, *_ = self.cluster.segments(2, "held", 1)
        with open(damaged, "r+b") as file:
            file.seek(damaged.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        self.cluster.start_broker(2)
        for topic in ("held", "other"):
            self.cluster.wait_for_leader(topic, 1)
        task = self.backup(agent, 3)
        self.assertEqual(list(self.missing(task)), ["data/topics/held/1"])
        [reason] = self.missing(task).values()
        self.assertIn("kafka-dump-log", task["missing"][0]["remedy"])
        directory = self.restore(agent)
        self.check_whole(directory, "other")
        self.assertEqual(len(partition_records(directory, "held", 0)), 3_000)
        saved = len(partition_records(directory, "held", 1))
        self.assertGreaterEqual(saved, int(damaged.stem))
        self.assertIn(f"offset {saved}", reason)
        self.assertEqual(self.document(directory, "held", 1)["end"], saved)

    def test_leader_death_is_survived_or_named(self) -> None:
        """First one with a complete replica, then one whose replica does not have the newest records."""
        self.cluster = self.pair
        admin = self.cluster.admin()
        self.cluster.create_topic("moves", config=FOR_EVER, assignment=[[1, 2]])
        self.cluster.create_topic(
            "risky", config=FOR_EVER | {"unclean.leader.election.enable": "true"}, assignment=[[1, 2]]
        )
        admin.load("moves", 70_000, 1_000, random=1.0)
        admin.load("risky", 500, 1_000)
        agent = self.agent("moves", read_mib_s=8)
        task = self.backup_disturbed(agent, lambda: self.cluster.kill_broker(1), 0)
        self.assertEqual((task["state"], task["missing"]), ("done", []))
        self.check_whole(self.restore(agent), "moves")

        wait_until("broker 2 to lead", lambda: self.cluster.admin(2).metadata()["topics"]["risky"]["0"]["isr"] == [2])
        self.cluster.admin(2).load("risky", 70_000, 1_000, random=1.0, seed=2)
        agent = self.agent("risky", read_mib_s=8)

        def elect() -> None:
            self.cluster.kill_broker(2)
            self.cluster.start_broker(1)
            self.cluster.wait_for_leader("risky")

        task = self.backup_disturbed(agent, elect, 3)
        self.assertEqual(list(self.missing(task)), ["data/topics/risky/0"])
        [reason] = self.missing(task).values()
        self.assertIn("of 70500", reason)
        self.assertIn("the partition no longer has this offset: records were deleted, or the new leader never had them", task["missing"][0]["remedy"])
        self.restore(agent)
        task = self.backup(agent)
        self.assertEqual((task["state"], task["missing"]), ("done", []))
        self.check_whole(self.restore(agent), "risky")
        self.cluster.start_broker(2)

    def test_unreachable_brokers_are_named(self) -> None:
        """The error names the address, the reason and what to check. No snapshot is left."""
        for address, (says, hint) in self.strangers.addresses.items():
            with self.subTest(address=address, says=says):
                agent, run = self.lost_runs[address]
                self.assertEqual(run.wait(90), 5, run.tail())
                message, hinted = run.tail().split("\nhint: ", 1)
                self.assertIn(f'kafka/main: kafka at "{address}": no answer within 30', message)
                self.assertIn(says, message)
                self.assertIn(hint, hinted)
                self.assertEqual(agent.json("list")["repositories"][0]["snapshots"], [])


if __name__ == "__main__":
    main("kafka41", "kafka39")
