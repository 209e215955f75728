"""The contract of all sources, with a real Prometheus; see tests/contract/source_contract.h."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, MetricsEndpoint, Prometheus, main, run, wait_until
from lib.places import BUILD


class Contract(Case):
    def test_source_contract(self) -> None:
        endpoint = MetricsEndpoint()
        self.addCleanup(endpoint.stop)
        address = f"127.0.0.1:{endpoint.port}"
        server = Prometheus(self.directory / "one", targets=[address], late=address)
        self.addCleanup(server.kill)
        server.start()
        wait_until("two blocks", lambda: len(server.blocks()) > 1, 120)
        server.stop()
        # Restarts it with nothing to scrape or compact, so that nothing changes during the test.
        server.block = server.block_max = "1h"
        server.config.write_text("global: {external_labels: {replica: a}}\n")
        server.start()
        said = (server.url, str(server.data), str(server.config), server.blocks()[0])
        (self.directory / "server").write_text("\n".join(said) + "\n")
        done = run([str(BUILD / "tests" / "prometheus_contract")], cwd=self.directory)
        self.assertIn("All tests passed", done.stdout)


if __name__ == "__main__":
    main("prometheus")
