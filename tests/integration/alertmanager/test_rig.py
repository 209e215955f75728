"""What the other tests with Alertmanager stand on: the servers themselves, and facts of theirs that the source is built on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Alertmanager, Authority, Case, main, wait_until


class Rig(Case):
    def started(self, *arguments, **options) -> Alertmanager:
        server = Alertmanager(*arguments, **options)
        self.addCleanup(server.kill)
        return server.start()

    def test_a_silence_is_told_at_once_and_written_at_the_end(self) -> None:
        server = self.started(self.directory / "one")
        identity = server.add_silence()
        self.assertEqual(server.silences()[identity]["status"]["state"], "active")
        self.assertEqual(list(server.storage.glob("*")), [])
        server.stop()
        self.assertIn(identity.encode(), (server.storage / "silences").read_bytes())
        self.assertTrue((server.storage / "nflog").exists())

    def test_an_id_of_its_own_is_refused_and_errors_are_said(self) -> None:
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

    def test_tls_and_a_login(self) -> None:
        server = self.started(self.directory / "one", authority=Authority(self.directory / "pki"))
        self.assertEqual(server.api.get("/api/v2/silences"), [])


if __name__ == "__main__":
    main("alertmanager")
