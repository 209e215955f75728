"""The verbs as an operator types them: a newcomer's first steps, and mistakes in each."""

import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, Process, Restic, agent_program, main, run, wait_until, write_config  # noqa: E402

ULID = r"[0-9A-HJKMNP-TV-Z]{26}"


class Verbs(Case):
    def setUp(self) -> None:
        super().setUp()
        self.tree = self.directory / "tree"
        (self.tree / "deep").mkdir(parents=True)
        (self.tree / "a").write_text("alpha\n")
        (self.tree / "deep" / "b").write_text("beta\n")
        self.config = write_config(
            self.directory, [{"kind": "files", "name": "app", "paths": [str(self.tree)]}]
        )
        self.agent = Agent(self.config)
        self.repository = self.directory / "repository"
        self.password = self.directory / "password"

    def share_with_restic(self) -> None:
        """Creates the repository, and self.restic for the same repository."""
        self.secret("password", "secret\n")
        self.restic = Restic(self.repository, self.password, self.directory / "cache")
        self.restic.init_cheaply()

    def made(self) -> Agent:
        self.agent.run("repository", "init")
        return self.agent

    def alone(self, *arguments: str, **options):
        """Runs a verb with only the repository and its password."""
        return self.agent.run(
            *arguments,
            "--repository-url",
            f"file:{self.repository}",
            "--password-file",
            str(self.password),
            config=False,
            **options,
        )

    def fails(self, code: int, *texts: str, arguments: list[str], config: bool = True) -> str:
        done = self.agent.run(*arguments, expect=code, config=config)
        self.assertTrue(done.stderr.startswith("holdfast-agent: "), done.stderr)
        for text in texts:
            self.assertIn(text, done.stderr)
        document = self.agent.run(*arguments, "--json", expect=code, config=config).document
        self.assertEqual(document["exit_code"], code)
        return done.stderr

    def big_file(self) -> None:
        """Makes a backup slow: reading holes takes as long as reading zeros."""
        with open(self.tree / "big", "wb") as file:
            file.truncate(200 << 30)

    def start_long_backup(self, *arguments: str) -> Process:
        self.big_file()
        log = self.directory / "log"
        process = self.agent.start("backup", "--json", *arguments, log=log)
        self.addCleanup(process.kill)
        wait_until("the backup saves", lambda: '"phase":"save"' in log.read_text())
        return process

    def snapshots(self) -> list[dict]:
        return self.agent.json("list")["repositories"][0]["snapshots"]


class TheWay(Verbs):
    def test_newcomer_gets_from_init_to_a_restore_in_place(self) -> None:
        made = self.agent.json("repository", "init")
        self.assertTrue(made["password_made"])
        self.assertEqual(self.password.stat().st_mode & 0o777, 0o600)
        self.assertRegex(self.password.read_text(), r"\A[0-9a-f]{64}\n\Z")

        self.assertTrue(self.agent.json("source", "list")["sources"][0]["healthy"])
        backup = self.agent.json("backup", "files/*", "--note", "before the upgrade")
        self.assertRegex(backup["run"], ULID)
        source = backup["sources"][0]
        self.assertEqual((source["state"], source["missing"], source["error"]), ("done", [], None))
        self.assertGreater(source["bytes_read"], 0)
        for phase in ("open", "prepare", "cut", "save", "compose", "verify"):
            self.assertIn(phase, source["seconds"])
        self.assertEqual([entry["id"] for entry in self.snapshots()], [source["snapshot"]])

        restored = self.agent.json("restore", "latest:files/app", "--to", str(self.directory / "to"))
        self.assertEqual(restored["snapshot"], source["snapshot"])
        manifest = json.loads((self.directory / "to" / "manifest.json").read_text())
        self.assertEqual(manifest["note"], "before the upgrade")
        self.assertEqual(
            (self.directory / "to" / "data" / str(self.tree)[1:] / "a").read_text(), "alpha\n"
        )

        (self.tree / "a").write_text("broken\n")
        in_place = self.agent.json("restore", source["snapshot"][:8], "--in-place")
        self.assertEqual((self.tree / "a").read_text(), "alpha\n")
        self.assertEqual([entry["id"] for entry in self.snapshots()], [source["snapshot"]])
        everything = self.agent.json("list", "--safety")["repositories"][0]["snapshots"]
        self.assertEqual(in_place["safety_snapshot"]["snapshot"], everything[-1]["id"])
        self.assertTrue(self.agent.json("check", "--read-data")["repositories"][0]["sound"])

    def test_repository_and_password_alone_suffice(self) -> None:
        self.made().run("backup")
        self.config.unlink()
        shutil.rmtree(self.directory / "state")

        self.assertIn("files/app", self.alone("list").stdout)
        self.alone("restore", "latest:files/app", "--to", str(self.directory / "to"))
        self.alone("check", "--read-data")
        self.assertFalse((self.directory / "state").exists())

    def test_config_show_prints_a_valid_configuration(self) -> None:
        shown = self.agent.run("config", "show").stdout
        self.config.write_text(shown)
        self.assertEqual(self.agent.run("config", "show").stdout, shown)

    def test_variables_override_the_file(self) -> None:
        env = {"HOLDFAST_NODE": "other", "HOLDFAST_STATEDIR": "/x"}
        done = self.agent.run("config", "show", "--json", env=env)
        self.assertEqual(done.document["node"], "other")
        self.assertIn('"HOLDFAST_STATEDIR" overrides no setting', done.stderr)

    def test_every_line_of_the_log_names_the_run(self) -> None:
        self.made()
        done = self.agent.run("backup", "--json", "--log-level", "info", "--log-target", "stderr")
        lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        self.assertTrue(lines)
        for line in lines:
            self.assertRegex(line, rf"^\S+Z (info|warning) run={done.document['run']} ")
        self.assertNotIn(self.password.read_text().strip(), done.stderr)


class Mistakes(Verbs):
    def test_configuration_errors_name_file_line_and_column(self) -> None:
        good = self.config.read_text()
        for text, column in (
            ("nod: x\n", '1:1: unknown key "nod"'),
            ("node: a\nnode: b\n", '2:1: duplicate key "node", first at'),
            ("sources: {}\n", '1:10: "sources" is a map; expected a list'),
            ("node: [\n", '1:7: this "[" is never closed'),
            ("repositories: {m: {url: 5}}\n", 'no "password_file"; expected a path'),
            ("sources: [{kind: fils, name: x}]\n", '1:18: unknown kind "fils"'),
        ):
            self.config.write_text(text)
            for verb in (["backup"], ["list"], ["check"], ["source", "list"], ["config", "check"]):
                self.fails(2, f"{self.config}:", column, arguments=verb)
        self.config.write_text(good.replace('"files"', '"fils"'))
        self.assertIn('hint: did you mean "files"?', self.fails(2, arguments=["config", "check"]))
        self.config.unlink()
        self.fails(2, str(self.config), "hint: name the configuration", arguments=["backup"])

    def test_config_check_names_paths_that_do_not_exist(self) -> None:
        self.secret("password", "secret\n")
        self.agent.run("config", "check")
        moved = self.tree.rename(self.directory / "moved")
        said = self.fails(2, "hint: create it, or correct the path", arguments=["config", "check"])
        self.assertRegex(said, rf'{self.config}:\d+:\d+: "{self.tree}" does not exist')
        moved.rename(self.tree)

    def test_config_check_keeps_the_hint_of_a_bad_url(self) -> None:
        self.secret("password", "secret\n")
        self.config.write_text(self.config.read_text().replace("file:", ""))
        hint = f'hint: write it as "file:{self.repository}"'
        self.fails(2, "is not a storage URL", hint, arguments=["config", "check"])

    def test_wrong_arguments_are_named(self) -> None:
        self.made()
        for arguments, text in (
            (["backup", "--nite", "x"], "--nite"),
            (["backup", "files/other"], "configured: files/app"),
            (["restore", "latest:files/app"], "no target; expected --to DIR, --in-place or --undo"),
            (["restore", "latest:files/app", "--to", "x", "--in-place"], "--in-place"),
            (["list", "files"], "expected kind/name"),
            (["check", "--repository", "other"], "configured: main"),
        ):
            self.fails(2, text, arguments=arguments)
        self.fails(2, "hint: see `holdfast-agent --help`", arguments=["bakup"], config=False)
        self.assertIn("Examples:", self.agent.run("restore", "--help", config=False).stdout)
        self.assertIn("holdfast-agent 0.", self.agent.run("--version", config=False).stdout)

    def test_hint_names_the_program_that_has_the_command(self) -> None:
        agents = ("ls find diff dump export import forget prune copy stats unlock key lock repair repository config "
                  "join").split()
        operators = "status approve approval agent catalog".split()
        for program, other, words in (("holdfast", "holdfast-agent", agents),
                                      ("holdfast-agent", "holdfast", operators)):
            for word in words:
                with self.subTest(program=program, word=word):
                    refused = run([Path(agent_program()).parent / program, word], expect=2)
                    self.assertIn(f'hint: "{word}" is a command of {other}', refused.stderr)
                    run([Path(agent_program()).parent / other, "help", word])

    def test_misspelled_names_get_a_suggestion(self) -> None:
        self.made()
        self.assertIn("no snapshots of files/app yet", self.agent.run("list", "files/app").stdout)
        self.agent.run("backup")
        snapshot = self.snapshots()[0]["id"]
        typo = snapshot[:6] + ("0" if snapshot[6] != "0" else "1") + snapshot[7]
        to = ["--to", str(self.directory / "to")]
        for code, arguments, suggestion in (
            (2, ["backup", "files/ap"], "files/app"),
            (1, ["list", "files/ap"], "files/app"),
            (1, ["list", "fils/*"], ""),
            (1, ["restore", "latest:flies/app", *to], "latest:files/app"),
            (1, ["restore", typo, *to], snapshot[:8]),
            (1, ["ls", typo], snapshot[:8]),
            (1, ["forget", "--keep-last", "1", "--source", "files/ap"], "files/app"),
            (2, ["check", "--repository", "mian"], "main"),
        ):
            output = self.fails(code, "hint: ", arguments=arguments)
            if suggestion:
                self.assertIn(f'did you mean "{suggestion}"?', output)

    def test_missing_repository_existing_one_and_wrong_password_are_errors(self) -> None:
        self.fails(2, "agent.yaml:", "does not exist", "`holdfast-agent init --repository main`", arguments=["backup"])
        self.password.write_text("guess\n")
        self.password.chmod(0o600)
        for verb in (["backup"], ["list"], ["check"], ["restore", "latest:files/app", "--to", "x"]):
            self.fails(1, "main", arguments=verb)
        self.password.unlink()
        self.made()
        self.fails(1, "main", arguments=["repository", "init"])
        self.password.write_text("wrong\n")
        for verb in (["backup"], ["list"], ["check"], ["restore", "latest:files/app", "--to", "x"]):
            self.fails(4, "password", arguments=verb)

    def test_impossible_restores_are_refused(self) -> None:
        self.made()
        to = str(self.directory / "to")
        self.fails(1, "files/app", arguments=["restore", "latest:files/app", "--to", to])
        self.agent.run("backup")
        restore = ["restore", "latest:files/app", "--to"]
        self.fails(2, "is not empty", arguments=[*restore, str(self.tree)])
        self.fails(2, "is not a directory", arguments=[*restore, str(self.password)])
        self.fails(1, "nothing/here", arguments=[*restore, to, "--path", "nothing/here"])
        lost = str(self.tree / "lost")
        self.fails(1, f"data{lost}", f'"data{self.tree}" has ', arguments=[*restore, to, "--path", lost])
        self.fails(1, f"data{lost}", f'"data{self.tree}/" has ', arguments=["ls", "latest:files/app", lost])
        self.assertFalse(os.path.exists(to))
        other = json.loads(self.config.read_text()) | {"node": "test-2"}
        self.config.write_text(json.dumps(other))
        snapshot = self.snapshots()[0]["id"]
        self.fails(4, "of node", "hint: ", arguments=["restore", snapshot, "--in-place"])

    def test_unreadable_file_is_named_and_the_backup_partly_done(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("needs root, to give it up")
        (self.tree / "a").chmod(0o600)
        for path in (self.directory, *self.directory.rglob("*")):
            if path != self.tree / "a":
                os.chown(path, 65534, 65534)
        agent = Agent(self.config, user="nobody")
        agent.run("repository", "init")

        done = agent.run("backup", "--json", expect=3)

        source = done.document["sources"][0]
        self.assertEqual(source["state"], "partly done")
        self.assertIn(str(self.tree / "a"), source["missing"][0]["what"])
        self.assertTrue(agent.json("list")["repositories"][0]["snapshots"][0]["partial"])

    def test_check_of_a_damaged_pack_exits_with_1(self) -> None:
        self.made().run("backup")
        pack = next(path for path in (self.repository / "data").rglob("*") if path.is_file())
        content = bytearray(pack.read_bytes())
        content[3] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(content)

        done = self.agent.run("check", "--read-data", expect=1)

        self.assertIn(pack.name[:8], done.stdout)


class RestoreHelper(Verbs):
    def refused(self, agent: Agent, mode: str, code: int, *texts: str) -> None:
        done = agent.run("restore-helper", mode, expect=code)
        for text in texts:
            self.assertIn(text, done.stderr)

    def test_prepare_says_what_it_prepared(self) -> None:
        agent = self.made()
        directory = self.directory / "restore-helper"

        said = agent.run("restore-helper", "--prepare").stdout

        locks = len(list((directory / "locks").iterdir()))
        self.assertRegex(said, rf"^prepared {directory}, with {locks} lock files?\n$")
        self.assertEqual(agent.json("restore-helper", "--prepare")["locks"], locks)
        if os.geteuid() != 0:
            return  # only root can become another user
        self.directory.chmod(0o755)
        self.config.chmod(0o644)
        other = Agent(self.config, user="nobody")
        for mode in ("--prepare", "--recover"):
            self.refused(other, mode, 4, f'"{directory}" belongs to root', "hint: run the same command as root")

    def test_recover_names_the_journals_of_other_sources(self) -> None:
        self.made().run("restore-helper", "--prepare")
        self.assertIn("no restore in place was interrupted", self.agent.run("restore-helper", "--recover").stdout)
        journal = self.directory / "restore-helper" / "journals" / "files-old.json"
        journal.parent.mkdir(0o755)
        journal.write_text("{}")

        self.refused(self.agent, "--recover", 1, str(journal), "put that source back")


class Others(Verbs):
    def test_source_in_use_is_refused_and_its_holder_named(self) -> None:
        self.made().run("backup")
        lock = self.directory / "restore-helper" / "locks" / "files-app.lock"
        with open(lock, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f"holdfast-agent backup, pid 7\n{os.getpid()}\n")
            file.flush()
            self.fails(4, "files/app", "held by holdfast-agent backup, pid ", arguments=["backup"])
            self.fails(4, "held by", arguments=["restore", "latest:files/app", "--in-place"])
        self.agent.run("backup")

    def test_interrupted_backup_leaves_no_snapshot_and_no_lock(self) -> None:
        self.made()
        process = self.start_long_backup()
        os.kill(process.pid, signal.SIGINT)
        self.assertEqual(process.wait(60), 130)
        (self.tree / "big").unlink()

        log = (self.directory / "log").read_text()
        self.assertIn("stopped by request", log)
        self.assertIn("hint: no snapshot was created; ", log)
        self.assertEqual(self.snapshots(), [])
        self.assertEqual(list((self.repository / "locks").iterdir()), [])
        self.assertTrue(self.agent.json("check", "--read-data")["repositories"][0]["sound"])

    def test_a_killed_backup_loses_nothing(self) -> None:
        self.made().run("backup")
        process = self.start_long_backup()
        process.kill()
        (self.tree / "big").unlink()
        self.assertEqual(len(list((self.repository / "locks").iterdir())), 1)

        self.agent.run("backup")

        self.assertEqual(len(self.snapshots()), 2)
        self.assertEqual(list((self.repository / "locks").iterdir()), [])
        self.assertTrue(self.agent.json("check", "--read-data")["repositories"][0]["sound"])

    def test_progress_is_json_lines_with_json(self) -> None:
        self.made()
        process = self.start_long_backup()
        os.kill(process.pid, signal.SIGTERM)
        self.assertEqual(process.wait(60), 130)
        lines = [
            json.loads(line)
            for line in (self.directory / "log").read_text().splitlines()
            if line.startswith('{"type":"progress"')
        ]
        self.assertEqual(lines[0]["subject"], "files/app")

    def test_progress_is_live_on_a_terminal(self) -> None:
        self.made()
        self.big_file()
        ours, theirs = pty.openpty()
        child = subprocess.Popen(
            self.agent.argv("backup"),
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(theirs)
        self.addCleanup(child.kill)
        seen = b""
        deadline = time.monotonic() + 60
        while seen.count(b"files/app: save") < 3 and time.monotonic() < deadline:
            seen += os.read(ours, 65536)
        child.send_signal(signal.SIGINT)
        try:
            while chunk := os.read(ours, 65536):
                seen += chunk
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        self.assertEqual(child.wait(60), 130)
        self.assertIn(b"\x1b[1A\x1b[J", seen)
        _, error = seen.rstrip().rsplit(b"\x1b[J", 1)
        self.assertRegex(error, rb"^holdfast-agent: files/app: stopped by request\r\nhint: no snapshot was created; [^\r]+$")

    def test_closed_standard_output_is_an_error_not_a_crash(self) -> None:
        self.made().run("backup")
        reader, writer = os.pipe()
        os.close(reader)
        done = run(self.agent.argv("list"), expect=1, stdout=writer)
        os.close(writer)
        self.assertIn("standard output", done.stderr)

    def test_read_only_repository_can_be_read_but_not_written(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("needs root, to give it up")
        self.made().run("backup")
        for path in (self.directory, *self.directory.rglob("*")):
            if path.is_relative_to(self.repository):
                path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() else 0))
        self.directory.chmod(0o755)
        (self.directory / "state").rename(self.directory / "old-state")
        work = self.directory / "work"
        work.mkdir()
        os.chown(work, 65534, 65534)
        password = self.password.rename(work / "password")
        os.chown(password, 65534, 65534)
        self.password = password
        self.agent = Agent(self.config, user="nobody")

        self.assertIn("files/app", self.alone("list").stdout)
        self.assertIn("without a lock", self.alone("check").stdout)
        self.alone("restore", "latest:files/app", "--to", str(work / "to"))

        sources = [{"kind": "files", "name": "app", "paths": [str(work)]}]
        config = write_config(work, sources, repository=self.repository)
        self.agent = Agent(config, user="nobody")
        self.fails(4, "main", arguments=["backup"])


if __name__ == "__main__":
    main()
