"""The saved files of a broker: a broker starts with them, and has everything that only KRaft's metadata log knows."""

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, KafkaCluster, main, run
from lib.places import BUILD


def save(cluster: KafkaCluster, directory: Path) -> dict:
    directory.mkdir()
    log_dirs = [str(one) for one in cluster.brokers[1].log_dirs]
    return json.loads(run([str(BUILD / "tests" / "kafka_member_tool"), str(directory), *log_dirs]).stdout)


class Member(Case):
    def start(self, **options) -> KafkaCluster:
        cluster = KafkaCluster(self.directory / "kafka", brokers=1, **options)
        self.addCleanup(cluster.kill)
        return cluster.start()

    def check_process(self, cluster: KafkaCluster, saved: Path) -> None:
        member = saved / "members" / "n1"
        process = json.loads((member / "process.json").read_text())
        broker = cluster.brokers[1]
        self.assertIn("kafka.Kafka", process["command"])
        self.assertIn(str(broker.directory), process["environment"]["KAFKA_OPTS"])
        self.assertEqual(process["config"], str(broker.directory / "server.properties"))
        for file in (process["config"], *(str(one / "meta.properties") for one in broker.log_dirs)):
            self.assertEqual((member / "files" / file.lstrip("/")).read_bytes(), Path(file).read_bytes())

    def test_broker_starts_with_the_saved_files(self) -> None:
        cluster = self.start(
            security="SASL_PLAINTEXT",
            scram_users={"anna": "anna's"},
            log_dirs=2,
            # Takes metadata snapshots as often as possible.
            properties={"metadata.log.max.record.bytes.between.snapshots": "1"},
        )
        cluster.alter_config("users", "ben", {"SCRAM-SHA-512": "[iterations=4096,password=ben's]"})
        cluster.scram_users["ben"] = "ben's"
        cluster.alter_config("users", "ben", {"producer_byte_rate": "1234567"})
        admin = cluster.admin()
        expected: list[list[str]] = []
        for number in range(4):
            names = [f"topic-{number}-{one}" for one in range(10)]
            admin.run("create", [{"topic": name, "partitions": 3} for name in names])
            expected.append((expected[-1] if expected else []) + names)
            output = save(cluster, self.directory / f"saved-{number}")
            self.assertEqual((output["missing"], output["warnings"]), ([], []))
            self.assertTrue(output["has_metadata_log"])
        self.check_process(cluster, self.directory / "saved-0")
        self.assertTrue(list(self.directory.glob("saved-*/members/n1/cluster_metadata/*.checkpoint")))
        self.assertEqual(cluster.stop_broker(1), 143)
        for number, topics in enumerate(expected):
            member = self.directory / f"saved-{number}" / "members" / "n1"
            for directory in cluster.brokers[1].log_dirs:
                shutil.rmtree(directory)
                shutil.copytree(member / "files" / str(directory).lstrip("/"), directory)
            shutil.copytree(member / "cluster_metadata", cluster.log_dir(1) / "__cluster_metadata-0")
            cluster.start_broker(1)
            self.assertEqual(sorted(cluster.admin().metadata()["topics"]), sorted(topics))
            for user in ("anna", "ben"):
                client = cluster.client(user, library="librdkafka")
                self.assertEqual(client.metadata()["cluster"], cluster.cluster_id)
            output = cluster.tool("kafka-configs", "--describe", "--entity-type", "users", "--entity-name", "ben")
            self.assertIn("producer_byte_rate=1234567", output)
            self.assertEqual(cluster.stop_broker(1), 143)

    def test_metadata_log_is_not_missing_with_zookeeper(self) -> None:
        cluster = self.start(service="kafka39", zookeeper=True)
        output = save(cluster, self.directory / "saved")
        self.assertEqual((output["missing"], output["warnings"]), ([], []))
        self.assertFalse(output["has_metadata_log"])
        self.check_process(cluster, self.directory / "saved")


if __name__ == "__main__":
    main("kafka41", "kafka39", "librdkafka")
