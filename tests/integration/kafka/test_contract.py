"""The contract of all sources, with a real Kafka of two brokers; see tests/contract/source_contract.h."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, KafkaCluster, main, run
from lib.places import BUILD


class Contract(Case):
    def test_source_contract(self) -> None:
        cluster = KafkaCluster(self.directory / "kafka", "kafka41", 2)
        self.addCleanup(cluster.kill)
        cluster.start()
        cluster.create_topic("events", assignment=[[1], [2], [1], [2]])
        cluster.create_topic("empty")
        client = cluster.admin()
        client.load("events", 2000, 200)
        client.commit("readers", {("events", 0): 5})
        places = [f"{cluster.bootstrap(number)} {cluster.log_dir(number)}\n" for number in cluster.brokers]
        (self.directory / "places").write_text("".join(places))
        done = run([str(BUILD / "tests" / "kafka_contract")], cwd=self.directory)
        self.assertIn("All tests passed", done.stdout)


if __name__ == "__main__":
    main()
