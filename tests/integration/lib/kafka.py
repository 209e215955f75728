"""Real Kafka clusters on loopback: with KRaft or ZooKeeper, with or without TLS, logins and ACLs."""

import base64
import re
import secrets
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .certificates import Authority
from .kafka_client import KafkaClient
from .places import service_program
from .processes import Process, free_port, run, wait_until

# Starting or killing a broker can take this many seconds on a busy machine.
_PATIENCE = 120
# Killed processes would leave files in the system's temporary directory: unpacked libraries, and the performance
# counters that Java tools read.
_JAVA = "-XX:-UsePerfData -Djava.io.tmpdir={}"
_WITH_CLUSTER = ("kafka-topics", "kafka-acls", "kafka-configs", "kafka-consumer-groups")


@dataclass
class Broker:
    number: int
    directory: Path
    log_dirs: list[Path]
    properties: dict[str, str]
    client_port: int = field(default_factory=free_port)
    internal_port: int = field(default_factory=free_port)
    controller_port: int = field(default_factory=free_port)
    process: Process | None = None

    def is_running(self) -> bool:
        return self.process is not None and self.process.is_running()


class KafkaCluster:
    """A cluster of `service`, "kafka41" or "kafka39". By default each broker is also a controller. With `zookeeper`
    (kafka39 only), all brokers use one ZooKeeper. Nothing runs before start().

    Brokers and the tools of this class use a listener without login or restrictions. `security` is the protocol of the
    clients' listener: PLAINTEXT; SSL, which accepts certificates of `authority` and maps their subject to "CN=anna";
    SASL_PLAINTEXT or SASL_SSL for the users (name: password) of either mechanism. Only `authorizer` enables ACLs; then
    users outside `super_users` have no rights before add_acl()."""

    def __init__(
        self,
        directory: Path,
        service: str = "kafka41",
        brokers: int = 3,
        *,
        zookeeper: bool = False,
        authorizer: bool = False,
        super_users: Iterable[str] = (),
        security: str = "PLAINTEXT",
        scram_users: dict[str, str] | None = None,
        plain_users: dict[str, str] | None = None,
        authority: Authority | None = None,
        properties: dict[str, str] | None = None,
        broker_properties: dict[int, dict[str, str]] | None = None,
        log_dirs: int = 1,
    ):
        """`properties` of all brokers, and before them `broker_properties` of one, precede the ones set here."""
        self.directory = directory
        self.service = service
        self.security = security
        self.scram_users = scram_users or {}
        self.plain_users = plain_users or {}
        self.authority = authority
        # 16 bytes. The first must not encode to "-": a tool would parse the id as an option.
        self.cluster_id = base64.urlsafe_b64encode(b"T" + secrets.token_bytes(15)).decode().rstrip("=")
        self.brokers = {
            number: Broker(
                number=number,
                directory=directory / f"broker-{number}",
                log_dirs=[directory / f"broker-{number}" / f"data-{one}" for one in range(1, log_dirs + 1)],
                properties=(broker_properties or {}).get(number, {}),
            )
            for number in range(1, brokers + 1)
        }
        self.zookeeper = ZooKeeper(directory / "zookeeper", service) if zookeeper else None
        self._common = self._common_properties(authorizer, list(super_users)) | (properties or {})
        self._certificates: dict[str, dict[str, str]] = {}
        directory.mkdir(parents=True, exist_ok=True)

    # -- starting and ending

    def start(self) -> "KafkaCluster":
        """Starts every stopped broker at once and waits until each answers and knows all others."""
        if self.zookeeper is not None:
            self.zookeeper.start()
        stopped = [broker for broker in self.brokers.values() if not broker.is_running()]
        is_new = not any(directory.exists() for broker in stopped for directory in broker.log_dirs)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._prepare, stopped))
        for broker in stopped:
            self._launch(broker)
        for broker in self.brokers.values():
            self._wait_for(broker)
        if is_new and self.zookeeper is not None:
            for name, password in self.scram_users.items():
                self.alter_config("users", name, {"SCRAM-SHA-512": f"[iterations=4096,password={password}]"})
        return self

    def start_broker(self, number: int, properties: dict[str, str] | None = None) -> None:
        """Starts the broker. `properties` are added to its configuration permanently."""
        broker = self.brokers[number]
        broker.properties = broker.properties | (properties or {})
        self._prepare(broker)
        self._launch(broker)
        self._wait_for(broker)

    def stop_broker(self, number: int, seconds: float = 30) -> int:
        """Stops the broker with SIGTERM, as systemd does, and returns its exit status. Kills it after a timeout:
        without a majority of the controllers, a controller never ends cleanly."""
        return self.brokers[number].process.stop(seconds)

    def kill_broker(self, number: int) -> None:
        """Kills the broker, as a power cut would."""
        self.brokers[number].process.kill()

    def stop(self, seconds: float = 15) -> None:
        """Stops all brokers at once; see stop_broker()."""
        running = [broker for broker in self.brokers.values() if broker.is_running()]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda broker: broker.process.stop(seconds), running))
        if self.zookeeper is not None:
            self.zookeeper.stop()

    def kill(self) -> None:
        """Kills the whole cluster, for the end of a test."""
        for broker in self.brokers.values():
            if broker.process is not None:
                broker.process.kill()
        if self.zookeeper is not None:
            self.zookeeper.stop()

    def _prepare(self, broker: Broker) -> None:
        broker.directory.mkdir(parents=True, exist_ok=True)
        (broker.directory / "tmp").mkdir(exist_ok=True)
        config = broker.directory / "server.properties"
        lines = [f"{name}={value}".replace("\\", "\\\\") for name, value in self._properties_of(broker).items()]
        config.write_text("\n".join(lines) + "\n")
        if self.zookeeper is None and not (broker.log_dirs[0] / "meta.properties").exists():
            users = [
                part
                for name, password in self.scram_users.items()
                for part in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
            ]
            self.tool("kafka-storage", "format", "-t", self.cluster_id, "-c", str(config), *users)

    def _launch(self, broker: Broker) -> None:
        broker.process = Process(
            [service_program(self.service, "kafka-server"), str(broker.directory / "server.properties")],
            broker.directory / "log",
            env={"KAFKA_OPTS": _JAVA.format(broker.directory / "tmp")},
        )

    def _wait_for(self, broker: Broker) -> None:
        wanted = {str(other.number) for other in self.brokers.values() if other.is_running()}

        def serves() -> bool:
            if not broker.is_running():
                return True
            return wanted <= set(self.admin(broker.number).metadata(seconds=3)["brokers"])

        try:
            wait_until(f"broker {broker.number} to serve", serves, _PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{broker.process.tail()}") from None
        broker.process.require_running()

    def _common_properties(self, authorizer: bool, super_users: list[str]) -> dict[str, str]:
        copies = str(min(3, len(self.brokers)))
        common = {
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,CLIENT:{self.security}",
            "inter.broker.listener.name": "INTERNAL",
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            "offsets.topic.num.partitions": "3",
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.num.partitions": "3",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": "1",
            "log.cleaner.dedupe.buffer.size": str(4 << 20),  # allocated from the start
        }
        if self.zookeeper is not None:
            common |= {"zookeeper.connect": self.zookeeper.address, "zookeeper.session.timeout.ms": "9000"}
        else:
            voters = [f"{broker.number}@127.0.0.1:{broker.controller_port}" for broker in self.brokers.values()]
            common |= {
                "process.roles": "broker,controller",
                "controller.listener.names": "CONTROLLER",
                "controller.quorum.voters": ",".join(voters),
            }
        if authorizer:
            common["authorizer.class.name"] = (
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
                if self.zookeeper is None
                else "kafka.security.authorizer.AclAuthorizer"
            )
            common["super.users"] = ";".join(f"User:{name}" for name in ["ANONYMOUS", *super_users])
        return common | self._login_properties()

    def _login_properties(self) -> dict[str, str]:
        prefix, found = "listener.name.client.", {}
        if self.security.startswith("SASL"):
            mechanisms = []
            if self.scram_users:
                mechanisms.append("SCRAM-SHA-512")
                found[f"{prefix}scram-sha-512.sasl.jaas.config"] = (
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                )
            if self.plain_users:
                mechanisms.append("PLAIN")
                users = " ".join(f'user_{name}="{password}"' for name, password in self.plain_users.items())
                found[f"{prefix}plain.sasl.jaas.config"] = (
                    f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
                )
            found[f"{prefix}sasl.enabled.mechanisms"] = ",".join(mechanisms)
        if self.security.endswith("SSL"):
            issued = self.authority.issue("kafka-server")
            # Java reads keys only in this form.
            key = run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", str(issued.key)]).stdout
            store = issued.key.with_suffix(".store")
            store.touch(0o600)
            store.write_text(key + issued.cert.read_text())
            found[f"{prefix}ssl.keystore.type"] = found[f"{prefix}ssl.truststore.type"] = "PEM"
            found[f"{prefix}ssl.keystore.location"] = str(store)
            found[f"{prefix}ssl.truststore.location"] = str(self.authority.ca)
            found[f"{prefix}ssl.client.auth"] = "required" if self.security == "SSL" else "none"
        return found

    def _properties_of(self, broker: Broker) -> dict[str, str]:
        listeners = f"INTERNAL://127.0.0.1:{broker.internal_port},CLIENT://127.0.0.1:{broker.client_port}"
        own = {
            "log.dirs": ",".join(str(directory) for directory in broker.log_dirs),
            "listeners": listeners,
            "advertised.listeners": listeners,
        }
        if self.zookeeper is None:
            own["node.id"] = str(broker.number)
            own["listeners"] += f",CONTROLLER://127.0.0.1:{broker.controller_port}"
        else:
            own["broker.id"] = str(broker.number)
        return own | self._common | broker.properties

    # -- clients and tools

    def bootstrap(self, number: int | None = None) -> str:
        """Bootstrap addresses of all brokers, or of one."""
        return ",".join(f"127.0.0.1:{broker.client_port}" for broker in self._asked(number))

    def client(
        self, user: str = "", *, mechanism: str = "", number: int | None = None, library: str | None = None
    ) -> KafkaClient:
        """A client on the clients' listener. `mechanism` is needed if the user has both; `library` as in KafkaClient.
        """
        return KafkaClient(self.client_properties(user, mechanism=mechanism, number=number), library)

    def client_properties(self, user: str = "", *, mechanism: str = "", number: int | None = None) -> dict[str, str]:
        """The librdkafka properties of `user`."""
        found = {"bootstrap.servers": self.bootstrap(number), "security.protocol": self.security}
        if self.security.endswith("SSL"):
            found["ssl.ca.location"] = str(self.authority.ca)
        if self.security == "SSL":
            if user not in self._certificates:
                issued = self.authority.issue(user)
                self._certificates[user] = {
                    "ssl.certificate.location": str(issued.cert),
                    "ssl.key.location": str(issued.key),
                }
            found |= self._certificates[user]
        if self.security.startswith("SASL"):
            mechanism = mechanism or ("SCRAM-SHA-512" if user in self.scram_users else "PLAIN")
            users = self.plain_users if mechanism == "PLAIN" else self.scram_users
            found |= {"sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": users[user]}
        return found

    def admin(self, number: int | None = None, **properties: str) -> KafkaClient:
        """A client on the listener without restrictions. `properties` are librdkafka's."""
        return KafkaClient({"bootstrap.servers": self._internal(number)} | properties)

    def _internal(self, number: int | None = None) -> str:
        return ",".join(f"127.0.0.1:{broker.internal_port}" for broker in self._asked(number))

    def _asked(self, number: int | None) -> list[Broker]:
        return list(self.brokers.values()) if number is None else [self.brokers[number]]

    def tool(self, name: str, *arguments: str) -> str:
        """Runs one of Kafka's own tools against the cluster and returns its output."""
        argv = [service_program(self.service, name), *arguments]
        if name in _WITH_CLUSTER:
            argv += ["--bootstrap-server", self._internal()]
        return run(argv, env={"KAFKA_OPTS": _JAVA.format(self.directory)}).stdout

    # -- topics

    def create_topic(
        self,
        topic: str,
        partitions: int = 1,
        replicas: int = 1,
        config: dict[str, str] | None = None,
        *,
        assignment: list[list[int]] | None = None,
    ) -> None:
        """Creates a topic and waits until each partition has a leader. `assignment` lists the brokers of each
        partition, the preferred leader first."""
        wanted = {"assignment": assignment} if assignment else {"partitions": partitions, "replicas": replicas}
        self.admin().run("create", [{"topic": topic, "config": config or {}, **wanted}])
        for partition in range(len(assignment or range(partitions))):
            self.wait_for_leader(topic, partition)

    def create_topics(self, *topics: dict) -> None:
        """Creates many topics at once, in the form that "create" of kafka_tool takes."""
        self.admin().run("create", topics)

        def have_leaders() -> bool:
            known = [self.admin(number).metadata()["topics"] for number in self.brokers]
            return all(
                topic["topic"] in its and all(part["leader"] > 0 for part in its[topic["topic"]].values())
                for its in known
                for topic in topics
            )

        wait_until("leaders of all partitions", have_leaders, _PATIENCE)

    def delete_topic(self, topic: str) -> None:
        """Deletes the topic and waits until no broker knows it and no running broker has a directory with its name."""
        self.admin().run("delete", [{"topic": topic}])
        running = [broker for broker in self.brokers.values() if broker.is_running()]

        def is_gone() -> bool:
            if any(topic in self.admin(broker.number).metadata()["topics"] for broker in running):
                return False
            # With ZooKeeper, the metadata of a topic is gone before its directories are renamed.
            directories = (path for broker in running for log_dir in broker.log_dirs for path in log_dir.iterdir())
            return not any(re.fullmatch(re.escape(topic) + r"-\d+", path.name) for path in directories)

        wait_until(f'topic "{topic}" to be gone', is_gone)

    def leader(self, topic: str, partition: int = 0) -> int:
        """Number of the leading broker; -1 if the partition has no leader."""
        return self._partition(topic, partition)["leader"]

    def isr(self, topic: str, partition: int = 0) -> set[int]:
        return set(self._partition(topic, partition)["isr"])

    def replicas(self, topic: str, partition: int = 0) -> list[int]:
        return self._partition(topic, partition)["replicas"]

    def wait_for_leader(self, topic: str, partition: int = 0) -> int:
        """Waits for a leader that runs and that every running broker knows."""

        def found() -> int:
            running = [broker.number for broker in self.brokers.values() if broker.is_running()]
            leaders = {self._partition(topic, partition, number)["leader"] for number in running}
            return leaders.pop() if len(leaders) == 1 and leaders <= set(running) else 0

        return wait_until(f"a leader of partition {partition} of {topic}", found, _PATIENCE)

    def wait_for_isr(self, topic: str, isr: set[int], partition: int = 0) -> None:
        wait_until(f"{isr} in sync", lambda: self.isr(topic, partition) == isr, _PATIENCE)

    def _partition(self, topic: str, partition: int, number: int | None = None) -> dict:
        # A broker that has just started does not know all topics yet.
        known = self.admin(number).metadata()["topics"]
        return known.get(topic, {}).get(str(partition), {"leader": -1, "isr": [], "replicas": []})

    # -- configuration, rights, groups

    def alter_config(
        self, kind: str, name: str | None, config: dict[str, str] | None = None, *, delete: Iterable[str] = ()
    ) -> None:
        """Changes a configuration. `kind` is topics, brokers, users, groups...; `name` None is the default of the kind.
        Other settings stay unchanged."""
        arguments = ["--alter", "--entity-type", kind]
        arguments += ["--entity-default"] if name is None else ["--entity-name", name]
        if config:
            values = {
                key: f"[{value}]" if "," in value and not value.startswith("[") else value
                for key, value in config.items()
            }
            arguments += ["--add-config", ",".join(f"{key}={value}" for key, value in values.items())]
        if delete:
            arguments += ["--delete-config", ",".join(delete)]
        self.tool("kafka-configs", *arguments)

    def add_acl(self, user: str, operations: Iterable[str], *resource: str, deny: bool = False) -> None:
        """E.g. add_acl("anna", ["Read", "Describe"], "--topic", "orders", "--resource-pattern-type", "prefixed"). For
        the cluster itself, pass "--cluster". Brokers apply it a moment later."""
        self.tool("kafka-acls", "--add", *self._acl(user, operations, resource, deny))

    def remove_acl(self, user: str, operations: Iterable[str], *resource: str, deny: bool = False) -> None:
        self.tool("kafka-acls", "--remove", "--force", *self._acl(user, operations, resource, deny))

    @staticmethod
    def _acl(user: str, operations: Iterable[str], resource: Iterable[str], deny: bool) -> list[str]:
        who = ["--deny-principal" if deny else "--allow-principal", f"User:{user}"]
        return [*who, *(part for operation in operations for part in ("--operation", operation)), *resource]

    def groups(self) -> dict[str, str]:
        """Name and state of each group."""
        lines = self.tool("kafka-consumer-groups", "--list", "--state").splitlines()
        rows = [line.split() for line in lines if line.strip()]
        return {row[0]: row[-1] for row in rows if row[0] != "GROUP"}

    # -- files

    def log_dir(self, number: int, which: int = 0) -> Path:
        return self.brokers[number].log_dirs[which]

    def segments(self, number: int, topic: str, partition: int = 0) -> list[Path]:
        """The .log files of a broker's replica, oldest first."""
        return sorted(
            file
            for directory in self.brokers[number].log_dirs
            for file in (directory / f"{topic}-{partition}").glob("*.log")
        )

    def dump_log(self, file: Path) -> str:
        """What Kafka's own tool reads in the file: a line per batch and per record."""
        return self.tool("kafka-dump-log", "--deep-iteration", "--print-data-log", "--files", str(file))


class ZooKeeper:
    """A standalone ZooKeeper server, from the jars shipped with Kafka."""

    def __init__(self, directory: Path, service: str):
        self.directory = directory
        self.service = service
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: Process | None = None

    def start(self) -> "ZooKeeper":
        if self.process is not None and self.process.is_running():
            return self
        (self.directory / "tmp").mkdir(parents=True, exist_ok=True)
        config = self.directory / "zoo.cfg"
        config.write_text(
            f"dataDir={self.directory / 'data'}\nclientPortAddress=127.0.0.1\nclientPort={self.port}\n"
            "tickTime=1000\nadmin.enableServer=false\nmaxClientCnxns=0\n"
        )
        self.process = Process(
            [service_program(self.service, "zookeeper-server"), str(config)],
            self.directory / "log",
            env={"KAFKA_OPTS": _JAVA.format(self.directory / "tmp")},
        )
        wait_until("ZooKeeper to serve", self._serves, _PATIENCE)
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def _serves(self) -> bool:
        self.process.require_running()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"srvr")
            return b"Mode: standalone" in connection.recv(65536)
