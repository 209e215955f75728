"""docs/exit/files.md: restic and a shell script alone restore a tree."""

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, ExitPage, Tree, main, run, scan, write_config
from lib.places import ROOT, service_program


class WithoutHoldfast(Case):
    def setUp(self) -> None:
        super().setUp()
        self.tree = self.directory / "the tree"
        tree = Tree(self.tree)
        tree.file("conf.d/a [1].conf", b"a", 0o640)
        tree.file("conf.d/b\n.conf", b"b")
        tree.symlink("current", "conf.d")
        tree.fifo("pipe")
        tree.stamp()
        config = write_config(self.directory, [{"kind": "files", "name": "app", "paths": [str(self.tree)]}])
        self.agent = Agent(config)
        self.agent.run("repository", "init", "--repository", "main")
        self.agent.run("backup", "files/app")

    def exit(self, *arguments: str, expect: int | None = 0):
        restic = Path(service_program("restic", "restic")).parent
        env = {"PATH": f"{restic}:{os.environ['PATH']}", "RESTIC_CACHE_DIR": str(self.directory / "cache")}
        repository = ["--repository", str(self.directory / "repository")]
        repository += ["--password-file", str(self.directory / "password")]
        script = str(ROOT / "scripts" / "exit" / "files")
        return run([script, *repository, *arguments], env=env, expect=expect)

    def test_script_restores_the_whole_tree(self) -> None:
        expected = scan(self.tree)
        self.exit("--to", str(self.directory / "out") + "/", "app")
        self.assertEqual(scan(self.directory / "out" / str(self.tree)[1:]), expected)
        self.assertTrue((self.directory / "out.manifest.json").is_file())

        # Move it into place, as the page says.
        shutil.rmtree(self.tree)
        (self.directory / "out" / str(self.tree)[1:]).rename(self.tree)
        self.assertEqual(scan(self.tree), expected)

    def test_script_restores_one_path(self) -> None:
        wanted = self.tree / "conf.d" / "a [1].conf"
        self.exit("--to", str(self.directory / "out"), "--path", str(wanted), "app")
        back = self.directory / "out" / str(self.tree)[1:]
        self.assertEqual([path.name for path in (back / "conf.d").iterdir()], [wanted.name])
        self.assertFalse((back / "pipe").exists())

    def test_script_reports_errors(self) -> None:
        (self.directory / "full").mkdir()
        (self.directory / "full" / "x").touch()
        done = self.exit("--to", str(self.directory / "full"), "app", expect=1)
        self.assertIn("not a new or empty directory", done.stderr)
        done = self.exit("--to", str(self.directory / "none"), "other", expect=1)
        self.assertIn("exit/files:", done.stderr)


class ByHand(Case):
    def test_page_runs_as_written(self) -> None:
        live, out = self.directory / "myapp", self.directory / "out"
        tree = Tree(live)
        tree.file("conf.d/main.conf", b"good", 0o640)
        tree.symlink("current", "conf.d")
        tree.stamp()
        agent = Agent(write_config(self.directory, [{"kind": "files", "name": "app", "paths": [str(live)]}]))
        agent.run("init")
        agent.run("backup", "files/app")
        expected = scan(live)
        (live / "conf.d" / "main.conf").write_text("broken")
        broken = scan(live)
        page = ExitPage("files", self.directory, self.directory / "repository",
                        {"/srv/rescued": str(out), "/etc/myapp": str(live)})

        self.assertIn("files/app", page.run(0))
        self.assertTrue((out / ".restic" / "files" / "app" / "manifest.json").is_file())
        page.run(1)

        page.end()
        self.assertEqual(scan(live), expected)
        self.assertEqual(scan(self.directory / "myapp.old"), broken)


if __name__ == "__main__":
    main("restic")
