"""Runs commands of docs/howto/ and docs/operating.md and compares their output with the pages. A machine is a
directory: a page's /etc/myapp is ROOT/etc/myapp here."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from docs.pages import Step, difference, section, steps
from lib import Agent, Case, EtcdCluster, main, service_program, wait_until, write_config
from lib.cluster import Cluster
from lib.places import BUILD, ROOT

DOCS = ROOT / "docs"


class Machine(Case):
    def setUp(self) -> None:
        super().setUp()
        self.root = self.directory / "root"
        self.home = self.directory / "home"
        self.programs = self.directory / "programs"
        for directory in (self.home, self.programs, *(self.root / name for name in ("etc", "srv", "tmp", "var/lib"))):
            directory.mkdir(parents=True)
        self.config = self.root / "etc" / "agent.yaml"

    def configure(self, *sources: dict, node: str = "web-1") -> None:
        repository = {"url": f"file:{self.root}/srv/backup/main", "password_file": str(self.home / "password")}
        made = write_config(self.directory / "agent", list(sources), repositories={"main": repository}, node=node)
        shutil.copy(made, self.config)

    def here(self, command: str) -> str:
        """The page's command, with this machine's paths."""
        command = re.sub(r"\bdata/(?=etc/|srv/)", f"data{self.root}/", command)
        return re.sub(r"(?<![\w./])/(?=(?:etc|srv|tmp|var)/)", f"{self.root}/", command)

    def run_step(self, step: Step, **replaced: str) -> list[str]:
        command = self.here(step.command)
        for theirs, ours in replaced.items():
            self.assertIn(theirs, command)
            command = command.replace(theirs, ours)
        tools = [str(Path(service_program(name, "x")).parent) for name in ("restic", "etcd")]
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.home, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"PATH": ":".join([str(self.programs), str(BUILD / "bin"), *tools, os.environ["PATH"]]), "TZ": "UTC",
                 "HOME": str(self.home), "HOLDFAST_AGENT_CONFIG": str(self.config)})
        # diff exits with 1 if it finds differences.
        self.assertEqual(done.returncode, int(command.startswith("diff ")), f"{command}\n{done.stdout}")
        printed = done.stdout.replace(str(self.root), "").splitlines()
        if step.output:
            self.assertEqual(difference(step.output, printed), "", step.command)
        return printed

    def run_all(self, text: str, count: int) -> None:
        found = steps(re.sub("^ {3}", "", text, flags=re.MULTILINE))
        self.assertEqual(len(found), count)
        for step in found:
            self.run_step(step)


class Files(Machine):
    def setUp(self) -> None:
        super().setUp()
        self.live = self.root / "etc" / "myapp"
        self.live.mkdir()
        (self.live / "app.conf").write_text("port = 8080\n")
        (self.live / "second.conf").write_text("x\n")
        self.configure({"kind": "files", "name": "app", "paths": [str(self.live)]})
        for command in ("init", "backup"):
            self.run_step(Step("web-1", f"holdfast-agent {command}"))

    def test_one_file_is_restored_as_the_page_shows(self) -> None:
        (self.live / "app.conf").write_text("port = 0\n")
        self.run_all(section(DOCS / "howto" / "restore-one-file.md", "On the node"), 5)
        self.assertEqual((self.live / "app.conf").read_text(), "port = 8080\n")

    def test_everything_lost_is_restored_as_the_page_shows(self) -> None:
        page = DOCS / "howto" / "everything-lost.md"
        self.run_all(section(page, "With holdfast-agent"), 3)
        self.run_all(section(page, "With restic"), 2)
        for place in ("rescued", "rescued2/files/app"):
            restored = self.root / "srv" / place / f"data{self.live}" / "app.conf"
            self.assertEqual(restored.read_text(), "port = 8080\n")

    def test_a_password_is_changed_as_the_page_shows(self) -> None:
        page = section(DOCS / "howto" / "rotate-a-key.md", "Repository password")
        (change,) = steps(page)
        changed = self.root / "etc" / "holdfast" / "main.password"
        changed.parent.mkdir()
        (self.home / "password").rename(changed)
        self.config.write_text(self.config.read_text().replace(str(self.home / "password"), str(changed)))
        before = changed.read_text()
        self.run_step(change)
        self.assertNotEqual(changed.read_text(), before)
        self.run_step(Step("web-1", "holdfast-agent list"))

    def test_a_dry_run_lists_changes_as_the_page_shows(self) -> None:
        live = self.root / "srv" / "app"
        (live / "run").mkdir(parents=True)
        (live / "main.conf").write_text("a\n")
        (live / "new.conf").write_text("new")
        (live / "current").symlink_to("run")
        self.configure({"kind": "files", "name": "app", "paths": [str(live)]})
        self.run_step(Step("web-1", "holdfast-agent backup"))
        self.run_step(Step("web-1", "holdfast-agent restore latest:files/app --to /srv/old"))
        old = Path(f"{self.root}/srv/old/data{live}")
        for name in ("new.conf", "current"):
            (old / name).unlink()
        (old / "main.conf").write_text("bbb\n")
        (old / "run").chmod(0o700)
        for name in ("current", "old.conf"):
            (old / name).touch()
        (shown,) = [step for step in steps((DOCS / "operating.md").read_text()) if "--dry-run" in step.command]
        self.run_step(shown)


class Services(Machine):
    def test_etcd_is_restored_as_the_page_shows(self) -> None:
        cluster = EtcdCluster(self.root / "var", "etcd", 1)
        self.addCleanup(cluster.stop)
        cluster.start()
        cluster.fill(100)
        expected = cluster.state()
        self.configure(cluster.source(files=[str(self.directory / "agent" / "agent.yaml")]), node="db-1")
        for command in ("init", "backup"):
            self.run_step(Step("db-1", f"holdfast-agent {command}"))
        for name in ("systemctl", "chown"):
            (self.programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{self.directory}/called\n')
            (self.programs / name).chmod(0o755)
        page = (DOCS / "howto" / "restore-etcd.md").read_text()
        listed, stop, aside, restore, own, start = steps(re.sub("^ {3}", "", page, flags=re.MULTILINE))
        snapshot = self.run_step(listed)[-1].split()[0]
        (member,) = cluster.members
        self.run_step(stop)
        cluster.stop()
        where = {f"{self.root}/var/lib/etcd": str(member.data_dir)}
        self.run_step(aside, **where)
        self.run_step(restore, **where, b8cb6446=snapshot, m1=member.name)
        self.run_step(own, **where)
        self.run_step(start)
        cluster.start()
        self.assertEqual(cluster.state(), expected)
        self.assertEqual((self.directory / "called").read_text().splitlines(),
                         ["systemctl stop etcd", f"chown -R etcd:etcd {member.data_dir}", "systemctl start etcd"])

    def test_discovery_prints_the_form_that_the_page_shows(self) -> None:
        cluster = EtcdCluster(self.directory / "live", "etcd", 1)
        self.addCleanup(cluster.stop)
        cluster.start()
        self.configure({"kind": "files", "name": "app", "paths": [str(self.root)]})
        page = (DOCS / "operating.md").read_text()
        (shown,) = re.findall(r"^```\n(SOURCE +PROCESS.*?)^```$", page, re.MULTILINE | re.DOTALL)
        heading, etcd, _, empty, counted, _, advice, _, line = shown.splitlines()
        printed = self.run_step(Step("web-1", "holdfast-agent source list --discover"))
        self.assertEqual(printed[0].split(), heading.split())
        self.assertIn("etcd/main", [row.split()[0] for row in printed[1 : printed.index(empty)]])
        self.assertEqual(etcd.split()[0], "etcd/main")
        self.assertTrue([one for one in printed if difference([counted], [one]) == ""], printed)
        self.assertIn(advice.replace("/etc/holdfast/agent.yaml", "/etc/agent.yaml"), printed)
        start = line.split("endpoints")[0]
        self.assertTrue([one for one in printed if one.startswith(start)], printed)

    def test_a_node_joins_as_the_page_shows(self) -> None:
        cluster = Cluster(self.directory / "cluster").start()
        self.configure({"kind": "files", "name": "app", "paths": [str(self.root / "etc")]})
        config = json.loads(self.config.read_text()) | {"state_dir": str(self.directory / "state")}
        self.config.write_text(json.dumps(config))
        self.run_step(Step("web-1", "holdfast-agent init"))
        shutil.copytree(cluster.operator.parent, self.home / ".config" / "holdfast")
        page = (DOCS / "howto" / "add-a-node.md").read_text()
        found = {step.command: step for step in steps(re.sub("^ {3}", "", page, flags=re.MULTILINE))}
        for command in ("holdfast-agent config check", "holdfast-agent source list",
                        "holdfast agent token web-1 > token", "holdfast-agent join --token-file token"):
            self.run_step(found[command])
        Agent(self.config).start("run", log=self.directory / "agent.log")
        wait_until("web-1", lambda: cluster.json("status")["agents"]["connected"] == 1)
        for command in ("holdfast agent list", "holdfast backup '*/*@web-1'"):
            self.run_step(found[command])


main("restic", "etcd")
