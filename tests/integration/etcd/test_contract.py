"""The contract of all sources, with a real etcd; see tests/contract/source_contract.h."""

from rig import SERVICE, EtcdCluster, run_tests
from lib import Case, run
from lib.places import BUILD


class Contract(Case):
    def test_source_contract(self) -> None:
        cluster = EtcdCluster(self.directory / "cluster", SERVICE, 1).start()
        self.addCleanup(cluster.stop)
        cluster.fill(5000)
        (self.directory / "endpoint").write_text(cluster.endpoints[0] + "\n")
        done = run([str(BUILD / "tests" / "etcd_contract")], cwd=self.directory)
        self.assertIn("All tests passed", done.stdout)


if __name__ == "__main__":
    run_tests()
