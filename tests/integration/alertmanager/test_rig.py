"""The test library for Alertmanager: its servers, and the behaviour that the source depends on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Alertmanager, Authority, Case, main, wait_until


class Rig(Case):
    def started(self, *arguments, **options) -> Alertmanager:
        server = Alertmanager(*arguments, **options)
        self.addCleanup(server.kill)
        return server.start()

    def test_silence_is_listed_at_once_and_written_on_exit(self) -> None:
        server = self.started(self.directory / "one")
        identity = server.add_silence()
        self.assertEqual(server.silences()[identity]["status"]["state"], "active")
        self.assertEqual(list(server.storage.glob("*")), [])
        server.stop()
        self.assertIn(identity.encode(), (server.storage / "silences").read_bytes())
        self.assertTrue((server.storage / "nflog").exists())

    def test_unknown_ids_and_invalid_silences_are_refused(self) -> None:
        server = self.started(self.directory / "one")
        silence = server.silence("a", "b")
        self.assertEqual(server.api.ask("/api/v2/silences", silence | {"id": "of-old"})[0], 404)
        self.assertEqual(server.api.ask("/api/v2/silences", silence | {"matchers": []})[0], 422)

    def test_peers_share_silences(self) -> None:
        first = self.started(self.directory / "one", peers=[])
        second = self.started(self.directory / "two", peers=[first])
        identity = first.add_silence()
        wait_until("the peer to have it", lambda: identity in second.silences())
        self.assertEqual(len(first.api.get("/api/v2/status")["cluster"]["peers"]), 2)

    def test_server_requires_tls_and_login(self) -> None:
        server = self.started(self.directory / "one", authority=Authority(self.directory / "pki"))
        self.assertEqual(server.api.get("/api/v2/silences"), [])


if __name__ == "__main__":
    main("alertmanager")
