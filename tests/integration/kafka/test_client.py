"""common/kafka with real brokers: Kafka 4.1 and 3.9, with the build's librdkafka (2.0.2 on Debian 12) and with the
current one. What a version cannot do is an error, never a guess."""

import concurrent.futures
import contextlib
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Authority, Case, KafkaCluster, KafkaRoom, Process, Record, RoomError
from lib import main, odd_records, service_program, wait_until

FOR_EVER = {"retention.ms": "-1"}
END_OF_9999 = 253402300799000  # in ms
BOTH = (False, True)  # whether to use the current librdkafka
# Values of ConfigSource: where a configuration entry was set.
TOPIC, BROKER, ALL_BROKERS, GROUP = 1, 2, 3, 8


def numbered(topic: str, numbers: range, size: int = 1, timestamp: int = 1577880000000) -> list[Record]:
    return [Record(topic, 0, None, str(number).encode().rjust(size), (), timestamp + number) for number in numbers]


class Whole:
    """Tests for every kind of cluster. `user` may do everything on `self.cluster`."""

    user = ""
    has_authorizer = True

    def room(self, today: bool, user: str | None = None, number: int | None = None, **options) -> KafkaRoom:
        properties = self.cluster.client_properties(self.user if user is None else user, number=number)
        return KafkaRoom(properties, self.directory, today=today, **options)

    def raises(self, code: str, text: str = ""):
        """Expects a RoomError with this code, whose message or hint contains the text."""
        test = self

        class Raised:
            def __enter__(self) -> None:
                pass

            def __exit__(self, kind, error, _trace) -> bool:
                if not isinstance(error, RoomError):
                    if error is None:
                        test.fail(f"no error, where {code} was to be")
                    return False
                test.check_error(error.__dict__, code, text)
                return True

        return Raised()

    def check_error(self, error: dict | None, code: str, text: str = "") -> None:
        self.assertIsNotNone(error, f"where {code} was to be")
        self.assertEqual(error["code"], code, error)
        self.assertIn(text, f"{error['message']} (hint: {error['hint']})")

    # -- brokers and topics

    def test_cluster_is_described(self) -> None:
        brokers = sorted(self.cluster.brokers)
        for today in BOTH:
            topic = f"described-{today}"
            with self.room(today, number=brokers[-1]) as room:
                can = room.do("capabilities")
                made = room.do("create_topic", topic=topic, partitions=2, copies=len(brokers), configs=FOR_EVER)
                self.assertEqual(made, [None])
                self.cluster.wait_for_leader(topic, 1)
                answer = room.do("cluster")
                self.assertEqual(answer["id"], self.cluster.admin().metadata()["cluster"])
                self.assertEqual(answer["answering_broker"], brokers[-1])
                ports = [(number, self.cluster.brokers[number].client_port) for number in brokers]
                self.assertEqual([(broker["id"], broker["port"]) for broker in answer["brokers"]], ports)
                [found] = [entry for entry in answer["topics"] if entry["name"] == topic]
                self.assertEqual([entry["id"] for entry in found["partitions"]], [0, 1])
                for entry in found["partitions"]:
                    self.assertIn(entry["leader"], brokers)
                    self.assertEqual(sorted(entry["replicas"]), brokers)
                self.assertEqual(can["topic_ids"], today)
                if today:
                    wanted = wait_until("the id of a topic in its files", lambda: self.id_in_files(topic))  # noqa: B023
                    self.assertEqual(room.do("topic_ids", topics=["nowhere", topic]), ["", wanted])
                else:
                    with self.raises("unsupported", "librdkafka 2.3 or later"):
                        room.do("topic_ids", topics=[topic])

    def id_in_files(self, topic: str) -> str:
        text = (self.cluster.log_dir(1) / f"{topic}-0" / "partition.metadata").read_text()
        return dict(line.split(": ") for line in text.splitlines())["topic_id"]

    def test_topics_are_created_and_deleted(self) -> None:
        for today in BOTH:
            topic = f"made-{today}"
            with self.room(today) as room:

                def names(room: KafkaRoom = room) -> list[str]:
                    return [entry["name"] for entry in room.do("cluster")["topics"]]

                self.assertEqual(room.do("create_topic", topic=topic, partitions=1, pretend=True), [None])
                self.assertNotIn(topic, names())
                self.assertEqual(room.do("create_topic", topic=topic, replicas=[[1], [1]]), [None])
                self.cluster.wait_for_leader(topic, 1)
                self.check_error(room.do("create_topic", topic=topic)[0], "already_exists")
                wrong = room.do("create_topic", topic="wrong", configs={"retention.ms": "soon"})
                self.check_error(wrong[0], "invalid_argument", "retention.ms")
                many = room.do("create_topic", topic="wrong", partitions=1, copies=9)
                self.check_error(many[0], "invalid_argument", "fewer brokers")
                gone, never = room.do("delete_topics", topics=[topic, "nowhere"])
                self.assertIsNone(gone)
                self.check_error(never, "not_found")
                wait_until("the topic to be gone", lambda: topic not in names())  # noqa: B023

    # -- records

    def test_bounds_and_the_records_between_them(self) -> None:
        for topic in ("paid", "aborted"):
            self.cluster.create_topic(topic, replicas=len(self.cluster.brokers), config=FOR_EVER)
        first, second, third = (Record("paid", 0, value=value, timestamp=stamp) for value, stamp in
                                ((b"1", 1000), (b"2", 2000), (b"3", 3000)))
        admin = self.cluster.admin()
        with admin.producing() as producing:
            producing.begin("x")
            producing.produce([first], "x")
            producing.commit("x")
            producing.begin("x")
            producing.produce([second, Record("aborted", 0, value=b"2")], "x")
            producing.abort("x")
            self.wait_for_end("paid", 4)  # the marker is written after the answer
            self.wait_for_end("aborted", 2)
            self.assertEqual(producing.produce([third]), [4])
            producing.begin("left")
            producing.produce([first], "left")
            producing.produce([second])
            for today in BOTH:
                with self.room(today) as room:
                    asked = [["paid", 0], ["paid", 9], ["aborted", 0], ["nowhere", 0]]
                    paid, ninth, aborted, nowhere = room.do("bounds", partitions=asked)
                    self.assertEqual(paid, {"low": 0, "last_stable": 5, "high": 7})
                    self.assertEqual(aborted, {"low": 0, "last_stable": 2, "high": 2})
                    self.check_error(ninth["error"], "not_found")
                    self.check_error(nowhere["error"], "not_found")
                    records, _ = room.read("paid", 0, 0, 5)
                    self.assertEqual([(record.offset, record.value) for record in records], [(0, b"1"), (4, b"3")])
                    self.assertEqual(room.read("aborted", 0, 0, 2), ([], 2))
        with self.room(True) as today, self.room(False) as old:
            for room, offset in ((old, 1), (today, 4)):
                admin.trim("paid", 0, offset)
                self.assertEqual(room.do("bounds", partitions=[["paid", 0]])[0]["low"], offset)
                with self.raises("not_found", "no longer has this offset"):
                    room.read("paid", 0, 0, 5)
                records, _ = room.read("paid", 0, offset, 5)
                self.assertEqual([record.offset for record in records], [4])
                admin.trim("aborted", 0)
                self.assertEqual(room.read("aborted", 0, 2, 2), ([], 2))

    def wait_for_end(self, topic: str, end: int) -> None:
        with self.room(True) as room:
            wait_until(f"the end of {topic}", lambda: room.do("bounds", partitions=[[topic, 0]])[0]["last_stable"] == end)

    def test_compacted_partition_is_read(self) -> None:
        config = {"cleanup.policy": "compact", "segment.ms": "1", "min.cleanable.dirty.ratio": "0.001"}
        self.cluster.create_topic("compacted", config=config)
        admin = self.cluster.admin()
        with admin.producing() as producing:
            for number in range(10):
                key = f"k{number % 2}".encode()
                producing.produce([Record("compacted", 0, key, b"%d" % number, (), 1577880000000 + 1000 * number)])
        wait_until("compaction", lambda: [record.offset for record in admin.consume("compacted")] == [7, 8, 9], 60)
        for today in BOTH:
            with self.room(today) as room:
                [bounds] = room.do("bounds", partitions=[["compacted", 0]])
                self.assertEqual(bounds, {"low": 0, "last_stable": 10, "high": 10})
                self.assertEqual(room.read("compacted", 0, 0, 10), (admin.consume("compacted"), 9))
                self.assertEqual(room.read("compacted", 0, 0, 7), ([], 7))

    def test_records_are_read_as_written(self) -> None:
        config = FOR_EVER | {"message.timestamp.after.max.ms": str(2**63 - 1)}
        for today in BOTH:
            topic = f"odd-{today}"
            self.cluster.create_topic(topic, replicas=len(self.cluster.brokers), config=config)
            records = odd_records(topic, latest=END_OF_9999)
            with self.room(today) as room:
                deliveries = room.write(records) + room.do("flush")
                self.assertEqual([one["error"] for one in deliveries], [None] * len(records))
                offsets = list(range(len(records)))
                self.assertEqual([(one["tag"], one["offset"]) for one in deliveries], list(zip(offsets, offsets)))
                read, _ = room.read(topic, 0, 0, len(records))
                self.assertEqual([record.as_written() for record in read], records)
                self.assertEqual(read, self.cluster.admin().consume(topic))
                with self.raises("unsupported", "timestamp of 0"):
                    room.write([Record(topic, 0, timestamp=0)])
                room.do("start", partition=[topic, 0], offset=0, tag=1)
                epoch = next(room.events())["leader_epoch"]
                self.assertEqual(epoch >= 0, today)

    def test_records_against_limits_of_the_topic_are_rejected(self) -> None:
        config = FOR_EVER | {"message.timestamp.before.max.ms": "1000", "max.message.bytes": "1000"}
        self.cluster.create_topic("strict", config=config)
        self.cluster.create_topic("stamped", config=FOR_EVER | {"message.timestamp.type": "LogAppendTime"})
        for today in BOTH:
            with self.room(today) as room:
                for record, text in (
                    (Record("strict", 0, timestamp=1000), "message.timestamp.before.max.ms"),
                    (Record("strict", 0, value=bytes(2000), timestamp=1000), "max.message.bytes"),
                ):
                    [delivery] = room.write([record]) + room.do("flush")
                    self.check_error(delivery["error"], "invalid_argument", text)
                [delivery] = room.write([Record("stamped", 0, timestamp=1)]) + room.do("flush")
                with self.raises("not_found", "partition 7"):
                    room.write([Record("stamped", 7, timestamp=1)])
                [record], _ = room.read("stamped", 0, delivery["offset"], delivery["offset"] + 1)
                self.assertEqual(record.type, "append")
                self.assertGreater(record.timestamp, 1577880000000)

    # -- configuration

    def set_for(self, room: KafkaRoom, scope: str, name: str, source: int) -> dict[str, str]:
        [answer] = room.do("configs", owners=[[scope, name]])
        self.assertIsNone(answer["error"])
        return {entry["name"]: entry["value"] for entry in answer["entries"] if entry["source"] == source}

    def test_configurations_are_set_and_read(self) -> None:
        for today in BOTH:
            topic = f"configured-{today}"
            with self.room(today) as room:
                first = {"cleanup.policy": "compact,delete", "retention.ms": "-1"}
                self.assertEqual(room.do("create_topic", topic=topic, partitions=1, configs=first), [None])
                self.cluster.wait_for_leader(topic)
                self.assertEqual(self.set_for(room, "topic", topic, TOPIC), first)

                def becomes(wanted: dict, room=room, topic=topic) -> None:
                    """Waits until the brokers have the change from their controller."""
                    wait_until(f"{wanted}", lambda: self.set_for(room, "topic", topic, TOPIC) == wanted)

                second = {"retention.ms": "777", "segment.bytes": "2000000"}
                self.assertEqual(room.do("replace_configs", owner=["topic", topic], entries=second), [None])
                becomes(second)
                self.assertEqual(room.do("replace_configs", owner=["topic", topic], entries={}), [None])
                becomes({})
                wrong = room.do("replace_configs", owner=["topic", topic], entries={"retention.ms": "soon"})
                self.check_error(wrong[0], "invalid_argument", "retention.ms")
                nowhere, found = room.do("configs", owners=[["topic", "nowhere"], ["topic", topic]])
                self.check_error(nowhere["error"], "not_found")
                self.assertIsNone(found["error"])

                own = {"log.cleaner.threads": "2"}
                self.assertEqual(room.do("replace_configs", owner=["broker", "1"], entries=own), [None])
                wait_until("the broker's own", lambda: self.set_for(room, "broker", "1", BROKER) == own)  # noqa: B023
                self.assertEqual(room.do("replace_configs", owner=["broker", "1"], entries={}), [None])
                wait_until("none", lambda: self.set_for(room, "broker", "1", BROKER) == {})  # noqa: B023

    # -- groups

    def test_groups_are_listed_and_their_offsets_set(self) -> None:
        self.cluster.create_topic("grouped", 2, config=FOR_EVER)
        admin = self.cluster.admin()
        admin.commit("readers", {("grouped", 0): 5, ("grouped", 1): 7}, "x")
        with self.consuming("grouped", "busy"):
            for today in BOTH:
                with self.room(today) as room:
                    self.check_groups(room, today)

    def consuming(self, topic: str, group: str, *arguments: str) -> "Consuming":
        return Consuming(self, topic, group, arguments)

    def check_groups(self, room: KafkaRoom, today: bool) -> None:
        group = f"restored-{today}"
        readers, unknown = room.do("group_offsets", groups=["readers", "unknown"])
        self.assertEqual(readers["offsets"], [["grouped", 0, 5, "x"], ["grouped", 1, 7, "x"]])
        self.assertEqual(unknown, {"offsets": [], "error": None})
        wanted = [["grouped", 1, 3, "what it wrote"], ["grouped", 9, 1, ""], ["nowhere", 0, 1, ""], ["grouped", 0, 1, ""]]
        done, missing, nowhere, also = room.do("alter_group_offsets", group=group, offsets=wanted)
        self.assertEqual((done, also), (None, None))
        self.check_error(missing, "not_found")
        self.check_error(nowhere, "not_found")
        [restored] = room.do("group_offsets", groups=[group])
        self.assertEqual(restored["offsets"], [["grouped", 0, 1, ""], ["grouped", 1, 3, "what it wrote"]])
        [busy] = room.do("alter_group_offsets", group="busy", offsets=[["grouped", 0, 1, ""]])
        self.check_error(busy, "busy", "stop its consumers")

        answer = room.do("groups")
        self.assertEqual(answer["errors"], [])
        groups = {one["id"]: (one["state"], one["type"]) for one in answer["groups"]}
        kind = "Classic" if today else ""
        self.assertEqual(groups["readers"], ("Empty", kind))
        self.assertEqual(groups["busy"], ("Stable", kind))
        self.assertEqual(groups[group], ("Empty", kind))

    # -- ACLs

    def test_acls_are_created_and_listed(self) -> None:
        made = [
            ["TOPIC", "orders", "LITERAL", "User:zoe", "*", "READ", "ALLOW"],
            ["GROUP", "or", "PREFIXED", "User:zoe", "127.0.0.1", "ALL", "DENY"],
            ["CLUSTER", "kafka-cluster", "LITERAL", "User:zoe", "*", "DESCRIBE", "ALLOW"],
        ]
        transactional = ["TRANSACTIONAL_ID", "pay", "LITERAL", "User:zoe", "*", "WRITE", "ALLOW"]
        for today in reversed(BOTH):
            with self.room(today) as room:
                if not self.has_authorizer:
                    self.assertEqual(room.do("acls"), [])
                    self.check_error(room.do("create_acls", bindings=made[:1])[0], "unsupported", "no authorizer")
                    continue
                *outcomes, last = room.do("create_acls", bindings=[*made, transactional])
                self.assertEqual(outcomes, [None, None, None])
                seen = transactional
                if today:
                    self.assertIsNone(last)
                else:
                    self.check_error(last, "unsupported", "kafka-acls --add")
                    seen = ["UNKNOWN", *transactional[1:]]

                def of_zoe(room=room) -> list:
                    return sorted(binding for binding in room.do("acls") if binding[3] == "User:zoe")

                wait_until(f"{[*made, seen]}", lambda: of_zoe() == sorted([*made, seen]))  # noqa: B023


class Consuming:
    """Kafka's own console consumer, as a member of a group."""

    def __init__(self, case: Whole, topic: str, group: str, arguments: tuple[str, ...]):
        self._case, self._group = case, group
        cluster = case.cluster
        self._argv = [service_program(cluster.service, "kafka-console-consumer")]
        self._argv += ["--bootstrap-server", cluster.admin().properties["bootstrap.servers"]]
        self._argv += ["--topic", topic, "--group", group, *arguments]

    def __enter__(self) -> None:
        self._process = Process(self._argv, self._case.directory / f"{self._group}.log")
        with self._case.room(True) as room:
            wait_until("a member", lambda: self._state(room) == "Stable", 60)

    def __exit__(self, *_exception) -> None:
        self._process.kill()

    def _state(self, room: KafkaRoom) -> str:
        self._process.require_running()
        return {one["id"]: one["state"] for one in room.do("groups")["groups"]}.get(self._group, "")


class WithRights(Whole):
    """Tests with an authorizer. Ben has no permissions."""

    def test_missing_permission_is_named(self) -> None:
        self.cluster.create_topic("secret")
        self.cluster.admin().produce([Record("secret", 0, value=b"1")])
        for today in BOTH:
            with self.room(today, "ben", time_limit_ms=20_000) as room:
                # Brokers hide these without an error, so a backup must know what to expect.
                self.assertEqual(room.do("cluster")["topics"], [])
                self.assertEqual(room.do("groups"), {"groups": [], "errors": []})
                self.assertEqual(room.do("acls"), [])
                [configs] = room.do("configs", owners=[["topic", "secret"]])
                self.check_error(configs["error"], "denied", "DESCRIBE_CONFIGS on topic \"secret\"")
                [configs] = room.do("configs", owners=[["broker", "1"]])
                self.check_error(configs["error"], "denied", "DESCRIBE_CONFIGS on the cluster")
                [made] = room.do("replace_configs", owner=["topic", "secret"], entries={})
                self.check_error(made, "denied", "ALTER_CONFIGS on topic \"secret\"")
                self.check_error(room.do("create_topic", topic="own", partitions=1)[0], "denied", "CREATE on topic \"own\"")
                self.check_error(room.do("delete_topics", topics=["secret"])[0], "denied", "DELETE on topic \"secret\"")
                binding = ["TOPIC", "secret", "LITERAL", "User:ben", "*", "READ", "ALLOW"]
                self.check_error(room.do("create_acls", bindings=[binding])[0], "denied", "ALTER on the cluster")
                [offsets] = room.do("group_offsets", groups=["some"])
                self.check_error(offsets["error"], "denied", "DESCRIBE on group \"some\"")
                with self.raises("denied", "READ on group \"some\""):
                    self.fail(room.do("alter_group_offsets", group="some", offsets=[["secret", 0, 1, ""]]))
                with self.raises("denied", "WRITE on "):
                    deliveries = room.write([Record("secret", 0, timestamp=1)]) + room.do("flush")
                    raise RoomError(deliveries[0]["error"])
        # A user who may describe a topic gets errors that name the missing permission.
        with self.room(False) as room:
            rights = [
                ["TOPIC", topic, "LITERAL", "User:ben", "*", operation, "ALLOW"]
                for topic, operation in (("secret", "DESCRIBE"), ("other", "WRITE"))
            ]
            self.assertEqual(room.do("create_acls", bindings=rights), [None, None])
        for today in BOTH:
            with self.room(today, "ben") as room:
                wait_until("the right", lambda: len(room.do("cluster")["topics"]) == 1)  # noqa: B023
                self.assertEqual(room.do("bounds", partitions=[["secret", 0]])[0]["high"], 1)
                with self.raises("denied", "READ on topic \"secret\""):
                    room.read("secret", 0, 0, 1)
                with self.raises("denied", "WRITE on topic \"secret\""):
                    deliveries = room.write([Record("secret", 0, timestamp=1)]) + room.do("flush")
                    raise RoomError(deliveries[0]["error"])

    def check_login(self, properties: dict[str, str], today: bool, text: str) -> None:
        with KafkaRoom(properties, self.directory, today=today) as room:
            with self.raises("denied", text):
                room.do("cluster")
            with self.raises("denied", text):
                room.do("acls")
            room.do("start", partition=["secret", 0], offset=0, tag=1)
            with self.raises("denied", text):
                room.do("next")
        with KafkaRoom(properties, self.directory, today=today) as room, self.raises("denied", text):
            room.write([Record("secret", 0, timestamp=1)])
            room.do("flush")


class Kraft41(WithRights, Case):
    """Three brokers. Anna uses SCRAM, which for Kafka 4 needs the current librdkafka, Carl and Ben use PLAIN."""

    user = "carl"

    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.shared_directory()
        cls.cluster = KafkaCluster(
            directory / "kafka",
            authority=Authority(directory / "authority"),
            security="SASL_SSL",
            scram_users={"anna": "anna's"},
            plain_users={"ben": "ben's", "carl": "carl's"},
            authorizer=True,
            super_users=["anna", "carl"],
            properties={
                "log.cleaner.backoff.ms": "100",
                "broker.session.timeout.ms": "3000",
                "broker.heartbeat.interval.ms": "500",
            },
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()

    def test_wrong_logins_are_refused(self) -> None:
        for today in BOTH:
            guessed = self.cluster.client_properties("carl") | {"sasl.password": "guessed"}
            self.check_login(guessed, today, "Authentication failed")
            stranger = Authority(self.directory / f"stranger-{today}")
            trusting = self.cluster.client_properties("carl") | {"ssl.ca.location": str(stranger.ca)}
            self.check_login(trusting, today, "certificate verify failed")
        with self.room(True, "anna") as room:
            self.assertEqual(len(room.do("cluster")["brokers"]), 3)
            [anna] = room.do("scram_users")
            self.assertEqual(anna, {"name": "anna", "credentials": [["SCRAM-SHA-512", 4096]], "error": None})
        self.check_login(self.cluster.client_properties("anna"), False, "cannot log in to Kafka 4 with SCRAM")
        with self.room(False) as room, self.raises("unsupported", "librdkafka 2.2 or later"):
            room.do("scram_users")

    def test_configurations_of_all_brokers_and_of_groups(self) -> None:
        self.cluster.alter_config("brokers", None, {"log.cleaner.threads": "2"})
        for today in BOTH:
            with self.room(today) as room:
                found = self.set_for(room, "broker", "2", ALL_BROKERS)
                self.assertEqual(found.get("log.cleaner.threads"), "2")  # newer brokers have other entries, too
                owner = ["group", f"own-{today}"]
                entries = {"consumer.session.timeout.ms": "50000"}
                self.assertEqual(room.do("replace_configs", owner=owner, entries=entries), [None])
                wait_until(f"{owner}", lambda: self.set_for(room, *owner, GROUP) == entries)  # noqa: B023

    def test_group_with_consumer_protocol_is_listed(self) -> None:
        self.cluster.create_topic("shared")
        with self.consuming("shared", "new", "--consumer-property", "group.protocol=consumer"):
            for today in BOTH:
                with self.room(today) as room:
                    [new] = [one for one in room.do("groups")["groups"] if one["id"] == "new"]
                    self.assertEqual((new["state"], new["type"]), ("Stable", "Consumer" if today else ""))
                    [busy] = room.do("alter_group_offsets", group="new", offsets=[["shared", 0, 0, ""]])
                    self.check_error(busy, "busy", "stop its consumers")

    def test_no_record_is_lost_or_duplicated_when_a_leader_dies(self) -> None:
        count, size = 6000, 1000
        self.cluster.create_topic("full", config=FOR_EVER, assignment=[[2, 1, 3]])
        for today in BOTH:
            self.cluster.create_topic(f"led-{today}", config=FOR_EVER, assignment=[[2, 3, 1]])
        admin = self.cluster.admin()
        admin.load("full", count, size, timestamp=1577880000000)
        whole = admin.consume("full")
        self.assertEqual(len(whole), count)
        writers = {today: self.room(today) for today in BOTH}
        readers = {today: self.room(today, ahead_bytes=100_000, batch_records=100) for today in BOTH}
        read = {today: [] for today in BOTH}
        delivered = {today: [] for today in BOTH}
        for today in BOTH:
            readers[today].do("start", partition=["full", 0], offset=0, tag=1)
            read[today] += readers[today].do("next")
            delivered[today] += writers[today].write(numbered(f"led-{today}", range(1000), size))
            delivered[today] += writers[today].do("flush")
            delivered[today] += writers[today].write(numbered(f"led-{today}", range(1000, 2000), size), 1000)
        self.cluster.kill_broker(2)
        for today in BOTH:
            delivered[today] += writers[today].write(numbered(f"led-{today}", range(2000, 3000), size), 2000)
            delivered[today] += writers[today].do("flush")
            while not read[today] or read[today][-1]["offset"] < count - 1:
                read[today] += [event for event in readers[today].do("next") if event["kind"] != "end"]
            readers[today].close()
            writers[today].close()
        for today in BOTH:
            self.assertEqual({event["kind"] for event in read[today]}, {"record"})
            self.assertEqual([event["offset"] for event in read[today]], list(range(count)))
            self.assertEqual([one["tag"] for one in delivered[today]], list(range(3000)))
            self.assertEqual([one["error"] for one in delivered[today] if one["error"]], [])
            found = [record.as_written() for record in admin.consume(f"led-{today}")]
            self.assertEqual(found, numbered(f"led-{today}", range(3000), size))
        self.cluster.start_broker(2)


class Pair(Case):
    """Two brokers. Either can run alone, because they use ZooKeeper."""

    def test_reading_continues_at_the_other_broker(self) -> None:
        # Otherwise the controller makes broker 1 the leader again, 5 s after broker 2 has become the controller.
        never = {"auto.leader.rebalance.enable": "false"}
        cluster = KafkaCluster(self.directory / "kafka", "kafka39", 2, zookeeper=True, properties=never)
        self.addCleanup(cluster.kill)
        cluster.start()
        cluster.create_topic("moves", config=FOR_EVER, assignment=[[1, 2]])
        cluster.admin().load("moves", 3000, 1000)
        cluster.kill_broker(1)

        def is_alone() -> bool:
            answer = cluster.admin(2).metadata()
            return len(answer["brokers"]) == 1 and answer["topics"]["moves"]["0"]["leader"] == 2

        wait_until("broker 2 to lead", is_alone)
        rooms = {
            today: KafkaRoom(cluster.client_properties(), self.directory, today=today, ahead_bytes=100_000)
            for today in BOTH
        }
        read = {}
        for today, room in rooms.items():
            self.addCleanup(room.close)
            self.assertEqual([one["id"] for one in room.do("cluster")["brokers"]], [2])
            room.do("start", partition=["moves", 0], offset=0, tag=1)
            read[today] = room.do("next")
        cluster.start_broker(1)
        wait_until("broker 1 to follow", lambda: cluster.admin().metadata()["topics"]["moves"]["0"]["isr"] == [2, 1])
        cluster.kill_broker(2)
        for today, room in rooms.items():
            with self.subTest(today=today):
                while read[today][-1]["kind"] != "end":
                    read[today] += room.do("next")
                self.assertEqual([one["offset"] for one in read[today][:-1]], list(range(3000)))
                self.assertEqual([one["id"] for one in room.do("cluster")["brokers"]], [1])


class Strangers(Case):
    """Addresses where no broker listens. Newer versions of librdkafka report that only in their log."""

    def error_of(self, listener: socket.socket, today: bool) -> RoomError:
        properties = {"bootstrap.servers": f"127.0.0.1:{listener.getsockname()[1]}"}
        # librdkafka waits 10 s for the answer to ApiVersions, its first request.
        with KafkaRoom(properties, self.directory, today=today, time_limit_ms=12_000) as room:
            with self.assertRaises(RoomError) as raised:
                room.do("cluster")
        return raised.exception

    def test_error_describes_what_listens_there(self) -> None:
        mute, rude = (socket.create_server(("127.0.0.1", 0), backlog=100) for _ in range(2))
        self.addCleanup(mute.close)
        self.addCleanup(rude.close)
        threading.Thread(target=self.hang_up, args=[rude], daemon=True).start()
        cases = [
            (listener, today, says, hint)
            for listener, says, hint in (
                (mute, "ApiVersionRequest failed", "the program that listens there does not answer like a broker: check the address, and whether it requires TLS (`security.protocol`)"),
                (rude, "Disconnected", "security.protocol"),
            )
            for today in BOTH
        ]
        with concurrent.futures.ThreadPoolExecutor(len(cases)) as threads:
            for (listener, today, says, hint), error in zip(
                cases, threads.map(lambda case: self.error_of(*case[:2]), cases), strict=True
            ):
                with self.subTest(today=today, says=says):
                    self.assertEqual(error.code, "unavailable")
                    self.assertIn(says, error.message)
                    self.assertIn(hint, error.hint)

    @staticmethod
    def hang_up(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                listener.accept()[0].close()


class Kraft39(Whole, Case):
    """One broker without an authorizer: everyone may do everything."""

    has_authorizer = False

    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.shared_directory()
        cls.cluster = KafkaCluster(
            directory / "kafka", "kafka39", 1, properties={"log.cleaner.backoff.ms": "100"}
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()


class ZooKeeper39(WithRights, Case):
    """One broker that stores users, ACLs and configurations in ZooKeeper."""

    user = "anna"

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
            properties={"log.cleaner.backoff.ms": "100"},
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()

    def test_wrong_logins_are_refused(self) -> None:
        for today in BOTH:
            guessed = self.cluster.client_properties("anna") | {"sasl.password": "guessed"}
            self.check_login(guessed, today, "Authentication failed")
        with self.room(True) as room:
            self.assertEqual([user["name"] for user in room.do("scram_users")], ["anna", "ben"])


if __name__ == "__main__":
    main("kafka41", "kafka39", "librdkafka")
