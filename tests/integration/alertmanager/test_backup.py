"""Backups of real Alertmanagers, and restores to files, through the API, and without Holdfast."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Alertmanager, Authority, Case, ExitPage, Restic, main, run, service_program, wait_until, write_config
from lib.cluster import Cluster
from lib.places import ROOT


def alike(silences: dict[str, dict]) -> list[str]:
    """What the API restores: everything but expired silences, ids, and times that the server sets."""
    kept = ("matchers", "comment", "createdBy", "endsAt")
    return sorted(json.dumps([one[key] for key in kept]) for one in silences.values()
                  if one["status"]["state"] != "expired")


class Backup(Case):
    def started(self, name: str, **options) -> Alertmanager:
        server = Alertmanager(self.directory / name, **options)
        self.addCleanup(server.kill)
        return server.start()

    def agent_of(self, source: dict) -> Agent:
        agent = Agent(write_config(self.directory / "agent", [source]))
        agent.run("repository", "init", "--repository", "main")
        return agent

    def restored(self, agent: Agent, snapshot: str = "latest:alertmanager/main") -> Path:
        target = self.directory / f"restored-{len(list(self.directory.iterdir()))}"
        agent.run("restore", snapshot, "--to", str(target))
        return target

    def on_storage(self, storage: Path) -> Alertmanager:
        """A new server that starts with these files."""
        fresh = Alertmanager(self.directory / f"fresh-{len(list(self.directory.iterdir()))}")
        shutil.copytree(storage, fresh.storage)
        self.addCleanup(fresh.kill)
        return fresh.start()

    def test_silences_that_are_not_on_disk_yet_are_restored(self) -> None:
        server = self.started("live")
        silences = [server.silence("instance", f"host-{n}", comment=f"no. {n}", is_regex=n % 3 == 0,
                                   is_equal=n % 5 != 0, starts=3600 if n % 7 == 0 else -1) for n in range(1000)]
        ids = server.add_silences(silences)
        server.expire(ids[0])
        time.sleep(2)  # not a condition: the silences must have this age
        self.assertFalse((server.storage / "silences").exists(), "their file would have been enough")
        agent = self.agent_of(server.source())

        report = agent.json("backup")["sources"][0]

        self.assertEqual((report["state"], report["missing"]), ("done", []), report)
        self.assertEqual(report["position"]["silences"], "1000")
        live = server.silences()
        files = self.on_storage(self.restored(agent) / "data" / "storage").silences()
        self.assertEqual(set(files), set(ids))
        for identity, one in files.items():
            self.assertEqual(one | {"matchers": sorted(one["matchers"], key=str)},
                             live[identity] | {"matchers": sorted(live[identity]["matchers"], key=str)})

        fresh = self.started("fresh")
        words = ("restore", "latest:alertmanager/main", "--to-api", fresh.url)
        plan = agent.json(*words, "--dry-run")["plan"]
        self.assertEqual((len(plan), fresh.silences()), (1000, {}))
        said = agent.run(*words).stdout
        self.assertIn("999 silences created, 0 already existed", said)
        self.assertIn("1 expired", said)
        self.assertEqual(alike(fresh.silences()), alike(live))
        again = agent.run(*words).stdout
        self.assertIn("0 silences created, 999 already existed", again)
        self.assertEqual(alike(fresh.silences()), alike(live))
        # On the original server, all have their ids. Only the one that expired since the backup is created again.
        server.expire(ids[1])
        self.assertIn("1 silence created, 998 already existed",
                      agent.run("restore", "latest:alertmanager/main", "--to-api", server.url).stdout)

    def test_configuration_its_files_and_the_flags_are_saved(self) -> None:
        server = self.started("live", flags=("--data.retention=48h",))
        server.add_silence()
        server.stop()
        server.start()
        agent = self.agent_of(server.source())
        report = agent.json("backup")["sources"][0]
        self.assertEqual(report["missing"], [])
        target = self.restored(agent)
        files = target / "members" / "test-1" / "files"
        for path in (server.config, server.template, server.password_file, server.storage / "silences"):
            self.assertEqual((files / str(path).lstrip("/")).read_bytes(), path.read_bytes())
        process = json.loads((target / "members" / "test-1" / "process.json").read_text())
        self.assertIn("--data.retention=48h", process["command"])
        manifest = json.loads((target / "manifest.json").read_text())
        self.assertEqual(manifest["details"]["retention"], ["48h"])
        self.assertIn("nflog_age", manifest["details"])
        self.assertEqual((target / "data" / "storage" / "silences").read_bytes().count(b"planned"), 1)

        server.password_file.unlink()
        report = agent.json("backup", expect=3)["sources"][0]
        self.assertEqual([one["what"] for one in report["missing"]], [str(server.password_file)])
        self.assertIn(f"{server.config}:9", report["missing"][0]["reason"])
        strict = Agent(write_config(self.directory / "agent", [server.source(on_missing="fail")]))
        self.assertIn(str(server.password_file), strict.run("backup", expect=1).stderr)

    def test_tls_and_login_are_used(self) -> None:
        authority = Authority(self.directory / "pki")
        server = self.started("live", authority=authority)
        server.add_silence()
        agent = self.agent_of(server.source())
        self.assertEqual(agent.json("backup")["sources"][0]["missing"], [])
        fresh = self.started("fresh", authority=authority)
        words = ["restore", "latest:alertmanager/main", "--to-api", fresh.url]
        for name, value in fresh.access.items():
            words += [f"--target-{name.replace('_', '-')}", value]
        agent.run(*words)
        self.assertEqual(alike(fresh.silences()), alike(server.silences()))
        refused = agent.run("restore", "latest:alertmanager/main", "--to-api", fresh.url, "--target-ca",
                            str(authority.ca), expect=4)
        self.assertIn("401", refused.stderr)
        Path(server.access["password_file"]).write_text("guessed\n")
        refused = agent.run("backup", expect=4)
        self.assertIn("password_file", refused.stderr)
        self.assertNotIn("guessed", refused.stderr)

    def test_stopped_server_is_saved_cold(self) -> None:
        server = self.started("live")
        identity = server.add_silence()
        server.stop()
        agent = self.agent_of(server.source(config=str(server.config)))
        report = agent.json("backup")["sources"][0]
        self.assertIn("does not run", " ".join(report["warnings"]))
        target = self.restored(agent)
        self.assertEqual(json.loads((target / "manifest.json").read_text())["details"]["state"], ["cold"])
        self.assertEqual(set(self.on_storage(target / "data" / "storage").silences()), {identity})
        fresh = self.started("fresh")
        self.addCleanup(server.kill)
        server.start()
        for _ in range(2):
            said = agent.run("restore", "latest:alertmanager/main", "--to-api", fresh.url)
            self.assertIn("did not run", said.stdout + said.stderr)
            self.assertEqual(alike(fresh.silences()), alike(server.silences()))
        self.assertEqual(len(fresh.silences()), 1)

    def test_endpoints_that_are_no_cluster_are_merged_with_a_warning(self) -> None:
        one, other = self.started("one"), self.started("other")
        one.add_silence(comment="first")
        other.add_silence(comment="second")
        report = self.agent_of(one.source(endpoints=[one.url, other.url])).json("backup")["sources"][0]
        self.assertEqual(report["position"]["silences"], "2")
        warnings = " ".join(report["warnings"])
        self.assertIn("is not in a cluster: its own silences were merged with those of the other endpoints", warnings)
        self.assertIn("differs from its peers:", warnings)

    def test_exit_script_restores_the_silences(self) -> None:
        server = self.started("live")
        ids = set(server.add_silences([server.silence("a", str(n), comment="für Anna") for n in range(20)]))
        agent = self.agent_of(server.source())
        agent.run("backup")
        repository, password = self.directory / "agent" / "repository", self.directory / "agent" / "password"
        Restic(repository, password, self.directory / "cache").check()
        script = str(ROOT / "scripts" / "exit" / "alertmanager")
        tools = [str(Path(service_program(*one)).parent) for one in (("restic", "restic"), ("alertmanager", "amtool"))]
        environment = {"PATH": ":".join([*tools, os.environ["PATH"]]), "RESTIC_CACHE_DIR": str(self.directory / "cache")}
        fresh = Alertmanager(self.directory / "fresh")
        arguments = ["--repository", str(repository), "--password-file", str(password)]
        done = run([script, *arguments, "--storage", str(fresh.storage), "main"], env=environment)
        self.assertIn("20 silences", done.stdout)
        again = run([script, *arguments, "--storage", str(fresh.storage), "main"], env=environment, expect=1)
        self.assertIn("already exists", again.stderr)
        self.addCleanup(fresh.kill)
        self.assertEqual(set(fresh.start().silences()), ids)

        third = self.started("third")
        environment |= {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # a locale without UTF-8
        for _ in range(2):
            run([script, *arguments, "--to-api", third.url, "main"], env=environment)
            self.assertEqual(alike(third.silences()), alike(server.silences()))

    def test_exit_page_works_as_written(self) -> None:
        server = self.started("live")
        ids = set(server.add_silences([server.silence("a", str(n)) for n in range(20)]))
        self.agent_of(server.source()).run("backup")
        fresh, running = Alertmanager(self.directory / "fresh"), self.started("running")
        scratch = self.directory / "scratch"
        for directory in (fresh.storage, scratch):
            directory.mkdir()
        page = ExitPage("alertmanager", self.directory, self.directory / "agent" / "repository",
                        {"/tmp/am": str(self.directory / "am"), "/tmp/silences.json": str(self.directory / "silences.json"),
                         "/var/lib/prometheus/alertmanager": str(fresh.storage), "http://127.0.0.1:9093": running.url,
                         "NODE": "test-1", "-C / ": f"-C {scratch} ",
                         "/etc/prometheus/alertmanager.yml": f"{scratch}{server.config}"})
        page.program("amtool", f'exec {service_program("alertmanager", "amtool")} "$@"')

        self.assertIn("alertmanager/main", page.run(0))
        page.run(1)
        self.addCleanup(fresh.kill)
        self.assertEqual(set(fresh.start().silences()), ids)
        page.run(2)
        self.assertEqual(alike(running.silences()), alike(server.silences()))
        self.assertIn("SUCCESS", page.run(3))

        self.assertEqual(page.end(), [f"-R prometheus: {fresh.storage}"])


class Clustered(Case):
    def test_two_peers_give_one_snapshot_that_an_order_restores(self) -> None:
        cluster = Cluster(self.directory).start()
        first = Alertmanager(self.directory / "one", peers=[])
        second = Alertmanager(self.directory / "two", peers=[first])
        target = Alertmanager(self.directory / "three")
        for server in (first, second, target):
            self.addCleanup(server.kill)
            server.start()
        policy = {"restore": "in-place", "restore_targets": {
            "dr": {"kind": "alertmanager", "options": {"to_api": target.url}}}}
        ids = set(first.add_silences([first.silence("a", str(n)) for n in range(50)]))
        wait_until("the peer to have them", lambda: set(second.silences()) == ids)
        for node, server in (("am-1", first), ("am-2", second)):
            cluster.add(node, [server.source()], policy=policy)
        done = cluster.json("backup", "--all")["runs"][0]
        self.assertEqual((done["state"], len(done["snapshots"])), ("done", 1), done)

        out = self.directory / "out"
        cluster.agent("am-1").run("restore", "latest:alertmanager/main", "--to", str(out))
        manifest = json.loads((out / "manifest.json").read_text())
        self.assertEqual(manifest["position"]["silences"], "50")
        self.assertEqual(len(manifest["members"]), 2)
        self.assertEqual({one.name for one in (out / "members").iterdir()}, {"am-1", "am-2"})

        words = ("restore", "latest:alertmanager/main", "--node", "am-2", "--to-target", "dr", "--yes")
        said = cluster.call(*words, "--dry-run", operator=True).stdout
        self.assertIn("created", said)
        self.assertEqual(target.silences(), {})
        for _ in range(2):
            cluster.call(*words, operator=True)
            self.assertEqual(alike(target.silences()), alike(first.silences()))


if __name__ == "__main__":
    main("alertmanager", "restic")
