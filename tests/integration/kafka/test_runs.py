"""Thirty runs, and between them everything that changes records: each snapshot has what was readable at its cut."""

import random
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, KafkaCluster, Record, main, wait_until, write_config
from lib.kafka_log import partition_records

RUNS = 30
SMALL = {"segment.bytes": "1048576", "retention.ms": "-1"}
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "500",
    "min.cleanable.dirty.ratio": "0.001",
    "max.compaction.lag.ms": "500",
}
PROPERTIES = {"log.cleaner.backoff.ms": "200", "unclean.leader.election.enable": "false"}


class ManyRuns(Case):
    """Three brokers. Two agents with access to a broker's files and one without take turns with one repository."""

    def setUp(self) -> None:
        super().setUp()
        self.random = random.Random(1)
        self.kafka = KafkaCluster(self.directory / "kafka", "kafka41", 3, properties=PROPERTIES)
        self.addCleanup(self.kafka.kill)
        self.kafka.start()
        self.client = self.kafka.admin()
        self.agents = [self.make_agent(number) for number in (0, 1, 2)]
        self.agents[0].run("repository", "init")
        self.seed = 0
        self.saved = 0
        self.compared: dict[str, int] = {}

    def make_agent(self, number: int) -> Agent:
        source = {"kind": "kafka", "name": "main", "bootstrap": self.kafka.bootstrap().split(",")}
        if number > 0:
            source["log_dirs"] = [str(one) for one in self.kafka.brokers[number].log_dirs]
        directory = self.directory / f"agent-{number}"
        config = write_config(
            directory, [source], repository=self.directory / "repository", node=f"node-{number}", cluster="test"
        )
        (directory / "password").touch(0o600)
        (directory / "password").write_text("correct horse")
        (directory / "password").chmod(0o600)
        return Agent(config)

    # -- what happens to the cluster

    def load(self, topic: str, records: int = 0) -> None:
        self.seed += 1
        self.client.load(topic, records or self.random.randrange(1, 800), 700, keys=40, seed=self.seed)

    def write_transactions(self) -> None:
        with self.client.producing() as producing:
            for number in range(4):
                producing.begin("x")
                producing.produce([Record("paid", number % 2, value=b"%d" % self.seed) for _ in range(20)], "x")
                if number == 2:
                    producing.abort("x")
                else:
                    producing.commit("x")

    def trim(self) -> None:
        there = [one for one in self.client.digest("trimmed").values() if one.count > 0]
        if there:
            self.client.trim("trimmed", 0, self.random.randrange(there[0].first, there[0].last + 2))

    def make_again(self) -> None:
        self.kafka.delete_topic("again")
        self.kafka.create_topic("again", 2, replicas=2, config=SMALL)
        self.load("again", 900)

    def move_leaders(self) -> None:
        number = self.random.choice((1, 2, 3))
        self.kafka.stop_broker(number)
        self.kafka.start_broker(number)
        for topic in ("moves", "again"):
            wait_until("all in sync", lambda topic=topic: self.all_in_sync(topic), 120)

    def all_in_sync(self, topic: str) -> bool:
        partitions = self.client.metadata()["topics"][topic].values()
        return all(set(one["isr"]) == set(one["replicas"]) for one in partitions)

    def elect_uncleanly(self) -> None:
        """Broker 3, without the newest records, becomes the leader; new records then get their offsets."""
        self.assertEqual(self.kafka.leader("risky"), 2)
        self.kafka.stop_broker(3)
        wait_until("broker 2 alone", lambda: self.kafka.isr("risky") == {2})
        self.load("risky", 400)
        self.save_and_compare()
        self.kafka.stop_broker(2)
        self.kafka.start_broker(3)
        wait_until("broker 3 to lead", lambda: self.kafka.leader("risky") == 3, 120)
        self.load("risky", 900)
        self.kafka.start_broker(2)
        self.kafka.wait_for_isr("risky", {2, 3})

    # -- runs

    def readable(self) -> dict[str, list[Record]]:
        topics = [topic for topic in self.client.metadata()["topics"] if not topic.startswith("__")]
        return {
            topic: sorted(self.client.consume(topic), key=lambda one: (one.partition, one.offset)) for topic in topics
        }

    def save_and_compare(self) -> None:
        before = self.readable()
        agent = self.agents[self.saved % len(self.agents)]
        agent.run("backup")
        self.saved += 1
        target = self.directory / f"restored-{self.saved}"
        agent.run("restore", "latest:kafka/main", "--allow-partial", "--to", str(target))
        after = self.readable()
        for topic, records in before.items():
            # Brokers may remove records of a compacted topic at any moment.
            if after[topic] == records:
                self.compared[topic] = self.compared.get(topic, 0) + 1
                for partition in range(len(self.client.metadata()["topics"][topic])):
                    wanted = [record for record in records if record.partition == partition]
                    self.assertEqual(partition_records(target, topic, partition), wanted, f"{topic}-{partition}")
            else:
                self.assertEqual(topic, "states")
        shutil.rmtree(target)

    def test_each_snapshot_has_what_was_readable(self) -> None:
        for topic in ("grows", "trimmed", "again", "moves"):
            self.kafka.create_topic(topic, 2, replicas=2, config=SMALL)
        self.kafka.create_topic("paid", 2, replicas=2, config=SMALL)
        self.kafka.create_topic("states", 1, replicas=2, config=COMPACTED)
        self.kafka.create_topic(
            "risky", config=SMALL | {"unclean.leader.election.enable": "true"}, assignment=[[2, 3]]
        )
        for topic in ("grows", "trimmed", "again", "moves", "states", "risky"):
            self.load(topic, 1000)
        special = {8: self.make_again, 14: self.elect_uncleanly, 20: self.move_leaders, 25: self.make_again}
        for run in range(RUNS):
            self.load("grows")
            if run % 2:
                self.load("trimmed")
            if run % 3 == 0:
                self.trim()
            if run % 4 == 1:
                self.write_transactions()
            if run % 3 == 1:
                self.load("states", 100)
            self.load("moves", 50)
            special.get(run, lambda: None)()
            self.save_and_compare()
        self.assertEqual(self.compared["risky"], RUNS + 1)
        self.assertGreater(self.compared["states"], RUNS // 3)


if __name__ == "__main__":
    main("kafka41")
