"""Restores of a snapshot: to a running cluster, record by record, and to the disks of stopped brokers."""

import base64
import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, KafkaCluster, Process, Record, main, odd_records, run, service_program, wait_until
from lib.kafka_client import LONG_AGO
from lib.places import BUILD

TOOL = str(BUILD / "tests" / "kafka_restore_tool")
ODD = odd_records("odd", latest=4102444800000, large=3_000_000)


def encoded(field: bytes | None) -> str | None:
    return None if field is None else base64.b64encode(field).decode()


def input_line(record: Record, offset: int, append: bool = False) -> dict:
    """The record as an input line of kafka_restore_tool."""
    return {
        "record": record.topic,
        "partition": record.partition,
        "offset": offset,
        "timestamp": record.timestamp,
        "append": append,
        "key": encoded(record.key),
        "value": encoded(record.value),
        "headers": [[encoded(name.encode()), encoded(value)] for name, value in record.headers],
    }


class Restoring(Case):
    """Snapshots made from descriptions, and their restores into `self.cluster`."""

    def store(self, *lines: dict) -> Path:
        snapshot = self.directory / f"snapshot-{len(list(self.directory.iterdir()))}"
        run([TOOL, "store", str(snapshot)], input="".join(json.dumps(line) + "\n" for line in lines), timeout=600)
        return snapshot

    def argv(
        self, snapshot: Path, *, dry_run: bool = False, save: bool = True, seconds: int = 300, **options
    ) -> list[str]:
        if "to_log_dirs" not in options:
            options = {"to_cluster": self.cluster.bootstrap()} | options
        given = {"options": options, "state": str(self.directory / "state")}
        given |= {"dry_run": dry_run, "save": save, "seconds": seconds}
        return [TOOL, "restore", str(snapshot), json.dumps(given)]

    def restore(self, snapshot: Path, **options) -> dict:
        """The result of a restore, which must be complete."""
        done = self.try_restore(snapshot, **options)
        self.assertNotIn("error", done)
        self.assertNotIn("partly", done)
        return done

    def try_restore(self, snapshot: Path, **options) -> dict:
        return json.loads(run(self.argv(snapshot, **options), timeout=600).stdout)

    def assert_refused(self, done: dict, code: str, text: str) -> None:
        self.assertEqual(done["error"]["code"], code)
        self.assertRegex(done["error"]["text"], text)

    def values(self, topic: str) -> list[bytes]:
        return [record.value for record in self.cluster.admin().consume(topic)]

    def configs(self, topic: str) -> str:
        return self.cluster.tool("kafka-topics", "--describe", "--topic", topic).splitlines()[0].split("Configs: ")[1]

    def bytes_on_disk(self, topic: str) -> int:
        """The size of its partition 0 in the largest replica."""
        copies = [self.cluster.segments(number, topic) for number in self.cluster.brokers]
        return max(sum(file.stat().st_size for file in copy) for copy in copies)


class Both:
    """Tests for every version."""

    def test_records_configurations_and_groups_are_restored(self) -> None:
        configs = {"cleanup.policy": "compact", "segment.bytes": "2097152", "retention.ms": "86400000"}
        numbers = [Record("numbers", 1, None, str(i).encode(), (), LONG_AGO + i) for i in range(10)]
        snapshot = self.store(
            {"topic": "odd", "partitions": 2, "configs": configs},
            *(input_line(record, 5000000000 + 3 * i) for i, record in enumerate(ODD)),
            {"topic": "numbers", "partitions": 2},
            *(input_line(record, 10 * i, append=True) for i, record in enumerate(numbers)),
            # Offsets at a record, between two, before the first, after the last, and in an empty partition.
            {"group": "exact", "offsets": [["numbers", 1, 30, "note"], ["numbers", 0, 7, ""]]},
            {"group": "between", "offsets": [["numbers", 1, 31, ""]]},
            {"group": "behind", "offsets": [["numbers", 1, 91, ""], ["odd", 0, 0, ""]]},
        )
        done = self.restore(snapshot, prefix="all-", hold_retention=True)
        self.assertEqual(done["items"], 19)
        self.assertFalse(done["resumed"])
        admin = self.cluster.admin()
        read = admin.consume("all-odd")
        self.assertEqual([record.offset for record in read], list(range(len(ODD))))
        self.assertEqual(
            [(r.key, r.value, r.headers, r.timestamp) for r in read],
            [(r.key, r.value, r.headers, r.timestamp) for r in ODD],
        )
        self.assertEqual([r.timestamp for r in admin.consume("all-numbers")], [LONG_AGO + i for i in range(10)])
        held = dict(one.split("=") for one in self.configs("all-odd").split(","))
        self.assertEqual({name: held.get(name) for name in configs}, configs | {"retention.ms": "-1"})
        self.assertIn(held.get("max.message.bytes"), (None, "100000"))  # the broker's own value again
        self.assertEqual(admin.committed("exact"), {("all-numbers", 1): 3, ("all-numbers", 0): 0})
        self.assertEqual(admin.committed("between"), {("all-numbers", 1): 4})
        self.assertEqual(admin.committed("behind"), {("all-numbers", 1): 10, ("all-odd", 0): 0})
        # A complete restore is not resumed.
        self.assert_refused(self.try_restore(snapshot, prefix="all-"), "already_exists", "--replace-topic")

    def test_retention_that_will_delete_records_is_announced(self) -> None:
        snapshot = self.store(
            {"topic": "old", "partitions": 1},
            input_line(Record("old", 0, None, b"1", (), LONG_AGO), 0),
            {"topic": "kept", "partitions": 1, "configs": {"retention.ms": "-1"}},
            input_line(Record("kept", 0, None, b"1", (), LONG_AGO), 0),
        )
        [warning] = self.restore(snapshot, dry_run=True)["warnings"]
        self.assertRegex(warning, '"old": 1 of 1 record older than its retention of 7 days.*--hold-retention')
        self.assertEqual(self.restore(snapshot)["warnings"], [warning])
        # After a restore to disks, this command restores retention.
        self.assertEqual(self.restore(snapshot, **{"with": "configs"})["warnings"], [warning])
        self.assertNotIn("retention", self.configs("old"))
        self.assertIn("retention.ms=-1", self.configs("kept"))

    def test_plan_of_a_dry_run_changes_nothing(self) -> None:
        self.cluster.create_topic("dry-there", 2)
        self.cluster.create_topic("dry-full", 1)
        self.cluster.admin().produce([Record("dry-full", 0, value=b"1")])
        snapshot = self.store(
            {"topic": "dry-there", "partitions": 2},
            {"topic": "dry-full", "partitions": 1, "configs": {"retention.ms": "-1"}},
            {"topic": "dry-new", "partitions": 3},
            input_line(Record("dry-new", 2, None, b"1", (), 5), 0),
            {"group": "dry", "offsets": [["dry-new", 2, 1, ""]]},
            {"acls": [["GROUP", "g", "LITERAL", "User:anna", "*", "READ", "ALLOW"]]},
        )
        before = self.cluster.admin().metadata()["topics"]
        self.assert_refused(self.try_restore(snapshot, dry_run=True), "already_exists", '"dry-full"')
        plan = self.restore(snapshot, dry_run=True, replace_topic=True, rename=["dry-new=dry-renamed"])["plan"]
        self.assertEqual(
            plan,
            [
                ["topic", "dry-full", "dry-full", 1, 0, "1 partition, 1 offset", "replaced"],
                ["topic", "dry-new", "dry-renamed", 3, 1, "nothing", "created"],
                ["topic", "dry-there", "dry-there", 2, 0, "2 partitions, empty", "filled"],
                ["configs", "", "", 0, 1, "", "set, after the records"],
                ["acls", "", "", 0, 1, "", "created"],
                ["groups", "", "", 0, 1, "", "offsets translated and committed"],
            ],
        )
        self.assertEqual(self.cluster.admin().metadata()["topics"], before)
        self.assertFalse((self.directory / "state").exists())

    def test_a_topic_that_exists_is_replaced_only_on_request(self) -> None:
        admin = self.cluster.admin()
        self.cluster.create_topic("there", 2, config={"retention.ms": "12345678"})
        snapshot = self.store({"topic": "there", "partitions": 1}, input_line(Record("there", 0, None, b"1", (), 5), 0))
        self.assert_refused(self.try_restore(snapshot), "already_exists", "a different number of partitions")
        self.assertEqual(self.restore(snapshot, replace_topic=True)["saved"], [])  # it was empty
        self.assertEqual(self.values("there"), [b"1"])
        # A topic with records is replaced only on request, and saved first.
        self.assert_refused(self.try_restore(snapshot), "already_exists", "with records")
        admin.produce([Record("there", 0, value=b"2")])
        done = self.restore(snapshot, replace_topic=True)
        self.assertEqual(done["saved"], ["there"])
        self.assertRegex(done["lines"][0], 'the former records of "?there"? are in snapshot saved')
        self.assertEqual(self.values("there"), [b"1"])
        self.assertEqual(self.restore(snapshot, replace_topic=True, save=False)["saved"], [])
        # An empty topic is filled. Without `configs` it keeps its own configuration.
        self.cluster.create_topic("empty", 1, config={"retention.ms": "12345678"})
        admin.produce([Record("empty", 0, value=b"1")])
        admin.trim("empty", 0)
        self.restore(snapshot, rename=["there=empty"], **{"with": "records"})
        [record] = admin.consume("empty")
        self.assertEqual((record.offset, record.value, record.timestamp), (1, b"1", 5))
        self.assertIn("retention.ms=12345678", self.configs("empty"))

    def test_a_topic_with_an_open_transaction_is_not_replaced(self) -> None:
        """The safety snapshot could not include the records after the transaction's start."""
        self.cluster.create_topic("withheld", 1)
        snapshot = self.store({"topic": "withheld", "partitions": 1})
        with self.cluster.admin().producing() as producing:
            producing.begin("x")
            producing.produce([Record("withheld", 0, value=b"open")], "x")
            producing.produce([Record("withheld", 0, value=b"committed")])
            for dry_run in (True, False):
                refused = self.try_restore(snapshot, replace_topic=True, dry_run=dry_run)
                self.assert_refused(refused, "busy", '"withheld" has an open transaction, so the safety snapshot would not include 2 offsets after its start')
            producing.commit("x")
            wait_until("all of it", lambda: len(self.values("withheld")) == 2)
        self.assertEqual(self.restore(snapshot, replace_topic=True)["saved"], ["withheld"])

    def test_zero_timestamps_need_an_option(self) -> None:
        snapshot = self.store(
            {"topic": "zero", "partitions": 1},
            *(input_line(Record("zero", 0, None, str(time).encode(), (), time), 7 + time) for time in range(3)),
        )
        self.assert_refused(self.try_restore(snapshot), "unsupported", "partition 0 .*: 1, the first at offset 7")
        self.assertNotIn("zero", self.cluster.admin().metadata()["topics"])
        self.assertEqual(len(self.restore(snapshot, zero_timestamp_as_one=True, hold_retention=True)["warnings"]), 1)
        self.assertEqual([record.timestamp for record in self.cluster.admin().consume("zero")], [1, 1, 2])

    def test_compression_is_applied(self) -> None:
        records = [Record("packed", 0, None, b"x" * 1000, (), LONG_AGO + i) for i in range(500)]
        snapshot = self.store({"topic": "packed", "partitions": 1}, *(input_line(one, i) for i, one in enumerate(records)))
        self.restore(snapshot, rename=["packed=unpacked"], hold_retention=True)
        self.restore(snapshot, compression="zstd", hold_retention=True)
        self.assertEqual(self.values("packed"), [record.value for record in records])
        self.assertLess(10 * self.bytes_on_disk("packed"), self.bytes_on_disk("unpacked"))

    def test_a_hole_in_the_snapshot_is_named(self) -> None:
        snapshot = self.store(
            {"topic": "hole", "partitions": 1},
            input_line(Record("hole", 0, None, b"1", (), LONG_AGO), 0),
            {"end": "hole", "partition": 0, "offset": 5, "incomplete": "it has no leader"},
        )
        self.assertIn("the snapshot does not have all records:", self.restore(snapshot, dry_run=True, hold_retention=True)["warnings"][0])
        done = self.try_restore(snapshot, hold_retention=True)
        self.assertRegex(done["partly"]["text"], 'the end of partition 0 of topic "hole" .it has no leader')
        self.assertEqual(self.values("hole"), [b"1"])

    def test_until_leaves_out_later_records(self) -> None:
        times = [LONG_AGO, LONG_AGO + 2000, LONG_AGO + 999, LONG_AGO + 1000]
        snapshot = self.store(
            {"topic": "until", "partitions": 1},
            *(input_line(Record("until", 0, None, str(i).encode(), (), time), i) for i, time in enumerate(times)),
            {"group": "until", "offsets": [["until", 0, 3, ""]]},
        )
        self.restore(snapshot, until="2020-01-01T12:00:01Z", hold_retention=True)
        self.assertEqual(self.values("until"), [b"0", b"2"])
        self.assertEqual(self.cluster.admin().committed("until"), {("until", 0): 2})

    def test_group_in_use_is_restored_by_the_next_run(self) -> None:
        snapshot = self.store(
            {"topic": "used", "partitions": 1},
            *(input_line(Record("used", 0, None, str(i).encode(), (), LONG_AGO + i), i + 100) for i in range(10)),
            {"group": "used", "offsets": [["used", 0, 105, ""]]},
            {"group": "free", "offsets": [["used", 0, 106, ""]]},
        )
        self.cluster.create_topic("other")
        consumer = self.console_consumer("other", "used")
        wait_until("its group", lambda: self.cluster.groups().get("used") == "Stable")
        done = self.try_restore(snapshot, hold_retention=True)
        self.assertEqual(done["partly"]["code"], "busy")
        self.assertRegex(done["partly"]["text"], 'group "used" has active members')
        self.assertEqual(self.cluster.admin().committed("free"), {("used", 0): 6})
        consumer.stop()
        # Before the second run, a producer writes to the topic, and the other group moves on.
        self.cluster.admin().produce([Record("used", 0, value=b"new")])
        self.cluster.admin().commit("free", {("used", 0): 9})
        wait_until("its members to be gone", lambda: self.cluster.groups().get("used") == "Empty")
        done = self.restore(snapshot, hold_retention=True)
        self.assertTrue(done["resumed"])
        self.assertIn("committed 1 offset of 1 group; 1 already had offsets", done["lines"])
        self.assertEqual(len(self.values("used")), 11)
        self.assertEqual(self.cluster.admin().committed("free"), {("used", 0): 9})
        # A consumer continues at the offset of the group.
        consumer = self.console_consumer("used", "used")
        wait_until("the rest", lambda: consumer.log.read_text().split()[-6:] == ["5", "6", "7", "8", "9", "new"])
        self.assertNotIn("4", consumer.log.read_text().split())
        consumer.stop()

    def console_consumer(self, topic: str, group: str) -> Process:
        argv = [service_program(self.cluster.service, "kafka-console-consumer"), "--bootstrap-server", self.cluster.bootstrap()]
        log = self.directory / f"consumer-{topic}"
        consumer = Process([*argv, "--topic", topic, "--group", group], log)
        self.addCleanup(consumer.kill)
        return consumer

    def test_killed_restore_is_resumed(self) -> None:
        records = 400_000
        snapshot = self.store(
            {"topic": "large", "partitions": 3},
            {"load": "large", "partition": 0, "records": records, "bytes": 1000},
            {"load": "large", "partition": 1, "records": records // 4, "bytes": 1000},
            input_line(Record("large", 2, None, b"1", (), LONG_AGO), 9),
            {"group": "large", "offsets": [["large", 0, records // 2, ""], ["large", 2, 9, ""]]},
        )
        for at in (20_000_000, 250_000_000):
            process = Process(self.argv(snapshot, hold_retention=True), self.directory / "log")
            wait_until("some records", lambda at=at: self.bytes_on_disk("large") > at or not process.is_running())
            process.require_running()
            process.kill()
        done = self.restore(snapshot, hold_retention=True)
        self.assertTrue(done["resumed"])
        self.assertRegex(done["lines"][0], ", after [0-9]+ that existed already")
        self.restore(snapshot, hold_retention=True, prefix="again-")
        digests = self.cluster.admin().digest("large", "again-large")
        for partition, count in enumerate((records, records // 4, 1)):
            self.assertEqual(digests["large", partition], digests["again-large", partition])
            self.assertEqual(digests["large", partition].count, count)
        self.assertEqual(self.cluster.admin().committed("large")["large", 0], records // 2)

    def test_topic_with_foreign_records_is_not_resumed(self) -> None:
        snapshot = self.store(
            {"topic": "spoilt", "partitions": 1}, {"load": "spoilt", "partition": 0, "records": 300_000, "bytes": 1000}
        )
        process = Process(self.argv(snapshot, hold_retention=True), self.directory / "log")
        wait_until("some records", lambda: self.bytes_on_disk("spoilt") > 20_000_000)
        process.kill()
        self.cluster.admin().produce([Record("spoilt", 0, value=b"x")])
        self.assert_refused(
            self.try_restore(snapshot, hold_retention=True), "already_exists", "did not write.*--replace-topic"
        )
        self.assert_refused(self.try_restore(snapshot, hold_retention=True), "already_exists", "--replace-topic")
        done = self.restore(snapshot, hold_retention=True, replace_topic=True)
        self.assertEqual(done["saved"], ["spoilt"])
        self.assertEqual(self.cluster.admin().digest("spoilt")["spoilt", 0].count, 300_000)


class Kraft41(Both, Restoring):
    """Three brokers with an authorizer."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = KafkaCluster(cls.shared_directory() / "kafka", authorizer=True)
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()

    def test_a_broker_dies_during_the_restore(self) -> None:
        snapshot = self.store(
            {"topic": "led", "partitions": 1, "replicas": 3, "configs": {"min.insync.replicas": "2"}},
            {"load": "led", "partition": 0, "records": 400_000, "bytes": 1000},
        )
        process = Process(self.argv(snapshot, hold_retention=True), self.directory / "log")
        wait_until("some records", lambda: self.bytes_on_disk("led") > 20_000_000)
        leader = self.cluster.leader("led")
        self.cluster.kill_broker(leader)
        self.assertEqual(process.wait(180), 0)
        self.cluster.start_broker(leader)
        self.assertIn(", and read them back", process.log.read_text())
        self.assertEqual(self.cluster.admin().digest("led")["led", 0].count, 400_000)

    def test_fewer_brokers_and_unknown_configurations_are_named(self) -> None:
        snapshot = self.store(
            {
                "topic": "fewer",
                "partitions": 1,
                "replicas": 5,
                "configs": {"min.insync.replicas": "4", "message.format.version": "3.0", "retention.ms": "-1"},
            }
        )
        warnings = "\n".join(self.restore(snapshot)["warnings"])
        self.assertRegex(warnings, r'the target has 3 brokers.*"fewer" \(5\)')
        self.assertRegex(warnings, 'with so few replicas, min.insync.replicas prevents writes to: "fewer"')
        self.assertRegex(warnings, 'does not support the configuration "message.format.version".*"fewer"')
        self.assertEqual(len(self.cluster.replicas("fewer")), 3)

    def test_selected_acls_are_restored(self) -> None:
        acls = [
            ["TOPIC", "right", "LITERAL", "User:anna", "*", "READ", "ALLOW"],
            ["TOPIC", "ri", "PREFIXED", "User:anna", "*", "WRITE", "DENY"],
            ["GROUP", "readers", "LITERAL", "User:anna", "*", "READ", "ALLOW"],
            ["TRANSACTIONAL_ID", "x", "LITERAL", "User:anna", "*", "WRITE", "ALLOW"],
        ]
        snapshot = self.store({"topic": "right", "partitions": 1}, {"acls": acls})
        # Only the ACL on the topic itself, with the new name.
        done = self.restore(snapshot, topic=["right"], rename=["right=left"])
        self.assertIn("created 1 of 1 ACL; 3 of other topics are left out", done["lines"])
        listed = self.cluster.tool("kafka-acls", "--list")
        self.assertIn("resourceType=TOPIC, name=left", listed)
        self.assertNotIn("readers", listed)
        done = self.try_restore(snapshot, **{"with": "acls"})
        if "partly" in done:  # librdkafka before 2.6
            self.assertRegex(done["partly"]["text"], "1 ACL .ALLOW WRITE of User:anna")
        listed = self.cluster.tool("kafka-acls", "--list")
        self.assertIn("resourceType=GROUP, name=readers", listed)
        self.assertRegex(listed, "resourceType=TOPIC, name=ri, patternType=PREFIXED")

    def test_offsets_are_unchanged_on_disks(self) -> None:
        numbers = [Record("disk", 0, b"k", str(i).encode(), (("h", None),), i) for i in range(100)]
        lines = [
            {"topic": "disk", "partitions": 3, "replicas": 3, "configs": {"retention.ms": "-1"}},
            *(input_line(record, 3000000000 + 3 * i, append=i >= 50) for i, record in enumerate(numbers)),
            {"load": "disk", "partition": 1, "records": 100_000, "bytes": 1000, "offset": 500},
            # Partition 0 ends with a transaction's marker; all records of partition 2 were deleted.
            {"end": "disk", "partition": 0, "offset": 3000000299},
            {"end": "disk", "partition": 2, "offset": 77},
            {"group": "disk", "offsets": [["disk", 0, 3000000005, ""], ["disk", 1, 100600, ""]]},
        ]
        snapshot = self.store(*lines)
        self.restore(snapshot, **{"with": "configs"})
        # A new leader notes where its epoch began, even in an empty partition.
        leader = self.cluster.leader("disk")
        self.cluster.stop_broker(leader)
        self.cluster.wait_for_leader("disk")
        self.cluster.start_broker(leader)
        dirs = [str(self.cluster.log_dir(number)) for number in self.cluster.brokers]
        self.assert_refused(self.try_restore(snapshot, to_log_dirs=dirs[:1]), "busy", "a broker runs")
        self.cluster.stop()
        for directory in dirs:  # as on three hosts
            done = self.restore(snapshot, to_log_dirs=[directory])
        self.assertRegex(done["lines"][0], "into 3 partitions")
        self.assert_refused(self.try_restore(snapshot, to_log_dirs=dirs), "invalid_argument", "same partition")
        self.assert_refused(self.try_restore(snapshot, to_log_dirs=dirs[:1]), "already_exists", "disk-0")
        for directory in dirs:
            self.restore(snapshot, to_log_dirs=[directory], replace_topic=True)
        self.cluster.start()
        for partition in range(3):
            self.cluster.wait_for_isr("disk", {1, 2, 3}, partition)
        admin = self.cluster.admin()
        read = [record for record in admin.consume("disk") if record.partition == 0]
        self.assertEqual([record.offset for record in read], [3000000000 + 3 * i for i in range(100)])
        self.assertEqual([record.timestamp for record in read], list(range(100)))
        self.assertEqual([record.type for record in read], ["create"] * 50 + ["append"] * 50)
        self.assertEqual([record.headers for record in read], [(("h", None),)] * 100)
        digest = admin.digest("disk")["disk", 1]
        self.assertEqual((digest.count, digest.first, digest.last), (100_000, 500, 100_499))
        # The brokers get the rest. Offsets of groups are not translated, because the records' offsets are unchanged.
        self.restore(snapshot, **{"with": "configs,groups"})
        self.assertEqual(admin.committed("disk"), {("disk", 0): 3000000005, ("disk", 1): 100_500})
        self.assertIn("retention.ms=-1", self.configs("disk"))
        follow = admin.produce([Record("disk", partition, value=b"next") for partition in range(3)])
        self.assertEqual(follow, [3000000299, 100_500, 77])


class ZooKeeper39(Both, Restoring):
    """One broker with two log directories that rejects large and old records unless the topic allows them."""

    @classmethod
    def setUpClass(cls) -> None:
        limits = {"message.max.bytes": "100000", "log.message.timestamp.before.max.ms": "3600000"}
        cls.cluster = KafkaCluster(
            cls.shared_directory() / "kafka", "kafka39", 1, zookeeper=True, log_dirs=2, properties=limits
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()

    def test_restore_is_resumed_after_a_full_disk(self) -> None:
        snapshot = self.store(
            {"topic": "full", "partitions": 1}, {"load": "full", "partition": 0, "records": 100_000, "bytes": 1000}
        )
        # The broker takes a log directory offline if a write to it fails.
        limit = (30_000_000, resource.RLIM_INFINITY)
        resource.prlimit(self.cluster.brokers[1].process.pid, resource.RLIMIT_FSIZE, limit)
        self.assert_refused(
            self.try_restore(snapshot, hold_retention=True, seconds=5),
            "timed_out",
            'without a leader are partition 0 of topic "full" .*log; then run the same command again to continue',
        )
        self.cluster.stop_broker(1)
        self.cluster.start_broker(1)
        # A broker answers before it knows the topics from its controller.
        wait_until("the topic to be known", lambda: "full" in self.cluster.admin().metadata()["topics"])
        self.cluster.wait_for_leader("full")
        done = self.restore(snapshot, hold_retention=True)
        self.assertTrue(done["resumed"])
        self.assertRegex(done["lines"][0], ", after [0-9]+ that existed already")
        self.assertEqual(self.cluster.admin().digest("full")["full", 0].count, 100_000)

    def test_restore_of_acls_needs_an_authorizer(self) -> None:
        snapshot = self.store(
            {"topic": "plain", "partitions": 1},
            {"acls": [["TOPIC", "plain", "LITERAL", "User:anna", "*", "READ", "ALLOW"]]},
        )
        done = self.try_restore(snapshot)
        self.assertIn("partly", done)
        self.assertEqual(done["partly"]["code"], "unsupported")
        self.assertRegex(done["partly"]["text"], "1 ACL ")
        self.assertIn("plain", self.cluster.admin().metadata()["topics"])

    def test_offsets_are_unchanged_on_disks(self) -> None:
        snapshot = self.store(
            {"topic": "disk", "partitions": 4},
            *({"load": "disk", "partition": i, "records": 1000, "bytes": 100, "offset": i} for i in range(4)),
        )
        self.restore(snapshot, hold_retention=True, **{"with": "configs"})
        self.cluster.stop()
        dirs = [str(directory) for directory in self.cluster.brokers[1].log_dirs]
        done = self.restore(snapshot, to_log_dirs=dirs[:1])
        self.assertRegex(done["lines"][1], "not on this broker.*: 2 partitions of the snapshot")
        self.restore(snapshot, to_log_dirs=dirs[1:])
        self.cluster.start()
        for partition in range(4):
            self.cluster.wait_for_leader("disk", partition)
        digests = self.cluster.admin().digest("disk")
        self.assertEqual([digests["disk", i].first for i in range(4)], [0, 1, 2, 3])
        self.assertEqual([digests["disk", i].count for i in range(4)], [1000] * 4)


if __name__ == "__main__":
    main("kafka41", "kafka39")
