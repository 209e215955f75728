"""The test library for Kafka: clusters with all their options, and kafka_tool, which must not change a byte."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Authority, Case, KafkaCluster, KafkaError, Record, main, odd_records, wait_until

NEW = "librdkafka"  # the current one
FOR_EVER = {"retention.ms": "-1"}
RECORDS = odd_records("odd")
NUMBER = r"(-?\d+)"
DUMPED = re.compile(
    rf"^\| offset: {NUMBER} CreateTime: {NUMBER} keySize: {NUMBER} valueSize: {NUMBER} .*?headerKeys: \[(.*?)\]",
    re.MULTILINE,
)


def in_kafkas_words(offset: int, record: Record) -> tuple[str, ...]:
    sizes = [str(-1 if part is None else len(part)) for part in (record.key, record.value)]
    return (str(offset), str(record.timestamp), *sizes, ",".join(name for name, _ in record.headers))


class Whole:
    """Tests for every kind of cluster, `self.cluster`. Anna may do everything, Ben nothing at first."""

    principal = "{}"

    def test_records_are_read_as_written(self) -> None:
        self.cluster.create_topic("odd", replicas=len(self.cluster.brokers), config=FOR_EVER)
        admin = self.cluster.admin()
        self.assertEqual(admin.produce(RECORDS), list(range(len(RECORDS))))
        for client in (admin, self.cluster.client("anna", library=NEW)):
            read = client.consume("odd")
            self.assertEqual([record.offset for record in read], list(range(len(RECORDS))))
            self.assertEqual([record.as_written() for record in read], RECORDS)
        for number in self.cluster.brokers:
            [segment] = wait_until("its copy", lambda number=number: self.copy_of_odd(number))
            dumped = DUMPED.findall(self.cluster.dump_log(segment))
            self.assertEqual(dumped, [in_kafkas_words(*pair) for pair in enumerate(RECORDS)])

    def copy_of_odd(self, number: int) -> list[Path]:
        return [file for file in self.cluster.segments(number, "odd") if file.stat().st_size > 900_000]

    def test_rights_are_enforced(self) -> None:
        self.cluster.create_topic("secret")
        self.cluster.admin().produce([Record("secret", 0, value=b"1")])
        anna, ben = self.cluster.client("anna", library=NEW), self.cluster.client("ben")
        self.assertEqual(len(anna.consume("secret")), 1)
        with self.assertRaisesRegex(KafkaError, "TOPIC_AUTHORIZATION_FAILED"):
            ben.consume("secret")
        with self.assertRaisesRegex(KafkaError, "TOPIC_AUTHORIZATION_FAILED"):
            ben.produce([Record("secret", 0, value=b"2")])
        right = (self.principal.format("ben"), ["Read"], "--topic", "sec", "--resource-pattern-type", "prefixed")
        self.cluster.add_acl(*right)
        wait_until("the right", lambda: len(ben.consume("secret")) == 1)
        with self.assertRaisesRegex(KafkaError, "TOPIC_AUTHORIZATION_FAILED"):
            ben.produce([Record("secret", 0, value=b"2")])
        self.cluster.remove_acl(*right)
        wait_until("the right to be gone", lambda: "secret" not in ben.metadata()["topics"])


class Kraft41(Whole, Case):
    """Three brokers. Anna uses SCRAM, which for Kafka 4 needs the current librdkafka, Ben uses PLAIN."""

    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.shared_directory()
        cls.cluster = KafkaCluster(
            directory / "kafka",
            authority=Authority(directory / "authority"),
            security="SASL_SSL",
            scram_users={"anna": "anna's"},
            plain_users={"ben": "ben's"},
            authorizer=True,
            super_users=["anna"],
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()

    def test_wrong_password_is_refused(self) -> None:
        for user, mechanism, library in (("anna", "SCRAM-SHA-512", NEW), ("ben", "PLAIN", None)):
            client = self.cluster.client(user, mechanism=mechanism, library=library)
            self.assertEqual(client.metadata()["cluster"], self.cluster.cluster_id)
            client.properties["sasl.password"] = "guessed"
            with self.assertRaisesRegex(KafkaError, "_AUTHENTICATION"):
                client.metadata(seconds=5)

    def test_leader_dies_and_returns(self) -> None:
        self.cluster.create_topic("led", config=FOR_EVER, assignment=[[2, 1, 3], [3, 2, 1]])
        admin = self.cluster.admin()
        admin.load("led", 2000, 1000, keys=50, timestamp=1577880000000)
        before = admin.digest("led")
        self.assertEqual([(one.count, one.first, one.last) for one in before.values()], [(1000, 0, 999)] * 2)
        self.assertEqual(self.cluster.leader("led"), 2)
        self.cluster.kill_broker(2)
        self.assertIn(self.cluster.wait_for_leader("led"), (1, 3))
        self.assertEqual(admin.digest("led"), before)
        admin.load("led", 2000, 1000, seed=2)
        self.cluster.start_broker(2)
        self.cluster.wait_for_isr("led", {1, 2, 3})
        after = admin.digest("led")
        self.assertEqual([(one.count, one.last) for one in after.values()], [(2000, 1999)] * 2)
        self.cluster.delete_topic("led")
        self.assertNotIn("led", admin.metadata()["topics"])

    def test_transactions_are_committed_and_aborted(self) -> None:
        self.cluster.create_topic("paid", replicas=3)
        admin = self.cluster.admin(1)

        def values() -> list[bytes]:
            return [record.value for record in admin.consume("paid")]

        def record(value: bytes) -> list[Record]:
            return [Record("paid", 0, value=value)]

        with admin.producing() as producing:
            producing.begin("x")
            self.assertEqual(producing.produce(record(b"1"), "x"), [0])
            self.assertEqual(producing.produce(record(b"2")), [1])
            self.assertEqual(values(), [])  # the transaction before it is open
            producing.commit("x")
            wait_until("what was committed", lambda: values() == [b"1", b"2"])
            producing.begin("x")
            producing.produce(record(b"3"), "x")
            producing.abort("x")
            producing.produce(record(b"4"))
            wait_until("what is behind one aborted", lambda: values() == [b"1", b"2", b"4"])
            producing.begin("left")
            producing.produce(record(b"5"), "left")
        admin.produce(record(b"6"))
        self.assertEqual(values(), [b"1", b"2", b"4"])
        admin.trim("paid", 0, 1)
        self.assertEqual(values(), [b"2", b"4"])

    def test_groups_and_configurations_are_set(self) -> None:
        self.cluster.create_topic("read", 2, config={"cleanup.policy": "compact,delete"})
        admin = self.cluster.admin()
        admin.commit("readers", {("read", 0): 5, ("read", 1): 7})
        self.assertEqual(admin.committed("readers"), {("read", 0): 5, ("read", 1): 7})
        self.assertEqual(self.cluster.groups(), {"readers": "Empty"})
        self.cluster.alter_config("topics", "read", {"retention.ms": "1000"}, delete=["cleanup.policy"])
        output = self.cluster.tool("kafka-topics", "--describe", "--topic", "read")
        self.assertIn("retention.ms=1000", output)
        self.assertNotIn("cleanup.policy", output)


class Kraft39(Whole, Case):
    """One broker with two log directories that identifies users by their certificates."""

    principal = "CN={}"

    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.shared_directory()
        cls.cluster = KafkaCluster(
            directory / "kafka",
            "kafka39",
            1,
            authority=Authority(directory / "authority"),
            security="SSL",
            authorizer=True,
            super_users=["CN=anna"],
            log_dirs=2,
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()

    def test_broker_keeps_its_records_after_a_restart(self) -> None:
        admin = self.cluster.admin()
        self.cluster.create_topic("kept")
        admin.load("kept", 10, 100)
        before = admin.digest("kept")
        self.assertEqual(self.cluster.stop_broker(1), 143)  # Java's exit code after SIGTERM
        self.cluster.start_broker(1, {"message.max.bytes": "2000000"})
        self.assertEqual(admin.digest("kept"), before)


class ZooKeeper39(Whole, Case):
    """One broker that stores users, ACLs and configurations in ZooKeeper."""

    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.shared_directory()
        cls.cluster = KafkaCluster(
            directory / "kafka",
            "kafka39",
            1,
            zookeeper=True,
            security="SASL_PLAINTEXT",
            scram_users={"anna": "anna's", "ben": "ben's"},
            authorizer=True,
            super_users=["anna"],
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()


if __name__ == "__main__":
    main("kafka41", "kafka39", "librdkafka")
