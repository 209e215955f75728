"""Backups of a real Prometheus under load, and all ways to restore them."""

import calendar
import concurrent.futures
import itertools
import json
import os
import sys
import threading
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import (Agent, Authority, Case, ExitPage, MetricsEndpoint, Prometheus, Restic, main, run, service_program, wait_until,
                 write_config)
from lib.cluster import Cluster
from lib.places import ROOT

TOOLS = ":".join([str(Path(service_program("prometheus", "promtool")).parent),
                  str(Path(service_program("restic", "restic")).parent), os.environ["PATH"]])


class Backup(Case):
    def setUp(self) -> None:
        super().setUp()
        self.endpoint = MetricsEndpoint()
        self.addCleanup(self.endpoint.stop)
        self.address = f"127.0.0.1:{self.endpoint.port}"

    def started(self, name: str, **options) -> Prometheus:
        server = Prometheus(self.directory / name, **options)
        self.addCleanup(server.kill)
        return server.start()

    def loaded(self, **options) -> Prometheus:
        """A server under load that already has two blocks."""
        server = self.started("live", targets=[self.address], late=self.address, **options)
        wait_until("two blocks", lambda: len(server.blocks()) > 1, 120)
        return server

    def agent_of(self, source: dict) -> Agent:
        agent = Agent(write_config(self.directory / "agent", [source]))
        agent.run("repository", "init", "--repository", "main")
        return agent

    def on_data(self, data: Path) -> Prometheus:
        """A new server that starts with this data and scrapes nothing."""
        fresh = Prometheus(self.directory / f"fresh-{len(list(self.directory.iterdir()))}", data=data, late="127.0.0.1:9")
        (fresh.etc / "rules" / "load.yml").unlink()
        self.addCleanup(fresh.kill)
        return fresh.start()

    def samples(self, server: Prometheus, name: str, seconds: int, at: float) -> dict[str, set]:
        """Every raw sample of a metric, by series."""
        return {json.dumps(one["metric"], sort_keys=True): {(when, value) for when, value in one["values"]}
                for one in server.query(f"{name}[{seconds}s]", at)}

    def assert_same_up_to(self, live: Prometheus, fresh: Prometheus, position: str, turns: int) -> None:
        """`turns`: how many scrapes of /late had ended before the backup began."""
        moment = calendar.timegm(time.strptime(position[:19], "%Y-%m-%dT%H:%M:%S")) - 2
        self.assertEqual(fresh.totals(int(moment * 1000) - 60_000, int(moment * 1000), "load"),
                         live.totals(int(moment * 1000) - 60_000, int(moment * 1000), "load"))
        # Out-of-order samples with such timestamps still arrived after the backup. Their values count up.
        late, wanted = (self.samples(one, "late_total", 300, moment + 30) for one in (fresh, live))
        self.assertEqual(set(late), set(wanted))
        count = 0
        for series, samples in wanted.items():
            self.assertLessEqual(late[series], samples)
            acknowledged = {one for one in samples if float(one[1]) < (turns + 1) * 1000}
            self.assertLessEqual(acknowledged, late[series])
            count += len(acknowledged)
        self.assertGreater(count, 0)

    def test_samples_are_restored_in_and_out_of_order(self) -> None:
        live = self.loaded()
        agent = self.agent_of(live.source())
        for number in range(3):
            turns = self.endpoint.late_turns - 1  # the last one may still be in progress
            report = agent.json("backup")["sources"][0]
            self.assertEqual((report["state"], report["missing"]), ("done", []), report)
            target = self.directory / f"restored-{number}"
            agent.run("restore", report["snapshot"], "--to", str(target))
            manifest = json.loads((target / "manifest.json").read_text())
            self.assertEqual(manifest["details"]["external_labels"], ["cluster=prod", "replica=a"])
            self.assertEqual(manifest["details"]["mode"], ["server"])
            self.assertEqual(manifest["details"]["state"], ["live"])
            self.assertEqual(manifest["details"]["out_of_order_time_window"], ["10m"])
            fresh = self.on_data(target / "data")
            self.assert_same_up_to(live, fresh, manifest["position"]["time"], turns)
            fresh.stop()
            before = set(live.blocks())
            if number < 2:
                wait_until("compaction", lambda: not before <= set(live.blocks()), 120)

    def test_blocks_rewritten_during_the_backup_are_saved(self) -> None:
        live = self.loaded(flags=("--web.enable-admin-api", "--web.enable-lifecycle"))
        agent = self.agent_of(live.source())
        ended = threading.Event()
        rounds = []

        def rewrite() -> None:
            """Deletes one series after the other; Prometheus rewrites the blocks and reloads its configuration."""
            for number in itertools.cycle(range(40)):
                if ended.is_set():
                    return
                series = urllib.parse.quote(f'load_total{{number="{number}"}}')
                for path in (f"/api/v1/admin/tsdb/delete_series?match[]={series}",
                             "/api/v1/admin/tsdb/clean_tombstones", "/-/reload"):
                    status, answer = live.api.ask(path, method="POST")
                    self.assertIn(status, (200, 204), answer)
                rounds.append(number)

        with concurrent.futures.ThreadPoolExecutor() as threads:
            rewriting = threads.submit(rewrite)
            try:
                for number in range(5):
                    seen = len(rounds)
                    report = agent.json("backup")["sources"][0]
                    self.assertEqual((report["state"], report["missing"]), ("done", []), report)
                    wait_until("another round", lambda: rewriting.done() or len(rounds) > seen)
            finally:
                ended.set()
            rewriting.result()
        data = self.directory / "made"
        agent.run("restore", "latest:prometheus/main", "--to-data-dir", str(data), env={"PATH": TOOLS})
        fresh = self.on_data(data)
        # Series that were not deleted are complete.
        moment = calendar.timegm(time.strptime(report["position"]["time"][:19], "%Y-%m-%dT%H:%M:%S")) - 2
        wanted, found = ({key: value for key, value in one.totals(0, moment * 1000, "load").items()
                          if "('number', '49')" in key} for one in (live, fresh))
        self.assertTrue(wanted)
        self.assertEqual(found, wanted)

    def test_closed_blocks_are_not_read_again(self) -> None:
        live = self.loaded()
        live.stop()
        agent = self.agent_of(live.source(config=str(live.config)))
        agent.run("backup")
        # Changes the content, but not the size or mtime. A second reading would store the new content.
        originals = {file: file.read_bytes() for block in live.blocks() for file in (live.data / block / "chunks").iterdir()}
        for file, content in originals.items():
            times = file.stat()
            file.chmod(0o600)
            file.write_bytes(bytes(len(content)))
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        report = agent.json("backup")["sources"][0]
        logs = sum(file.stat().st_size for file in live.data.rglob("*")
                   if file.is_file() and file.relative_to(live.data).parts[0] in ("wal", "wbl"))
        small = sum(file.stat().st_size for file in live.data.rglob("*")
                    if file.is_file() and file.name in ("meta.json", "tombstones"))
        self.assertLess(report["bytes_read"], logs + small + 100_000)
        target = self.directory / "restored"
        agent.run("restore", report["snapshot"], "--to", str(target))
        for file, content in originals.items():
            self.assertEqual((target / "data" / file.relative_to(live.data)).read_bytes(), content)

    def test_configuration_and_the_files_it_names_are_saved(self) -> None:
        live = self.started("live", flags=("--web.enable-lifecycle",))
        agent = self.agent_of(live.source())
        report = agent.json("backup")["sources"][0]
        self.assertEqual(report["missing"], [])
        target = self.directory / "restored"
        agent.run("restore", report["snapshot"], "--to", str(target))
        files = target / "members" / "test-1" / "files"
        for name in ("prometheus.yml", "rules/load.yml", "targets.json", "scrape.password"):
            path = live.etc / name
            self.assertEqual((files / str(path).lstrip("/")).read_bytes(), path.read_bytes())
        process = json.loads((target / "members" / "test-1" / "process.json").read_text())
        self.assertIn("--web.enable-lifecycle", process["command"])
        self.assertEqual(json.loads((target / "manifest.json").read_text())["identity"]["server_version"][:2], "2.")

        (live.etc / "scrape.password").unlink()
        report = agent.json("backup", expect=3)["sources"][0]
        self.assertEqual([one["what"] for one in report["missing"]], [str(live.etc / "scrape.password")])
        self.assertIn("prometheus.yml:", report["missing"][0]["reason"])
        strict = Agent(write_config(self.directory / "agent", [live.source(on_missing="fail")]))
        self.assertIn("scrape.password", strict.run("backup", expect=1).stderr)

    def test_tls_and_login_are_used(self) -> None:
        live = self.started("live", authority=Authority(self.directory / "pki"))
        agent = self.agent_of(live.source())
        report = agent.json("backup")["sources"][0]
        self.assertEqual(report["warnings"], [])
        Path(live.access["password_file"]).write_text("guessed\n")
        report = agent.json("backup")["sources"][0]
        self.assertIn("password_file", " ".join(report["warnings"]))
        self.assertNotIn("guessed", json.dumps(report))

    def test_stopped_server_is_saved_cold(self) -> None:
        live = self.loaded()
        moment = time.time() - 30  # late samples have arrived by now
        totals = live.totals(int(moment * 1000) - 30_000, int(moment * 1000), "l")
        live.stop()
        agent = self.agent_of(live.source(config=str(live.config)))
        agent.run("backup")
        data = self.directory / "made" / "data"
        said = agent.run("restore", "latest:prometheus/main", "--to-data-dir", str(data), env={"PATH": TOOLS}).stdout
        self.assertIn("checked by promtool", said)
        fresh = self.on_data(data)
        self.assertTrue(any(key.startswith("late_total") for key in totals))
        self.assertEqual(fresh.totals(int(moment * 1000) - 30_000, int(moment * 1000), "l"), totals)

    def test_agent_mode_is_recognized(self) -> None:
        data = self.directory / "agent-data"
        server = Prometheus(self.directory / "live", data=data,
                            flags=("--enable-feature=agent", f"--storage.agent.path={data}"))
        server.config.write_text(f"remote_write: [{{url: 'http://127.0.0.1:9/'}}]\nscrape_configs:\n- job_name: x\n"
                                 f"  scrape_interval: 1s\n  static_configs: [{{targets: ['{self.address}']}}]\n")
        self.addCleanup(server.kill)
        server.start()
        wait_until("a log", lambda: list((data / "wal").glob("0*")))
        agent = self.agent_of(server.source())
        target = self.directory / "restored"
        report = agent.json("backup")["sources"][0]
        agent.run("restore", report["snapshot"], "--to", str(target))
        details = json.loads((target / "manifest.json").read_text())["details"]
        self.assertEqual((details["mode"], details["remote_writes"]), (["agent"], ["1"]))
        self.assertNotIn("blocks", details)
        probed = agent.json("source", "list")["sources"][0]
        self.assertEqual(probed["identity"]["mode"], "agent")
        self.assertIn("the log: samples that were not sent yet", probed["would_save"][0])

    def test_remote_write_only_mode_is_recognized(self) -> None:
        server = Prometheus(self.directory / "live", retention="2h", targets=[self.address])
        server.config.write_text(server.config.read_text() + "remote_write: [{url: 'http://127.0.0.1:9/'}]\n")
        self.addCleanup(server.kill)
        server.start()
        agent = self.agent_of(server.source())
        probed = agent.json("source", "list")["sources"][0]
        self.assertEqual((probed["identity"]["mode"], probed["identity"]["remote_writes"]), ("remote-write-only", "1"))
        self.assertIn("samples of 2h", probed["would_save"][0])
        target = self.directory / "restored"
        agent.run("restore", agent.json("backup")["sources"][0]["snapshot"], "--to", str(target))
        details = json.loads((target / "manifest.json").read_text())["details"]
        self.assertEqual((details["mode"], details["retention"]), (["remote-write-only"], ["2h"]))

    def test_until_leaves_out_later_blocks(self) -> None:
        live = self.loaded()
        wait_until("two blocks that stand for themselves", lambda: self.stopped_with_blocks(live, 2), 120)
        agent = self.agent_of(live.source(config=str(live.config)))
        agent.run("backup")
        plan = agent.json("restore", "latest:prometheus/main", "--to-data-dir", "/nowhere", "--dry-run")["plan"]
        blocks = [one for one in plan if one["what"] == "block" and one["action"] == "restored"]
        self.assertGreater(len(blocks), 1)
        first = blocks[0]["there"].split(" to ")
        data = self.directory / "first"
        words = ("restore", "latest:prometheus/main", "--to-data-dir", str(data), "--until", first[0])
        said = agent.run(*words, "--retention", "1s", env={"PATH": TOOLS})
        self.assertIn("storage.tsdb.retention.time", said.stdout + said.stderr)
        self.assertIn(blocks[0]["name"], [one.name for one in data.iterdir()])
        self.assertNotIn("wal", [one.name for one in data.iterdir()])
        self.assertNotIn(blocks[-1]["name"], [one.name for one in data.iterdir()])
        self.assertIn("is not empty", agent.run(*words, expect=1).stderr)

    def stopped_with_blocks(self, live: Prometheus, count: int) -> bool:
        """Stops the server if `count` of its blocks were not compacted into others; otherwise lets it continue."""
        if len(live.blocks()) < count:
            return False
        live.stop()
        metas = [json.loads((live.data / block / "meta.json").read_text()) for block in live.blocks()]
        parents = {one["ulid"] for meta in metas for one in meta["compaction"].get("parents", [])}
        if sum(meta["ulid"] not in parents for meta in metas) >= count:
            return True
        before = live.blocks()
        live.start()
        wait_until("other blocks", lambda: live.blocks() != before, 60)
        return False

    def test_snapshot_is_restored_to_a_target_of_the_policy(self) -> None:
        live = self.loaded()
        live.stop()
        data = self.directory / "look"
        policy = {"restore": "in-place", "restore_targets": {
            "look": {"kind": "prometheus", "options": {"to_data_dir": str(data)}, "may_set": ["until", "retention"]}}}
        cluster = Cluster(self.directory).start()
        cluster.add("prom-1", [live.source(config=str(live.config))], policy=policy)
        cluster.agents["prom-1"].kill()
        cluster.launch_agent("prom-1", env={"PATH": TOOLS})
        cluster.wait_for("prom-1")
        done = cluster.json("backup", "--all")["runs"][0]
        self.assertEqual((done["state"], len(done["snapshots"])), ("done", 1), done)

        def restore(*arguments: str, **options) -> str:
            said = cluster.call("restore", "latest:prometheus/main", "--node", "prom-1", "--to-target", "look", "--yes",
                                *arguments, operator=True, **options)
            return said.stdout + said.stderr

        refused = restore("--option", f"to-data-dir={self.directory}/mine", expect=4)
        self.assertIn("orders cannot set --to-data-dir", refused)
        self.assertIn('orders cannot set option "from"', restore("--from", "2026-01-01T00:00:00Z", expect=4))
        self.assertIn(live.blocks()[0], restore("--dry-run"))
        self.assertFalse(data.exists() or (self.directory / "mine").exists())

        restore("--retention", "15d")
        self.assertEqual({one.name for one in data.iterdir() if len(one.name) == 26}, set(live.blocks()))
        totals = self.on_data(data).totals(0, int(time.time() * 1000), "load")
        self.assertTrue(totals)
        self.assertIn("is not empty", restore(expect=1))

    def test_exit_script_restores_the_samples(self) -> None:
        live = self.loaded()
        agent = self.agent_of(live.source())
        turns = self.endpoint.late_turns - 1
        position = agent.json("backup")["sources"][0]["position"]["time"]
        repository, password = self.directory / "agent" / "repository", self.directory / "agent" / "password"
        Restic(repository, password, self.directory / "cache").check()
        script = str(ROOT / "scripts" / "exit" / "prometheus")
        environment = {"PATH": TOOLS, "RESTIC_CACHE_DIR": str(self.directory / "cache")}
        data = self.directory / "by-restic"
        arguments = ["--repository", str(repository), "--password-file", str(password), "--data-dir", str(data), "main"]
        run([script, *arguments], env=environment)
        self.assertIn("already exists", run([script, *arguments], env=environment, expect=1).stderr)
        self.assert_same_up_to(live, self.on_data(data), position, turns)

    def test_exit_page_works_as_written(self) -> None:
        live = self.loaded()
        agent = self.agent_of(live.source())
        turns = self.endpoint.late_turns - 1
        position = agent.json("backup")["sources"][0]["position"]["time"]
        data, scratch = self.directory / "metrics2", self.directory / "scratch"
        for directory in (data / "other-block", scratch):
            directory.mkdir(parents=True)
        page = ExitPage("prometheus", self.directory, self.directory / "agent" / "repository",
                        {"/var/lib/prometheus/metrics2": str(data), "/var/lib/prometheus/out": str(self.directory / "out"),
                         "NODE": "test-1", "-C / ": f"-C {scratch} ",
                         "/etc/prometheus/prometheus.yml": f"{scratch}{live.config}"})
        page.program("promtool", f'exec {service_program("prometheus", "promtool")} "$@"')

        page.run(0)
        self.assertIn("prometheus/main", page.run(1))
        listed = page.run(2)
        # The running server has compacted others since.
        saved = [entry.name for entry in data.iterdir() if len(entry.name) == 26]
        self.assertTrue(saved)
        for block in saved:
            self.assertIn(block, listed)
        self.assertIn("SUCCESS", page.run(3))

        self.assertEqual(page.end(), [f"-R prometheus: {data}"])
        self.assertTrue((self.directory / "metrics2.old" / "other-block").is_dir())
        self.assert_same_up_to(live, self.on_data(data), position, turns)


if __name__ == "__main__":
    main("prometheus", "restic")
