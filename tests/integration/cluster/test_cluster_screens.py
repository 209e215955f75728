"""What operators see of 200 sources with names of 40 characters, on a terminal of 80 columns and 24 lines."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, main
from lib.cluster import Cluster, program
from lib.terminal import Screen, run_in_terminal  # noqa: E402
from lib.trees import LONG_NAMES as NAMES, long_named_sources  # noqa: E402

NODE = "a-node-with-a-long-name.example.com"


class ClusterScreens(Case):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        sources = long_named_sources(self.directory / "trees")
        policy = {"restore": "staging", "restore_roots": {"staging": str(self.directory / "staging")}}
        (self.directory / "staging").mkdir()
        self.cluster.add(NODE, sources, policy=policy)

    def shown(self, *arguments: str, operator: bool = False) -> Screen:
        where = ["--config", str(self.cluster.operator)] if operator else ["--controller", str(self.cluster.socket)]
        screen = run_in_terminal([program("holdfast"), *arguments, *where])
        self.assertEqual(screen.code, 0, screen.rest[-5:])
        return screen

    def assert_fits(self, screen: Screen) -> None:
        self.assertEqual([line for line in screen.lines if len(line) > 80], [])

    def assert_sources(self, screen: Screen, pattern: str) -> None:
        """Each source has a matching line, and no two sources look alike."""
        found = re.findall(pattern, "\n".join(screen.rest), re.MULTILINE)
        self.assertEqual(len(set(found)), len(NAMES), screen.rest[:10])

    def test_everything_fits_and_no_two_sources_look_alike(self) -> None:
        shortened = r"^(files/\S*~\S*\d{4}@a-node\S*example\.com)  "
        with self.subTest("backup"):
            backup = self.shown("backup", "--all", "--note", "before the upgrade of everything")
            self.assert_fits(backup)
            self.assert_sources(backup, shortened + "backup")
            sums = [line for line in backup.lines if "all: " in line]
            self.assertRegex(sums[-1], r"all: [0-9]+ of 200 ended +[0-9]+% \[#*-*\]")
            ups = [int(up) for up in re.findall(r"\x1b\[([0-9]+)A", backup.raw)]
            self.assertLessEqual(max(ups), 23)

        run = self.cluster.json("run", "list")["runs"][0]["run"]
        with self.subTest("run show"):
            shown = self.shown("run", "show", run)
            self.assert_fits(shown)
            self.assertIn(": before the upgrade of everything", " ".join(" ".join(shown.rest).split()))
            self.assert_sources(shown, shortened + "backup")
            sources = re.findall(r"^[0-9a-f]{8}  \S+  files/(\S+)", "\n".join(shown.rest), re.MULTILINE)
            self.assertEqual(sources, NAMES)

        with self.subTest("run watch"):
            self.assert_fits(self.shown("run", "watch", run))

        with self.subTest("status"):
            status = self.shown("status")
            self.assert_fits(status)
            self.assert_sources(status, shortened)
            self.assertRegex("\n".join(status.rest), r"\d@\S+ +(just now|[0-9]+s ago|[0-9]+m ago)  done ")

        with self.subTest("snapshot list"):
            snapshots = self.shown("snapshot", "list")
            self.assert_fits(snapshots)
            self.assert_sources(snapshots, r"^[0-9a-f]{8}  \S+  (files/\S+-\d{4})$")

        with self.subTest("run list"):
            self.assert_fits(self.shown("run", "list"))

        with self.subTest("source list"):
            sources = self.shown("source", "list")
            self.assert_fits(sources)
            self.assert_sources(sources, r"^(files/\S*~\S*\d{4})  \S+  healthy")

        with self.subTest("agent list"):
            agents = self.shown("agent", "list")
            self.assert_fits(agents)
            self.assertRegex(agents.rest[1], rf"^{re.escape(NODE)} +connected .* 200: ")

    def test_restore_shows_its_source_and_counts(self) -> None:
        one = f"files/{NAMES[7]}"
        self.shown("backup", one)
        order = self.shown("restore", f"latest:{one}", "--node", NODE, "--into", "staging/look", "--yes", operator=True)
        self.assert_fits_but_names(order, one)
        (restore, _) = self.cluster.json("run", "list")["runs"]
        self.assertEqual(restore["selectors"], [f"{one}@{NODE}"])
        task = self.cluster.run_of(restore["run"])["tasks"][0]
        self.assertEqual(task["items"], task["report"]["restored"]["items"])
        self.assertEqual(task["bytes"], task["report"]["restored"]["bytes"])
        self.assertGreater(task["items"], 1)
        runs = self.shown("run", "list")
        self.assert_fits(runs)
        self.assertRegex(runs.rest[1], r"  restore +done .*  files/data-of")

    def assert_fits_but_names(self, screen: Screen, source: str) -> None:
        """Only the heading, a name longer than the screen, may be too wide."""
        wide = [line for line in screen.lines if len(line) > 80]
        self.assertEqual(wide, [line for line in wide if line == f"{source}@{NODE}"])


if __name__ == "__main__":
    main()
