"""The contract of all sources, with a real Alertmanager; see tests/contract/source_contract.h."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Alertmanager, Case, main, run
from lib.places import BUILD


class Contract(Case):
    def test_source_contract(self) -> None:
        server = Alertmanager(self.directory / "one")
        self.addCleanup(server.kill)
        server.start()
        server.add_silences([server.silence("a", str(n)) for n in range(100)])
        (self.directory / "server").write_text(f"{server.url}\n{server.storage}\n{server.config}\n")
        done = run([str(BUILD / "tests" / "alertmanager_contract")], cwd=self.directory)
        self.assertIn("All tests passed", done.stdout)


if __name__ == "__main__":
    main("alertmanager")
