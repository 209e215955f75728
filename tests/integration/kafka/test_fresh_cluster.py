"""A lost cluster: three brokers, saved under load through a controller, are restored into three empty ones."""

import json
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, KafkaCluster, Record, main, wait_until
from lib.cluster import Cluster

NODES = {1: "kafka-1", 2: "kafka-2", 3: "kafka-3"}
PARTITIONS = 3
RECORDS = 24_000  # per plain topic, 8000 per partition
PLAIN = [f"plain-{number:02}" for number in range(43)]
COMPACTED = ["states-1", "states-2"]
OTHERS = ["odd", "transactions", "open", "trimmed", "empty"]
TOPICS = PLAIN + COMPACTED + OTHERS
KEYS = 100

# Null, empty and non-text keys and values; tombstones; repeated, null and nameless headers.
ODD = [
    Record("odd", 0, key, value, headers, 1_700_000_000_000 + number)
    for number, (key, value, headers) in enumerate(
        [
            (b"key", b"value", ()),
            (None, b"no key", ()),
            (b"", b"", ()),
            (b"key", None, ()),
            (None, None, ()),
            (b"\xff\xfe", b"\x00\xff", (("a", b"1"), ("b", None), ("a", b""), ("", b"2"), ("a", b"1"))),
            (b"tombstone", None, (("why", None), ("why", None))),
            (b"large", b"x" * 900_000, (("h", b"y" * 10_000),)),
        ]
    )
]


class FreshCluster(Case):
    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.shared_directory()
        cls.source = KafkaCluster(
            directory / "source", "kafka41", 3, authorizer=True, properties={"log.cleaner.backoff.ms": "200"}
        )
        cls.fresh = KafkaCluster(directory / "fresh", "kafka41", 3, authorizer=True)
        for cluster in (cls.source, cls.fresh):
            cls.addClassCleanup(cluster.kill)
        cls.source.start()

    def test_backup_under_load_is_restored_into_a_fresh_cluster(self) -> None:
        client = self.source.admin()
        self.fill()
        cluster = self.add_agents()
        with client.producing() as producing:
            self.leave_open(producing)
            with self.writing():
                [run] = cluster.json("backup", "--all")["runs"]
        self.assertEqual(run["state"], "done", json.dumps(run, indent=1))
        self.assertIn("an open transaction", json.dumps(run))

        # The records of the source, up to the offsets in the snapshot.
        documents = self.documents(cluster)
        self.assertEqual(set(documents), set(client.digest(*TOPICS)))
        ends = {partition: document["end"] for partition, document in documents.items()}
        self.assertEqual({document["incomplete"] for document in documents.values()}, {""})
        self.assertEqual(ends["open", 0], 100)
        self.assertGreater(documents["open", 0]["high"], 100)
        records = client.digest(*TOPICS, end=ends, offsets=False)
        self.assertGreater(sum(digest.count for digest in records.values()), 1_000_000)
        now = client.digest(*PLAIN)
        self.assertTrue(any(end > RECORDS // PARTITIONS for end in ends.values()), "nothing was written before the cut")
        self.assertTrue(any(now[key].last >= ends[key] for key in now), "nothing was written behind the cut")
        positions = {group: client.committed(group) for group in self.groups()}
        words = {group: client.commit_metadata(group) for group in positions}
        self.assertTrue(all(set(said.values()) == {"said by " + group} for group, said in words.items()), words)
        following = {group: self.follow(client, at, ends) for group, at in positions.items()}
        state = self.state(self.source)
        self.source.kill()

        self.fresh.start()
        self.look_first(cluster)
        [restored] = self.restore(cluster)["tasks"]
        self.assertEqual(restored["report"]["restored"]["items"], sum(digest.count for digest in records.values()))

        client = self.fresh.admin()
        there = client.digest(*TOPICS, offsets=False)
        self.assertEqual(
            {partition: (digest.count, digest.sha256) for partition, digest in there.items()},
            {partition: (digest.count, digest.sha256) for partition, digest in records.items()},
        )
        self.assertEqual([record.as_written() for record in client.consume("odd")], ODD)
        for group, before in following.items():
            at = client.committed(group)
            self.assertEqual(set(at), set(positions[group]), group)
            self.assertEqual(self.follow(client, at, {}), before, group)
            self.assertEqual(client.commit_metadata(group), words[group])
        self.assertEqual(self.state(self.fresh), state)

    # -- the lost cluster

    def fill(self) -> None:
        client = self.source.admin()
        compacted = {"cleanup.policy": "compact", "segment.ms": "100", "max.compaction.lag.ms": "100"}
        compacted |= {"min.cleanable.dirty.ratio": "0.001"}
        self.source.create_topics(
            *({"topic": topic, "partitions": PARTITIONS, "replicas": 2} for topic in PLAIN),
            *({"topic": topic, "replicas": 3, "config": compacted} for topic in COMPACTED),
            {"topic": "odd", "config": {"retention.ms": "-1", "min.insync.replicas": "1"}, "replicas": 3},
            {"topic": "transactions", "partitions": 2, "config": {"compression.type": "zstd"}, "replicas": 3},
            {"topic": "open", "partitions": 2, "replicas": 3},
            {"topic": "trimmed", "config": {"retention.bytes": "123456789", "segment.ms": "3600000"}},
            {"topic": "empty", "partitions": 4, "config": {"cleanup.policy": "compact,delete"}},
        )
        for topic in COMPACTED:
            client.load(topic, 2000, 100, keys=KEYS)
            client.produce([Record(topic, 0, b"key-%08d" % key, None) for key in range(0, KEYS, 3)])
        for part, codec in enumerate(("none", "lz4", "zstd")):
            self.source.admin(**{"compression.codec": codec}).run(
                "load",
                [
                    {"topic": topic, "records": RECORDS, "bytes": 100, "keys": 1000, "seed": seed}
                    for seed, topic in enumerate(PLAIN)
                    if seed % 3 == part
                ],
            )
        client.produce(ODD)
        client.load("trimmed", 100, 100)
        client.trim("trimmed", 0, 40)
        with client.producing() as producing:
            for number in range(3):
                # Two interleaved transactions.
                producing.begin("kept")
                producing.begin("dropped")
                for at in range(10):
                    for transaction in ("kept", "dropped"):
                        value = f"{transaction} {number} {at}".encode()
                        producing.produce([Record("transactions", one, value=value) for one in (0, 1, 1)], transaction)
                producing.commit("kept")
                producing.abort("dropped")
        client.produce([Record("transactions", 1, value=b"by no transaction")])
        for group, offsets in self.groups().items():
            client.commit(group, offsets, "said by " + group)
        self.source.add_acl("anna", ["Read", "Describe"], "--topic", "plain-", "--resource-pattern-type", "prefixed")
        self.source.add_acl("ben", ["Read"], "--topic", "odd", "--group", "readers", deny=True)
        # These start new segments, because Kafka does not compact the active one.
        client.produce([Record(topic, 0, b"last", b"") for topic in COMPACTED])
        for topic in COMPACTED:
            wait_until("compaction", lambda topic=topic: self.is_compacted(topic))

    def groups(self) -> dict[str, dict[tuple[str, int], int]]:
        """Offsets at records, at the first and after the last one, between records, and at deleted ones."""
        end = RECORDS // PARTITIONS
        readers = {
            f"readers-{number}": {(topic, one): number * 777 + one for topic in PLAIN for one in range(PARTITIONS)}
            for number in range(10)
        }
        return readers | {
            "Readers / more": {(PLAIN[0], 0): 0, (PLAIN[0], 1): end - 1, (PLAIN[0], 2): end},
            "between": {("states-1", 0): 1000, ("states-2", 0): 3, ("transactions", 0): 21, ("transactions", 1): 43},
            "at the end": {("open", 0): 100, ("open", 1): 100, ("odd", 0): len(ODD), ("empty", 3): 0},
            "of old": {("trimmed", 0): 7},
        }

    def is_compacted(self, topic: str) -> bool:
        """Whether no key occurs twice, so that the cleaner has nothing left to remove."""
        return len(self.source.admin().consume(topic)) == KEYS + 1

    def leave_open(self, producing) -> None:
        self.source.admin().load("open", 200, 100)
        producing.begin("open")
        producing.produce([Record("open", 0, value=b"open") for _ in range(50)], "open")
        producing.produce([Record("open", 0, value=b"behind it") for _ in range(50)])

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Writes to all plain topics in a thread, with short pauses."""
        begun, done = threading.Event(), threading.Event()

        def write() -> None:
            number = 0
            with self.source.admin().producing() as producing:
                while not done.wait(0.02):
                    number += 1
                    value = f"meanwhile {number}".encode()
                    producing.produce([Record(topic, number % PARTITIONS, value, value) for topic in PLAIN])
                    begun.set()

        with ThreadPoolExecutor() as pool:
            writer = pool.submit(write)
            try:
                wait_until("the first records", lambda: begun.is_set() or writer.done())
                yield
            finally:
                done.set()
            writer.result()

    # -- through the controller

    def add_agents(self) -> Cluster:
        cluster = Cluster(self.directory).start()
        policy = {
            "restore": "in-place",
            "restore_targets": {
                "fresh": {
                    "kind": "kafka",
                    "options": {"to_cluster": self.fresh.bootstrap()},
                    "may_set": ["topic", "rename"],
                }
            },
        }
        for number, node in NODES.items():
            source = {"kind": "kafka", "name": "main", "bootstrap": [self.source.bootstrap(number)]}
            source |= {"log_dirs": [str(one) for one in self.source.brokers[number].log_dirs]}
            cluster.add(node, [source], policy=policy if number == 1 else None)
        return cluster

    def restore(self, cluster: Cluster, *arguments: str, state: str = "done") -> dict:
        order = ("restore", "latest:kafka/main", "--node", NODES[1], "--to-target", "fresh", *arguments, "--yes")
        run = cluster.json(*order, operator=True, expect=None)["run"]
        self.assertEqual(run["state"], state, json.dumps(run, indent=1))
        return run

    def look_first(self, cluster: Cluster) -> None:
        """A dry run prints the plan and changes nothing."""
        order = ("restore", "latest:kafka/main", "--node", NODES[1], "--to-target", "fresh", "--yes")
        output = cluster.call(*order, "--dry-run", operator=True).stdout
        self.assertIn("a dry run, which changed nothing", output)
        self.assertRegex(output, r"topic +plain-07 +plain-07 +3 +24[ ,]?\d{3} .* created")
        some = ("--topic", "plain-0*", "--rename", "plain-07=seven")
        [task] = self.restore(cluster, *some, "--dry-run")["tasks"]
        plan = task["report"]["restored"]["plan"]
        topics = {item["name"]: item["target"] for item in plan if item["what"] == "topic"}
        self.assertEqual(topics, {topic: topic for topic in PLAIN[:10]} | {"plain-07": "seven"})
        self.assertEqual(set(self.fresh.admin().metadata()["topics"]), set())
        refused = cluster.call(*order, "--option", "to_cluster=127.0.0.1:1", operator=True, expect=4)
        self.assertIn('fixes option "to_cluster"', refused.stdout + refused.stderr)

    def documents(self, cluster: Cluster) -> dict[tuple[str, int], dict]:
        """partition.json of each partition in the snapshot."""
        target = self.directory / "look"
        cluster.agent(NODES[1]).run(
            "restore", "latest:kafka/main", "--allow-partial", "--to", str(target), "--include", "partition.json", "--include", "manifest.json"
        )
        self.assertEqual(json.loads((target / "manifest.json").read_text())["missing"], [])
        found = (target / "data" / "topics").glob("*/*/partition.json")
        return {(file.parts[-3], int(file.parts[-2])): json.loads(file.read_text()) for file in found}

    # -- what the test compares

    def follow(self, client, at: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]) -> dict:
        """Count and checksum of what a consumer at these offsets reads, up to `ends`."""
        digests = client.digest(*{topic for topic, _ in at}, start=at, end=ends, offsets=False)
        return {partition: (digests[partition].count, digests[partition].sha256) for partition in at}

    def state(self, cluster: KafkaCluster) -> tuple[dict[str, list[str]], set[str]]:
        """Partitions, replicas and configuration of each topic, and the ACLs."""
        found = re.findall(
            r"Topic: (\S+)\s.*PartitionCount: (\d+)\s+ReplicationFactor: (\d+)\s+Configs: ?(\S*)",
            cluster.tool("kafka-topics", "--describe"),
        )
        topics = {
            topic: [partitions, replicas, *sorted(re.split(r",(?=[a-z.]+=)", configs))]
            for topic, partitions, replicas, configs in found
            if not topic.startswith("__")
        }
        self.assertEqual(set(topics), set(TOPICS))
        return topics, set(re.findall(r"[^\n]+", cluster.tool("kafka-acls", "--list")))


if __name__ == "__main__":
    main("kafka41")
