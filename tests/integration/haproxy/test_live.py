"""State that only the running HAProxy has: saved next to its files, and compared with them."""

import json
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from edge import LiveCase
from lib import main, run, wait_until
from lib.haproxy import get


class Live(LiveCase):
    def restored(self, snapshot: str) -> Path:
        target = self.directory / f"restored-{snapshot[:8]}"
        self.edge.agent.run("restore", snapshot, "--to", str(target))
        return target

    def live(self, snapshot: str) -> tuple[dict, dict, Path]:
        """The manifest, live.json and the directory of the first worker's state."""
        target = self.restored(snapshot)
        live = target / "members" / "test-1" / "live"
        return json.loads((target / "manifest.json").read_text()), json.loads((live / "live.json").read_text()), live / "1"

    def test_state_tables_maps_and_acls_are_saved_and_drift_is_named(self) -> None:
        self.edge = edge = self.made()
        edge.haproxy.start()
        report = edge.backup()
        self.assertEqual(report["missing"], [])
        manifest, index, _ = self.live(report["snapshot"])
        self.assertEqual(manifest["details"]["drift"], [])
        self.assertEqual(manifest["details"]["live"], ["saved"])
        self.assertEqual(manifest["identity"]["running_version"].split("-")[0], "2.6.12")
        self.assertEqual(index["workers"][0]["pid"], edge.haproxy.workers()[0])

        self.change(edge)
        for _ in range(3):
            self.assertEqual(get(self.counted)[0], 200)
        report = edge.backup()
        self.assertEqual(report["missing"], [])
        for name in (self.map, self.acl):
            self.assertTrue(any(name in warning for warning in report["warnings"]), report)
        manifest, index, worker = self.live(report["snapshot"])

        office, paths = self.inline(edge, "src"), self.inline(edge, "path_beg")
        line = 1 + next(i for i, text in enumerate(edge.config.read_text().splitlines()) if "acl office" in text)
        self.assertEqual(
            manifest["details"]["drift"],
            [
                "server app/s1: drained",
                "server app/s2: weight 3, configured 10",
                "server app/s3: put into maintenance",
                f"map {self.map}: 2 entries, 1 in the file",
                f"acl {self.acl}: 2 entries, with different content from the file",
                f"acl {office} (acl 'src' file '{edge.config}' line {line}): 1 entry, 2 in the configuration",
                f"acl {paths} (acl 'path_beg' file '{edge.config}' line {line + 2}): 3 entries, 2 in the configuration",
            ],
        )
        # In the file's format: HAProxy would load what it has in memory.
        self.assertEqual((worker / f"maps{self.map}").read_text(), "version changed\nmore words of it\n")
        self.assertEqual((worker / f"acls{self.acl}").read_text(), "/no\n/two words\n")
        self.assertEqual((worker / "inline-acls" / office[1:]).read_text(), "10.1.0.0/16\n")
        self.assertEqual((worker / "inline-acls" / paths[1:]).read_text(), "/admin\n/root\n/more of it\n")
        self.assertIn(" app ", (worker / "servers-state").read_text())
        rows = (worker / "tables" / "sources").read_text()
        self.assertRegex(rows, r"\nkey=127\.0\.0\.1 use=\d+ exp=\d+ gpc0=0 conn_cnt=3 ")
        self.assertRegex((worker / "tables" / "names").read_text(), r"key=some\\ thing use=0 exp=\d+ gpc0=7\n")
        tables = {table["name"]: table["rows"] for table in index["workers"][0]["tables"]}
        self.assertEqual(tables, {"sources": 2, "names": 1})

    def test_a_certificate_only_in_memory_makes_the_backup_partial(self) -> None:
        self.edge = edge = self.made()
        edge.haproxy.start()
        other = edge.authority.issue("other")
        pem = other.cert.read_text() + other.key.read_text()
        site = f"{edge.etc}/certs/site.pem"
        edge.haproxy.admin(f"set ssl cert {site} <<\n{pem}")
        self.assertIn("Success!", edge.haproxy.admin(f"commit ssl cert {site}"))

        report = edge.agent.json("backup", "haproxy/edge", expect=3)["sources"][0]
        self.assertEqual([one["what"] for one in report["missing"]], [f"certificate {site} in HAProxy's memory"])
        self.assertIn(site, report["missing"][0]["remedy"])
        manifest, _, worker = self.live(report["snapshot"])

        sums = {
            name: run(["openssl", "x509", "-noout", "-fingerprint", "-sha1", "-in", path])
            .stdout.strip().split("=")[1].replace(":", "")
            for name, path in (("memory", str(other.cert)), ("file", site))
        }
        differences = [one for one in manifest["details"]["drift"] if one.startswith("certificate ")]
        self.assertEqual(len(differences), 1, differences)
        self.assertIn(f"SHA-1 {sums['memory']} in memory; SHA-1 {sums['file']} in the file", differences[0])
        listed = json.loads((worker / "certificates.json").read_text())["certificates"]
        differing = [one for one in listed if one["differs"]]
        self.assertEqual([one["sha1"] for one in differing], [sums["memory"]])
        self.assertNotIn("PRIVATE KEY", (worker / "certificates.json").read_text())

    def test_state_is_saved_through_the_master_socket(self) -> None:
        self.edge = edge = self.made("master.sock")
        edge.haproxy.start()
        self.change(edge)
        edge.haproxy.reload()
        report = edge.backup()
        self.assertEqual(report["missing"], [])
        _, index, worker = self.live(report["snapshot"])
        self.assertEqual((index["master"], index["level"]), (True, "admin"))
        self.assertEqual([one["pid"] for one in index["workers"]], edge.haproxy.workers())
        self.assertTrue((worker / "servers-state").exists())

    def test_old_worker_that_finishes_its_connections_is_left_out(self) -> None:
        self.edge = edge = self.made("master.sock", state_file=True)
        edge.haproxy.start()
        leaving = edge.haproxy.workers()
        with socket.create_connection(("127.0.0.1", self.counted), timeout=30) as slow, slow.makefile("rb") as answer:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while answer.readline().strip():
                pass
            answer.readline()  # "hello", so that the first worker has this connection
            slow.sendall(b"GET / HTTP/1.1\r\n")
            edge.haproxy.reload()
            self.assertEqual(edge.haproxy.old_workers(), leaving)
            self.change(edge)
            known = self.knows(edge)

            report = edge.backup()

            self.assertEqual(report["missing"], [])
            _, index, _ = self.live(report["snapshot"])
            self.assertEqual([one["pid"] for one in index["workers"]], edge.haproxy.workers())
            # The leaving worker also does not block the restore into the current one.
            self.write(edge, "v2")
            edge.haproxy.reload()
            edge.restore(report["snapshot"])
            self.assertEqual(self.knows(edge), known)
            self.assertIn(leaving[0], edge.haproxy.old_workers())
            slow.sendall(b"Host: x\r\n\r\n")
            self.assertIn(b" 200 ", answer.readline())

    def test_configuration_changed_after_loading_is_drift(self) -> None:
        self.edge = edge = self.made()
        edge.haproxy.start()
        started = int(edge.haproxy.admin("show info").split("Start_time_sec: ")[1].split()[0])
        text = edge.config.read_text()

        def is_younger() -> bool:
            edge.config.write_text(text + "\n")
            return edge.config.stat().st_ctime_ns // 10**9 > started

        wait_until("the second after HAProxy's start", is_younger)
        manifest, _, _ = self.live(edge.backup()["snapshot"])
        self.assertEqual(
            manifest["details"]["drift"], [f"configuration {edge.config}: changed after HAProxy loaded it"]
        )

    def test_too_low_socket_level_is_reported(self) -> None:
        self.edge = edge = self.made()
        edge.config.write_text(edge.config.read_text().replace("level admin", "level user"))
        edge.haproxy.start()
        report = edge.agent.json("backup", "haproxy/edge", expect=3)["sources"][0]
        self.assertEqual(len(report["missing"]), 1, report)
        self.assertIn('has only the level "user"', report["missing"][0]["reason"])
        self.assertIn("level operator", report["missing"][0]["remedy"])
        _, _, worker = self.live(report["snapshot"])
        self.assertTrue((worker / "servers-state").exists())
        self.assertFalse((worker / "tables").exists())

    def test_files_of_a_stopped_haproxy_are_saved(self) -> None:
        self.edge = edge = self.made()
        report = edge.backup()
        self.assertEqual(report["missing"], [])
        self.assertTrue(any(warning.startswith("cold: ") for warning in report["warnings"]), report)
        target = self.restored(report["snapshot"])
        self.assertEqual(json.loads((target / "manifest.json").read_text())["details"]["live"], ["cold"])
        self.assertFalse((target / "members" / "test-1" / "live").exists())

    def test_missing_socket_of_a_running_haproxy_is_reported(self) -> None:
        self.edge = edge = self.made("other.sock")
        edge.haproxy.start()
        report = edge.agent.json("backup", "haproxy/edge", expect=3)["sources"][0]
        self.assertIn("other.sock", report["missing"][0]["what"])
        self.assertFalse(any("cold" in warning for warning in report["warnings"]), report)

    def test_a_large_map_is_compared_and_saved(self) -> None:
        self.edge = edge = self.made()
        path = edge.etc / "maps" / "version.map"
        lines = [f"key-{number} value of {number}" for number in range(200_000)]
        path.write_text("version v1\n" + "\n".join(lines) + "\n")
        edge.haproxy.start()
        manifest, _, worker = self.live(edge.backup()["snapshot"])
        self.assertEqual(manifest["details"]["drift"], [])
        self.assertEqual((worker / f"maps{path}").read_bytes(), path.read_bytes())


if __name__ == "__main__":
    main("haproxy", "restic")
