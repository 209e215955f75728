"""Restore in place of a serving HAProxy: checked first, without lost requests, undone on failure."""

import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from edge import Edge
from lib import Case, Load, main, wait_until
from lib.haproxy import get

REQUESTS = 10_000
V1, V2 = "v1 v1", "v2 v2"


class RestoreInPlace(Case):
    def start(self, **options) -> Edge:
        edge = Edge(self.directory, **options)
        self.addCleanup(edge.haproxy.stop)
        return edge

    def saved_v1_serving_v2(self, **options) -> tuple[Edge, str]:
        edge = self.start(**options)
        snapshot = edge.backup()["snapshot"]
        edge.write("v2")
        edge.haproxy.start()
        self.assertEqual(get(edge.port), (200, V2))
        return edge, snapshot

    def assert_unchanged(self, edge: Edge, before: dict[str, bytes], workers: list[int]) -> None:
        self.assertEqual(edge.contents(), before)
        self.assertEqual(edge.haproxy.workers(), workers)
        self.assertEqual(get(edge.port)[1], V2)

    def refuse(self, edge: Edge, snapshot: str, expect: int = 1) -> str:
        """Attempts, under load, a restore that must be refused; returns the error."""
        before, workers = edge.contents(), edge.haproxy.workers()
        with Load(edge.port) as load:
            load.wait_for(500)
            done = edge.restore(snapshot, expect=expect)
            load.wait_for(load.requests + 500)
        self.assertEqual(load.failures, [])
        self.assertEqual(set(load.bodies), {V2})
        self.assert_unchanged(edge, before, workers)
        return done.stderr

    def test_rejected_configuration_changes_nothing(self) -> None:
        edge = self.start()
        edge.write("v1", extra="    no-such-directive here\n")
        line = len(edge.config.read_text().splitlines())
        saved = edge.backup(expect=3)
        self.assertEqual(saved["state"], "invalid")
        self.assertTrue(any("no-such-directive" in reason for reason in saved["invalid"]), saved)
        edge.write("v2")
        edge.haproxy.start()

        said = self.refuse(edge, saved["snapshot"])

        self.assertIn(f"{edge.config}:{line}", said)
        self.assertIn("no-such-directive", said)

    def test_an_undo_to_a_broken_configuration_needs_allow_invalid(self) -> None:
        edge, snapshot = self.saved_v1_serving_v2()
        edge.write("v2", extra="    no-such-directive here\n")
        broken = edge.config.read_bytes()
        edge.restore(snapshot)
        self.assertEqual(get(edge.port), (200, V1))

        said = edge.agent.run("restore", "haproxy/edge", "--undo", expect=1).stderr
        self.assertIn("no-such-directive", said)
        self.assertIn("--allow-invalid", said)
        self.assertEqual(get(edge.port), (200, V1))

        undone = edge.agent.json("restore", "haproxy/edge", "--undo", "--allow-invalid")
        self.assertEqual(edge.config.read_bytes(), broken)
        self.assertTrue(any("was not reloaded" in change for change in undone["changes"]), undone)
        # The process continues with the configuration it has already loaded.
        self.assertEqual(get(edge.port)[0], 200)

    def test_safety_snapshot_contains_no_staged_files(self) -> None:
        edge, snapshot = self.saved_v1_serving_v2()
        # The source is a directory in which files are replaced.
        edge.configure(files=[str(edge.etc)])
        safety = edge.agent.json("restore", snapshot, "--in-place")["safety_snapshot"]["snapshot"]
        out = self.directory / "safety"
        edge.agent.run("restore", safety, "--to", str(out))
        self.assertTrue(list(out.rglob("site.pem")))
        self.assertEqual([path.name for path in out.rglob(".holdfast-*")], [])

    def test_staged_certificates_are_checked_not_live_ones(self) -> None:
        edge = self.start()
        (edge.etc / "certs" / "site.pem").write_text("no certificate\n")
        snapshot = edge.backup(expect=3)["snapshot"]
        edge.write("v2")
        edge.haproxy.start()

        said = self.refuse(edge, snapshot)

        self.assertIn(f"{edge.etc}/certs/site.pem", said)

    def test_good_configuration_is_restored_and_no_request_fails(self) -> None:
        edge, snapshot = self.saved_v1_serving_v2()
        foreign = edge.etc / "certs" / "later.pem"
        foreign.write_bytes((edge.etc / "certs" / "site.pem").read_bytes())

        with Load(edge.port, threads=8) as load:
            load.wait_for(REQUESTS // 2)
            report = edge.agent.json("restore", snapshot, "--in-place")
            reached = load.requests
            load.wait_for(max(REQUESTS, reached + REQUESTS // 4))

        self.assertEqual(load.failures, [])
        self.assertGreaterEqual(load.requests, REQUESTS)
        self.assertEqual(set(load.bodies), {V1, V2})
        self.assertEqual(get(edge.port), (200, V1))
        self.assertFalse(foreign.exists())
        self.assertIn(f"removed {foreign}", report["changes"])
        self.assertIn(f"replaced {edge.config}", report["changes"])
        self.assertNotIn(f"replaced {edge.etc}/errors/503.http", report["changes"])
        self.assertEqual([name for name in edge.contents() if ".holdfast-" in name], [])
        # Restoring the safety snapshot returns to v2.
        edge.restore(report["safety_snapshot"]["snapshot"])
        self.assertEqual(get(edge.port), (200, V2))
        self.assertTrue(foreign.exists())

    def test_reload_through_the_master_socket(self) -> None:
        edge, snapshot = self.saved_v1_serving_v2(reload=f"master:{self.directory}/master.sock")

        with Load(edge.port) as load:
            load.wait_for(500)
            edge.restore(snapshot)
            load.wait_for(load.requests + 500)

        self.assertEqual(load.failures, [])
        self.assertEqual(get(edge.port), (200, V1))

    def test_reload_through_systemd(self) -> None:
        edge, snapshot = self.saved_v1_serving_v2(reload="systemd:edge.service")
        programs = self.directory / "bin"
        programs.mkdir()
        systemctl = programs / "systemctl"
        pidfile = edge.haproxy.pidfile
        systemctl.write_text(
            f"""#!/bin/sh
pid=$(cat {pidfile})
case "$1" in
  show) echo LoadState=loaded; echo ActiveState=active; echo MainPID=$pid ;;
  reload) echo "$@" >>{self.directory}/asked; kill -USR2 $pid ;;
  *) exit 1 ;;
esac
"""
        )
        systemctl.chmod(0o755)

        edge.restore(snapshot, env={"PATH": f"{programs}:{os.environ['PATH']}"})

        self.assertEqual(get(edge.port), (200, V1))
        self.assertEqual((self.directory / "asked").read_text(), "reload -- edge.service\n")

    def test_address_in_use_is_found_before_any_change(self) -> None:
        edge = self.start()
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        edge.write("v1", extra=f"frontend more\n    bind 127.0.0.1:{port}\n")
        snapshot = edge.backup()["snapshot"]
        edge.write("v2")
        edge.haproxy.start()

        said = self.refuse(edge, snapshot, expect=4)

        self.assertIn(f"port {port}", said)

    def test_a_reload_that_fails_is_rolled_back(self) -> None:
        edge = self.start()
        edge.write("v1", extra=f"frontend more\n    bind {self.directory}/no-such-directory/socket\n")
        snapshot = edge.backup()["snapshot"]
        edge.write("v2")
        edge.haproxy.start()
        before = edge.contents()

        done = edge.restore(snapshot, expect=1)

        # HAProxy's old workers pause while a new one tries to bind, so requests may fail here.
        self.assertIn("rolled back", done.stderr)
        self.assertEqual(edge.contents(), before)
        wait_until("the former configuration to serve", lambda: get(edge.port) == (200, V2))

    def test_lost_files_that_the_live_configuration_names_are_restored(self) -> None:
        edge = self.start()
        snapshot = edge.backup()["snapshot"]
        before = edge.contents()
        (edge.etc / "certs" / "site.pem").unlink()
        (edge.etc / "maps" / "version.map").unlink()
        (edge.etc / "maps").rmdir()

        edge.restore(snapshot)

        self.assertEqual(edge.contents(), before)

    def test_a_broken_configuration_names_no_files_so_the_policy_must(self) -> None:
        edge = self.start()
        snapshot = edge.backup()["snapshot"]
        before = edge.contents()
        edge.config.write_text("broken\n")
        (edge.etc / "maps" / "version.map").unlink()
        broken = edge.contents()
        policy = edge.agent.config.parent / "policy.yaml"

        said = edge.restore(snapshot, expect=1).stderr

        self.assertIn("haproxy refuses the configuration of the snapshot", said)
        self.assertIn(f"left {edge.etc}/maps/version.map as it is", said)
        self.assertIn(f'add its directory to "in_place_roots" in {policy}', said)
        self.assertEqual(edge.contents(), broken)

        policy.write_text(f"in_place_roots: [{edge.etc}]\n")
        report = edge.agent.json("restore", snapshot, "--in-place")

        self.assertEqual(edge.contents(), before)
        self.assertTrue(any("does not run" in change for change in report["changes"]), report)
        # The broken configuration did not name these files, so they are added and not replaced.
        self.assertTrue(any(change == f"added {edge.etc}/maps/version.map" for change in report["changes"]))
        edge.haproxy.start()
        self.assertEqual(get(edge.port), (200, V1))

    def test_process_other_than_the_master_is_not_signalled(self) -> None:
        edge, snapshot = self.saved_v1_serving_v2()
        worker = edge.haproxy.workers()[0]
        edge.haproxy.pidfile.write_text(f"{worker}\n")
        before = edge.contents()

        done = edge.restore(snapshot, expect=1)

        self.assertIn("is not an HAProxy master process", done.stderr)
        self.assertEqual(edge.contents(), before)
        wait_until("the worker to serve", lambda: get(edge.port) == (200, V2))

    def test_restore_in_place_without_reload_is_refused(self) -> None:
        edge, snapshot = self.saved_v1_serving_v2(reload="")

        done = edge.restore(snapshot, expect=1)

        self.assertIn("reload", done.stderr)
        self.assertEqual(get(edge.port), (200, V2))


if __name__ == "__main__":
    main("haproxy")
