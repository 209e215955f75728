"""The programs and their manifests name the commit they were built from."""

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, agent_program, main, run

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(agent_program()).parent
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")


class CommitFile(Case):
    """What cmake/commit.cmake writes for a source tree."""

    def setUp(self) -> None:
        super().setUp()
        self.source = self.directory / "source"
        self.source.mkdir()
        self.output = self.directory / "commit.cc"

    def git(self, *arguments: str) -> str:
        return run(["git", *IDENTITY, "-C", str(self.source), *arguments]).stdout.strip()

    def commit(self, text: str) -> str:
        (self.source / "file").write_text(text)
        self.git("add", "file")
        self.git("commit", "-q", "-m", text)
        return self.git("rev-parse", "HEAD")

    def write(self, *options: str) -> str:
        script = str(ROOT / "cmake" / "commit.cmake")
        run(["cmake", f"-DSOURCE={self.source}", f"-DOUTPUT={self.output}", *options, "-P", script])
        (text,) = re.findall(r'kBuildCommit = "(.*)";', self.output.read_text())
        return text

    def test_tree_without_git_has_the_commit_unknown(self) -> None:
        self.assertEqual(self.write(), "unknown")

    def test_tree_inside_another_repository_has_the_commit_unknown(self) -> None:
        self.git("init", "-q")
        self.commit("first")
        self.source = self.source / "below"
        self.source.mkdir()
        self.assertEqual(self.write(), "unknown")

    def test_given_commit_replaces_that_of_git(self) -> None:
        self.assertEqual(self.write("-DCOMMIT=v1-of-a-package"), "v1-of-a-package")

    def test_file_changes_only_with_the_commit_or_a_dirty_tree(self) -> None:
        self.git("init", "-q")
        first = self.commit("first")
        self.git("tag", "v1")
        self.assertEqual(self.write(), first)
        os.utime(self.output, (1, 1))
        self.assertEqual(self.write(), first)
        self.assertEqual(self.output.stat().st_mtime, 1)
        (self.source / "file").write_text("changed")
        self.assertEqual(self.write(), f"{first}-dirty")
        second = self.commit("second")
        self.assertNotEqual(second, first)
        self.assertEqual(self.write(), second)


class Programs(Case):
    def test_each_program_names_its_version_and_commit(self) -> None:
        texts = set()
        for name in ("holdfast", "holdfast-agent", "holdfast-controller"):
            done = subprocess.run([str(BIN / name), "--version"], capture_output=True, text=True, check=True)
            program, _, text = done.stdout.strip().partition(" ")
            self.assertEqual(program, name)
            texts.add(text)
        (text,) = texts
        self.assertRegex(text, r"^\d+\.\d+\.\d+ \(commit ([0-9a-f]{40}(-dirty)?|unknown)\)$")


main()
