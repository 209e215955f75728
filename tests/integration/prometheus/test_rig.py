"""The test library for Prometheus: a server that creates and compacts blocks within seconds, under load."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Authority, Case, MetricsEndpoint, Prometheus, main, wait_until


class Rig(Case):
    def started(self, *arguments, **options) -> Prometheus:
        server = Prometheus(*arguments, **options)
        self.addCleanup(server.kill)
        return server.start()

    def test_blocks_are_created_and_compacted_under_load(self) -> None:
        endpoint = MetricsEndpoint()
        self.addCleanup(endpoint.stop)
        address = f"127.0.0.1:{endpoint.port}"
        server = self.started(self.directory / "one", targets=[address], late=address)
        wait_until("samples out of order", lambda: any(one.stat().st_size for one in (server.data / "wbl").glob("0*")), 60)
        first = wait_until("a block", server.blocks, 120)
        wait_until("a block of two", lambda: not set(first) <= set(server.blocks()), 120)
        now = int(time.time() * 1000)
        totals = server.totals(now - 30_000, now)
        self.assertTrue(any(key.startswith("late_total") for key in totals))
        self.assertTrue(any(key.startswith("load_total") for key in totals))
        server.stop()  # otherwise blocks are removed while promtool lists them
        self.assertIn(server.blocks()[0], server.promtool("tsdb", "list", str(server.data)))

    def test_server_requires_tls_and_login(self) -> None:
        server = self.started(self.directory / "one", authority=Authority(self.directory / "pki"))
        self.assertIn("version", server.api.get("/api/v1/status/buildinfo")["data"])


if __name__ == "__main__":
    main("prometheus")
