"""The commands in README.md and docs/tutorial.md run as written, and the pages show what the programs print."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from docs.pages import Step, blocks, command_lines, difference, section, steps
from lib import Agent, Case, main, service_program, wait_until, write_config
from lib.cluster import Cluster
from lib.places import BUILD, ROOT

README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
PATH = f"{BUILD / 'bin'}:{Path(service_program('restic', 'restic')).parent}:{os.environ['PATH']}"

# Pages show this for the directory in which their commands run.
_SHOWN_AS = "/srv/demo/"


class Pages(Case):
    def run_step(self, step: Step, directory: Path, **env: str) -> None:
        done = subprocess.run(
            ["bash", "-c", step.command], cwd=directory, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {"PATH": PATH, "TZ": "UTC", "HOME": str(self.directory)} | env)

        self.assertEqual(done.returncode, 0, f"{step.command}\n{done.stdout}")
        printed = done.stdout.replace(f"{self.directory}/", _SHOWN_AS)
        if step.output:
            self.assertEqual(difference(step.output, printed.splitlines()), "", step.command)

    def run_page(self, text: str) -> None:
        (config,) = blocks(text, "yaml")
        (self.directory / "agent.yaml").write_text(config)
        found = steps(text)
        self.assertGreater(len(found), 5)
        for step in found:
            self.run_step(step, self.directory)

    def test_the_tutorial_runs_as_written(self) -> None:
        self.run_page(TUTORIAL.read_text())

        self.assertEqual((self.directory / "notes/today.txt").read_text(), "buy milk\ncall mother\n")

    def test_the_picture_is_what_its_script_draws(self) -> None:
        drawn = subprocess.run([ROOT / "scripts" / "overview", "--print"], check=True, text=True, stdout=subprocess.PIPE)

        self.assertEqual((ROOT / "docs" / "overview.svg").read_text(), drawn.stdout)

    def test_readme_one_node_runs_as_written(self) -> None:
        self.run_page(section(README, "One node in five minutes"))

        self.assertEqual((self.directory / "site/index.html").read_text(), "hello\n")

    def test_readme_cluster_runs_as_written(self) -> None:
        """Machines are directories, the controller listens on loopback, and the key has no passphrase."""
        init, run_controller, *found = steps(section(README, "A cluster"))
        self.assertEqual(init.command, "holdfast init --dir prod --cluster prod --operator anna --host backup-1")
        self.assertTrue(run_controller.command.startswith("holdfast-controller run "))
        cluster = Cluster(self.directory).start()  # runs both of these commands
        shutil.copytree(cluster.operator.parent, self.directory / ".config" / "holdfast")
        site, staging = self.directory / "site", self.directory / "staging"
        site.mkdir()
        (site / "index.html").write_text("hello\n")
        repository = {"url": f"file:{cluster.repository}", "password_file": str(cluster.password)}
        config = write_config(self.directory / "node-1", [{"kind": "files", "name": "site", "paths": [str(site)]}],
                              node="node-1", repositories={"main": repository})
        policy = {"restore": "staging", "restore_roots": {"staging": str(staging)}}
        (config.parent / "policy.yaml").write_text(json.dumps(policy))
        Agent(config).run("repository", "init")

        for step in found:
            if step.command == "holdfast-agent run":
                Agent(config).start("run", log=self.directory / "agent.log")
                wait_until("node-1", lambda: cluster.json("status")["agents"]["connected"] == 1)
                continue
            if step.machine == "node-1":
                step.command += f" --config {shlex.quote(str(config))}"
            elif step.command.startswith("holdfast restore"):
                step.command += " --yes"
            self.run_step(step, self.directory)

        (restored,) = staging.rglob("index.html")
        self.assertEqual(restored.read_text(), "hello\n")


# Headers of file formats and a form of `help`, which look like commands.
NO_COMMANDS = {"holdfast archive", "holdfast node 1", "holdfast help COMMAND"}


class CommandLines(Case):
    def test_every_command_line_of_the_documentation_is_valid(self) -> None:
        """A command may fail because a configuration, controller or key is missing, but not because of its syntax."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory)}
        for name in ("HOLDFAST_AGENT_CONFIG", "HOLDFAST_CONTROLLER_CONFIG", "HOLDFAST_CONTROLLER"):
            environment[name] = str(self.directory / "none")
        invalid, count = [], 0
        for page in sorted([README, *ROOT.glob("docs/**/*.md")]):
            for shown in command_lines(page):
                if " ".join(shown.words) in NO_COMMANDS or shown.words[0].startswith("scripts/"):
                    continue
                count += 1
                done = subprocess.run([BUILD / "bin" / shown.words[0], *shown.words[1:]], cwd=self.directory, text=True,
                                      env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, timeout=60, check=False)
                is_short = shown.is_in_text and re.search(r" is missing$| needs a value: ", done.stdout, re.MULTILINE)
                if "--help`" in done.stdout and not is_short:
                    invalid.append(f"{page.name}:{shown.line}: {shlex.join(shown.words)}: {done.stdout.splitlines()[0]}")
        self.assertEqual(invalid, [])
        self.assertGreater(count, 150)

    def test_every_command_line_of_an_exit_script_is_valid(self) -> None:
        """The fake tools fail, so each script exits with 1. 2 would mean a wrong argument."""
        programs = self.directory / "programs"
        programs.mkdir()
        for name in ("restic", "etcdutl", "amtool", "promtool", "haproxy", "kafka-topics.sh", "systemctl"):
            (programs / name).write_text("#!/bin/sh\nexit 1\n")
            (programs / name).chmod(0o755)
        (self.directory / "srv").mkdir()
        shown = [one for page in sorted(ROOT.glob("docs/**/*.md")) for one in command_lines(page)
                 if one.words[0].startswith("scripts/")]
        for one in shown:
            words = [re.sub(r"^/(?=srv|var|etc)", f"{self.directory}/", word) for word in one.words]
            done = subprocess.run([ROOT / words[0], *words[1:]], text=True, stdin=subprocess.DEVNULL, timeout=60,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                  env={"PATH": f"{programs}:/usr/bin:/bin", "TMPDIR": str(self.directory)})
            if not one.is_in_text or len(words) > 2:
                self.assertEqual(done.returncode, 1, f"{one.page}:{one.line}: {shlex.join(words)}\n{done.stdout}")
        self.assertGreater(len(shown), 10)


main("restic")
