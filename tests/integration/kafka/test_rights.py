"""Logins, certificates and the permissions in docs/sources/kafka.md: what each is needed for, and that a backup names
a missing one."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saving import TODAY, make_agent, secret_file, source_of
from lib import Agent, Authority, Case, KafkaCluster, KafkaRoom, main, wait_until

FOR_EVER = {"retention.ms": "-1"}
# In seconds. A refusal is reported long before the time limit of a call, which is 30 s.
SOON = 15

# The permissions in docs/sources/kafka.md.
TOPIC = [("TOPIC", "*", operation) for operation in ("READ", "DESCRIBE", "DESCRIBE_CONFIGS")]
GROUP = [("GROUP", "*", operation) for operation in ("DESCRIBE", "DESCRIBE_CONFIGS")]
CLUSTER = [("CLUSTER", "kafka-cluster", operation) for operation in ("DESCRIBE", "DESCRIBE_CONFIGS")]


class Secured(Case):
    """A broker with TLS, logins and an authorizer."""

    service = "kafka41"
    zookeeper = False
    least = [*TOPIC, *GROUP, *CLUSTER]
    # Users, and which permissions each of them does not have.
    lacks = {
        "least": [],
        "without-read": TOPIC[:1],
        "without-describe": TOPIC[1:2],
        "without-topics": TOPIC[:2],
        "without-topic-configs": TOPIC[2:],
        "without-groups": GROUP[:1],
        "without-group-configs": GROUP[1:],
        "without-cluster": CLUSTER[:1],
        "without-broker-configs": CLUSTER[1:],
    }
    scram_environment = TODAY

    @classmethod
    def setUpClass(cls) -> None:
        cls.shared = cls.shared_directory()
        cls.authority = Authority(cls.shared / "authority")
        cls.cluster = KafkaCluster(
            cls.shared / "kafka",
            cls.service,
            1,
            zookeeper=cls.zookeeper,
            authority=cls.authority,
            security="SASL_SSL",
            scram_users={"anna": "anna's"},
            plain_users={user: f"{user}'s" for user in ("carl", *cls.lacks)},
            authorizer=True,
            super_users=["anna", "carl"],
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()
        cls.cluster.create_topic("orders", 2, config=FOR_EVER)
        cls.cluster.create_topic("paid", config=FOR_EVER)
        admin = cls.cluster.admin()
        admin.load("orders", 20, 100)
        admin.load("paid", 1000, 100)
        admin.commit("billing", {("orders", 0): 5})
        cls.grant()

    @classmethod
    def grant(cls) -> None:
        bindings = [
            [kind, name, "LITERAL", f"User:{user}", "*", operation, "ALLOW"]
            for user, lacking in cls.lacks.items()
            for kind, name, operation in cls.least
            if (kind, name, operation) not in lacking
        ]
        with KafkaRoom(cls.cluster.admin().properties, cls.shared) as room:
            outcomes = room.do("create_acls", bindings=bindings)
            assert outcomes == [None] * len(bindings), outcomes
            wait_until("the rights", lambda: len(room.do("acls")) >= len(bindings))

    def source(self, user: str, **options) -> dict:
        return source_of(self.cluster, self.directory / "secrets", user, **options)

    def files(self) -> list[str]:
        return [str(directory) for directory in self.cluster.brokers[1].log_dirs]

    def saved(self, source: dict, **options) -> None:
        [task] = make_agent(self.new_directory(), source).json("backup", **options)["sources"]
        self.assertEqual((task["state"], task["missing"]), ("done", []))

    def refused(self, code: int, source: dict, *says: str, **options) -> None:
        """The backup fails soon, with these texts on stderr, and leaves no snapshot."""
        agent = make_agent(self.new_directory(), source)
        began = time.monotonic()
        done = agent.run("backup", expect=code, **options)
        self.assertLess(time.monotonic() - began, SOON, done.stderr)
        self.assertIn("hint: ", done.stderr)
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertNotIn("anna's", done.stderr)
        self.assertEqual(agent.json("list")["repositories"][0]["snapshots"], [])

    def new_directory(self) -> Path:
        return self.directory / f"agent-{len(list(self.directory.iterdir()))}"

    # -- logins

    def test_plain_and_scram_logins_are_accepted(self) -> None:
        self.saved(self.source("carl", log_dirs=self.files()))
        self.saved(self.source("carl", log_dirs=self.files()), env=TODAY)
        self.saved(self.source("anna", log_dirs=self.files()), env=self.scram_environment)

    def test_wrong_password_is_refused(self) -> None:
        wrong = {"sasl.password_file": str(secret_file(self.directory / "secrets", "guessed"))}
        says = ("uthentication failed", "sasl.password_file", self.cluster.bootstrap())
        self.refused(4, self.source("anna", client=wrong), *says, env=self.scram_environment)
        for environment in ({}, TODAY):
            self.refused(4, self.source("carl", client=wrong), *says, env=environment)

    def test_unknown_user_is_refused(self) -> None:
        says = ("uthentication failed", "sasl.username")
        self.refused(4, self.source("anna", client={"sasl.username": "zoe"}), *says, env=self.scram_environment)
        self.refused(4, self.source("carl", client={"sasl.username": "zoe"}), *says)

    def test_mechanism_that_is_not_offered_is_named(self) -> None:
        self.refused(4, self.source("carl", client={"sasl.mechanism": "SCRAM-SHA-256"}), "sasl.mechanism")

    def test_broker_with_a_foreign_certificate_is_refused(self) -> None:
        other = Authority(self.directory / "other", "other")
        for environment in ({}, TODAY):
            source = self.source("carl", client={"ssl.ca.location": str(other.ca)})
            self.refused(4, source, "certificate verify failed", "ssl.ca.location", env=environment)

    # -- permissions

    def test_documented_permissions_are_enough_and_needed(self) -> None:
        """The documented permissions are enough. Without one of them, the run names what is missing."""
        for environment in ({}, TODAY):
            sources = [self.source(user, name=user, log_dirs=self.files()) for user in (*self.lacks, "carl")]
            agent = make_agent(self.new_directory(), *sources)
            outcomes = {f"kafka/{task['name']}": task for task in agent.json("backup", expect=3, env=environment)["sources"]}
            for user, lacking in self.lacks.items():
                with self.subTest(user=user, environment=environment):
                    self.check_missing(outcomes[f"kafka/{user}"], [right for right in lacking if right in self.least])
            # Compares with a super user's snapshot. READ includes DESCRIBE, so a missing DESCRIBE alone has no effect.
            data = {user: self.data(agent, user) for user in ("carl", "least", "without-describe")}
            self.assertIn("topics/orders/0/00000000000000000000.log", data["carl"])
            self.assertIn("groups/billing.json", data["carl"])
            self.assertIn("acls.json", data["carl"])
            for user in ("least", "without-describe"):
                self.assertEqual(data[user], data["carl"], user)

    def data(self, agent: Agent, name: str) -> dict[str, bytes]:
        """The saved data of the cluster itself, by path."""
        target = self.new_directory()
        agent.run("restore", f"latest:kafka/{name}", "--allow-partial", "--to", str(target))
        top = target / "data"
        return {str(file.relative_to(top)): file.read_bytes() for file in top.rglob("*") if file.is_file()}

    def check_missing(self, task: dict, lacking: list[tuple[str, str, str]]) -> None:
        if lacking in ([], TOPIC[1:2]):
            self.assertEqual((task["state"], task["missing"]), ("done", []))
            return
        self.assertEqual(task["state"], "partly done")
        kind, _, operation = lacking[-1]
        resource = {"TOPIC": "topic ", "GROUP": "group ", "CLUSTER": "the cluster"}[kind]
        for missing in task["missing"]:
            self.assertIn(f"{operation} on {resource}", missing["remedy"] or "", missing)


class Kraft41(Secured):
    def test_scram_with_debians_librdkafka_is_refused(self) -> None:
        says = ("cannot log in to Kafka 4 with SCRAM", "2.6.1")
        self.refused(4, self.source("anna"), *says)

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # A listener with another protocol hangs up without a reason, like a broker that is starting. The agent retries
        # for half a minute, while the other tests run.
        no_login = {"sasl.mechanism": None, "sasl.username": None, "sasl.password_file": None}
        no_tls = {"ssl.ca.location": None}
        clients = [
            no_login | {"security.protocol": "ssl"},
            no_tls | {"security.protocol": "sasl_plaintext"},
            no_login | no_tls | {"security.protocol": "plaintext"},
        ]
        cls.misled = []
        for number, client in enumerate(clients):
            directory = cls.shared / f"misled-{number}"
            agent = make_agent(directory, source_of(cls.cluster, directory / "secrets", "carl", client=client))
            cls.misled.append(agent.start("backup", log=directory / "log"))
            cls.addClassCleanup(cls.misled[-1].kill)

    def test_wrong_protocol_is_named(self) -> None:
        for run in self.misled:
            self.assertEqual(run.wait(90), 5, run.tail())
            self.assertIn("security.protocol", run.tail().split("\nhint: ", 1)[1])


class ZooKeeper39(Secured):
    service = "kafka39"
    zookeeper = True
    least = [*TOPIC, *GROUP[:1], *CLUSTER]
    scram_environment = {}


class Certificates(Case):
    """A broker that accepts only clients with a certificate of its authority."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.shared = cls.shared_directory()
        cls.authority = Authority(cls.shared / "authority")
        cls.cluster = KafkaCluster(cls.shared / "kafka", brokers=1, security="SSL", authority=cls.authority)
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()
        cls.cluster.create_topic("orders", config=FOR_EVER)
        cls.cluster.admin().load("orders", 20, 100)

    def output_of(self, code: int, client: dict[str, str | None], **options) -> str:
        source = source_of(self.cluster, self.directory / "secrets", "anna", client=client)
        directory = self.directory / f"agent-{len(list(self.directory.iterdir()))}"
        return make_agent(directory, source).run("backup", expect=code, **options).stderr

    def test_certificate_is_enough(self) -> None:
        for environment in ({}, TODAY):
            self.output_of(0, {}, env=environment)

    def test_missing_certificate_is_named(self) -> None:
        none = {"ssl.certificate.location": None, "ssl.key.location": None}
        for environment in ({}, TODAY):
            began = time.monotonic()
            said = self.output_of(4, none, env=environment)
            self.assertLess(time.monotonic() - began, SOON)
            self.assertIn("client certificate", said)

    def test_certificate_of_another_authority_is_refused(self) -> None:
        other = Authority(self.directory / "other", "other").issue("anna")
        client = {"ssl.certificate.location": str(other.cert), "ssl.key.location": str(other.key)}
        for environment in ({}, TODAY):
            began = time.monotonic()
            said = self.output_of(4, client, env=environment)
            self.assertLess(time.monotonic() - began, SOON)
            self.assertIn("client certificate", said)

    def test_key_of_another_certificate_is_refused(self) -> None:
        other = Authority(self.directory / "other", "other").issue("anna")
        said = self.output_of(2, {"ssl.key.location": str(other.key)})
        self.assertIn("hint: ", said)


del Secured  # unittest must not run the base class


if __name__ == "__main__":
    main("kafka41", "kafka39", "librdkafka")
