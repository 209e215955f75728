"""Everything in a snapshot of a cluster except records, with real brokers: values are returned as they were set, and
what the user may not see is listed as missing. With the build's librdkafka and with the current one."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, KafkaCluster, main, run, wait_until
from lib.places import BUILD

FOR_EVER = {"retention.ms": "-1"}
BOTH = (False, True)  # whether to use the current librdkafka


class Whole:
    """Tests for every kind of cluster, `self.cluster`, with one broker. Root is a super user. The tests set the
    permissions of the other users, each of which belongs to one test."""

    has_group_configs = False

    @classmethod
    def start(cls, **options) -> None:
        cls.place = cls.shared_directory()
        cls.cluster = KafkaCluster(
            cls.place / "kafka",
            brokers=1,
            authorizer=True,
            super_users=["root"],
            security="SASL_PLAINTEXT",
            plain_users={user: f"{user}'s" for user in ("root", "least", "nobody", "some", "denied")},
            scram_users={"sue": "sue's"},
            # A wrong kind of metadata request creates the topic that it asks for.
            properties={"auto.create.topics.enable": "true"},
            log_dirs=2,
            **options,
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()
        cls.cluster.create_topic("orders", 2, config=FOR_EVER | {"cleanup.policy": "compact"})
        cls.cluster.create_topic("_schemas")
        cls.cluster.create_topic("team-a")
        cls.cluster.alter_config("brokers", "1", {"log.cleaner.threads": "2"})
        cls.cluster.alter_config("brokers", None, {"log.cleaner.backoff.ms": "20000"})
        cls.empty = cls.ask("root"), cls.ask("root", today=True), cls.ask("root", own=True)
        cls.cluster.admin().commit("billing", {("orders", 0): 5, ("orders", 1): 7}, "note")
        cls.cluster.admin().commit("a/b", {("orders", 0): 1})
        cls.cluster.add_acl("nobody", ["Read"], "--topic", "gone")
        cls.cluster.add_acl("least", ["Describe", "Read", "DescribeConfigs"], "--topic", "*")
        cls.cluster.add_acl("least", cls.of_groups(), "--group", "*")
        cls.cluster.add_acl("least", ["Describe", "DescribeConfigs"], "--cluster")

    @classmethod
    def of_groups(cls) -> list[str]:
        return ["Describe", "DescribeConfigs"] if cls.has_group_configs else ["Describe"]

    @classmethod
    def ask(cls, user: str, *, today: bool = False, own: bool = False, log_dirs: bool = True) -> dict:
        """`own`, `log_dirs`: whether the broker's own configuration and its directories can be read."""
        given = cls.cluster.client_properties(user, mechanism="PLAIN")
        password = cls.place / f"password-of-{user}"
        password.write_text(given.pop("sasl.password"))
        broker = cls.cluster.brokers[1]
        options = {
            "bootstrap": given.pop("bootstrap.servers").split(","),
            "properties": given | {"sasl.password_file": str(password)},
            "log_dirs": [str(directory) for directory in broker.log_dirs] if log_dirs else [],
            "state_dir": str(cls.place / "state"),
        }
        if own:
            options["server_properties"] = str(broker.directory / "server.properties")
        tool = BUILD / "tests" / ("kafka_state_tool_today" if today else "kafka_state_tool")
        return json.loads(run([str(tool), json.dumps(options)]).stdout)

    def missing(self, answer: dict) -> list[str]:
        for entry in answer["missing"] + answer["only_in_metadata_log"]:
            self.assertTrue(entry["reason"] and entry["remedy"], entry)
        return sorted(entry["what"] for entry in answer["missing"])

    def ask_until(self, user: str, missing: list[str], **options) -> dict:
        """Brokers apply ACLs a moment later."""
        answer = {}

        def is_answered() -> bool:
            nonlocal answer
            answer = self.ask(user, **options)
            return self.missing(answer) == sorted(missing)

        wait_until(f"{missing}", is_answered)
        return answer

    def test_all_is_saved_with_least_permissions(self) -> None:
        if self.has_group_configs:
            self.cluster.alter_config("groups", "billing", {"consumer.session.timeout.ms": "50000"})
        for today in BOTH:
            answer = self.ask_until("least", [], today=today)
            self.assertEqual(sorted(answer["topics"]), ["_schemas", "orders", "team-a"])
            orders = answer["topics"]["orders"]
            self.assertEqual(orders["configs"], FOR_EVER | {"cleanup.policy": "compact"})
            self.assertEqual((orders["partitions"], orders["replication_factor"]), (2, 1))
            self.assertEqual(orders["replicas"], [[1], [1]])
            described = self.cluster.tool("kafka-topics", "--describe", "--topic", "orders")
            self.assertIn(f"TopicId: {orders['id']}", described)
            [broker] = answer["cluster"]["brokers"]
            self.assertEqual((broker["id"], broker["configs"]), (1, {"log.cleaner.threads": "2"}))
            self.assertEqual(answer["cluster"]["cluster_id"], self.cluster.admin().metadata()["cluster"])
            self.assertEqual(answer["cluster"]["default_configs"]["log.cleaner.backoff.ms"], "20000")
            self.assertEqual(sorted(answer["groups"]), ["data/groups/a%2Fb.json", "data/groups/billing.json"])
            billing = answer["groups"]["data/groups/billing.json"]
            offsets = {(one["topic"], one["partition"]): one["offset"] for one in billing["offsets"]}
            self.assertEqual(offsets, {("orders", 0): 5, ("orders", 1): 7})
            self.assertEqual({one["metadata"] for one in billing["offsets"]}, {"note"})
            self.assertEqual(billing["state"], "Empty")
            wanted = {"consumer.session.timeout.ms": "50000"} if self.has_group_configs else {}
            self.assertEqual(billing["configs"], wanted)
            self.assertIn("User:nobody", {acl["principal"] for acl in answer["acls"]})
            if today:
                self.assertEqual([user["name"] for user in answer["users"]], ["sue"])
                self.assertEqual([one["what"] for one in answer["only_in_metadata_log"]], ["passwords of 1 SCRAM users"])
            else:
                self.assertIsNone(answer["users"])
                self.assertEqual(answer["only_in_metadata_log"], [])
            self.assertEqual(answer["warnings"], [])

    def test_everything_is_missing_without_permissions(self) -> None:
        for today in BOTH:
            answer = self.ask("nobody", today=today)
            self.assertEqual(answer["topics"], {})
            self.assertEqual(answer["groups"], {})
            self.assertIsNone(answer["acls"])
            wanted = ["ACLs", "configuration of broker 1", "topics"]
            wanted += [f'topic "{topic}"' for topic in ("_schemas", "orders", "team-a")]
            wanted += ["users with SCRAM passwords"] if today else []
            self.assertEqual(self.missing(answer), sorted(wanted))
            # Without the broker's directories, the refusal alone shows that topics are missing.
            self.assertIn("topics", self.missing(self.ask("nobody", today=today, log_dirs=False)))

    def test_invisible_part_is_missing_with_some_permissions(self) -> None:
        topic = ["--topic", "team-", "--resource-pattern-type", "prefixed"]
        self.cluster.add_acl("some", ["Describe", "DescribeConfigs"], *topic)
        self.cluster.add_acl("some", ["Describe", "DescribeConfigs"], "--cluster")
        wanted = ["topics", "consumer groups"]
        wanted += ['configuration of consumer group "a/b"', 'configuration of consumer group "billing"']
        if not self.has_group_configs:
            wanted = wanted[:2]
        # DESCRIBE on the cluster shows all groups, but not their offsets.
        wanted += ['consumer group "a/b"', 'consumer group "billing"']
        answer = self.ask_until("some", wanted, log_dirs=False)
        self.assertEqual(sorted(answer["topics"]), ["team-a"])

    def test_explicitly_denied_topic_is_missing(self) -> None:
        self.cluster.create_topic("secret")
        every = ["Describe", "Read", "DescribeConfigs"]
        self.cluster.add_acl("denied", every, "--topic", "*")
        self.cluster.add_acl("denied", self.of_groups(), "--group", "*")
        self.cluster.add_acl("denied", ["Describe", "DescribeConfigs"], "--cluster")
        self.cluster.add_acl("denied", ["Describe"], "--topic", "secret", deny=True)
        answer = self.ask_until("denied", ['topic "secret"'], log_dirs=False)
        self.assertNotIn("secret", answer["topics"])
        self.cluster.remove_acl("denied", ["Describe"], "--topic", "secret", deny=True)
        self.ask_until("denied", [], log_dirs=False)
        self.cluster.delete_topic("secret")

    def test_empty_list_of_acls_is_accepted_only_with_proof(self) -> None:
        old, today, own = self.empty
        self.assertEqual(self.missing(old), ["ACLs"])
        self.assertIsNone(old["acls"])
        for answer in (today, own):
            self.assertEqual(self.missing(answer), [])
            self.assertEqual(answer["acls"], [])

    def test_asking_creates_no_topic(self) -> None:
        self.assertEqual(self.empty[0]["groups"], {})
        self.ask("root")
        topics = self.cluster.admin().metadata()["topics"]
        self.assertFalse([topic for topic in topics if topic.startswith("holdfast") or topic == "gone"])


class Kraft41(Whole, Case):
    has_group_configs = True

    @classmethod
    def setUpClass(cls) -> None:
        cls.start()


class Kraft39(Whole, Case):
    @classmethod
    def setUpClass(cls) -> None:
        cls.start(service="kafka39")


class ZooKeeper39(Whole, Case):
    @classmethod
    def setUpClass(cls) -> None:
        cls.start(service="kafka39", zookeeper=True)


if __name__ == "__main__":
    main("kafka41", "kafka39", "librdkafka")
