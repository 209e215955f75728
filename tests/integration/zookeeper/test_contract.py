"""The contract of all sources, with a real server; see tests/contract/source_contract.h."""

from rig import ensemble, run_tests
from lib import Case, run
from lib.places import BUILD
from lib.zookeeper_client import create


class Contract(Case):
    def test_source_contract(self) -> None:
        server = ensemble(self.directory / "zk", 1)
        self.addCleanup(server.kill)
        server.start()
        with server.client() as client:
            client.fill(create(f"/n{number}", b"x" * 100) for number in range(500))
        (self.directory / "config").write_text(f"{server.members[1].config}\n")
        done = run([str(BUILD / "tests" / "zookeeper_contract")], cwd=self.directory)
        self.assertIn("All tests passed", done.stdout)


if __name__ == "__main__":
    run_tests()
