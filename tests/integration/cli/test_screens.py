"""Tables, colours and progress on a terminal of 80 columns and 24 lines, with many long source names."""

import json
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, main, write_config  # noqa: E402
from lib.terminal import run_in_terminal  # noqa: E402
from lib.trees import LONG_NAMES as NAMES, long_named_sources  # noqa: E402


class Screens(Case):
    def setUp(self) -> None:
        super().setUp()
        self.assertEqual({len(name) for name in NAMES}, {40})
        sources = long_named_sources(self.directory / "trees")
        self.agent = Agent(write_config(self.directory / "agent", sources))
        self.agent.run("init")

    def shown(self, *arguments: str, **options):
        screen = run_in_terminal(self.agent.argv(*arguments), **options)
        self.assertEqual(screen.code, 0, screen.rest[-5:])
        return screen

    def assert_fits(self, lines: list[str], columns: int = 80) -> None:
        wide = [line for line in lines if len(line) > columns]
        self.assertEqual(wide, [])

    def assert_has_each_key(self, lines: list[str]) -> None:
        text = "\n".join(lines)
        missing = [name for name in NAMES if not re.search(rf"\bfiles/{name}(?=\s)", text)]
        self.assertEqual(missing, [])

    def test_everything_fits_80_columns_and_names_are_whole(self) -> None:
        one = f"files/{NAMES[0]}"
        with self.subTest("backup"):
            screen = self.shown("backup")
            self.assert_fits(screen.lines)
            self.assert_has_each_key(screen.rest)
            self.assertIn("columns not shown: ", "\n".join(screen.rest))
            # One line shows the total, and progress needs few enough lines to stay in place.
            sums = [line for line in screen.lines if line.startswith("all: ")]
            self.assertTrue(sums)
            self.assertRegex(sums[-1], r"^all: [0-9]+ of 200 done +[0-9]+% \[#*-*\]")
            ups = [int(up) for up in re.findall(r"\x1b\[([0-9]+)A", screen.raw)]
            self.assertLessEqual(max(ups), 23)
            self.assertNotIn("all: ", "\n".join(screen.rest))

        with self.subTest("restore and check"):
            restored = self.shown("restore", f"latest:{one}", "--to", str(self.directory / "restored"))
            self.assert_fits([line for line in restored.rest if str(self.directory) not in line])
            self.assertRegex(restored.rest[0], rf"^restored snapshot [0-9a-f]{{8}} of {one} to$")
            self.assert_fits(self.shown("check", "--read-data").lines)

        with self.subTest("list of notes"):
            self.agent.run("backup", one, "--note", "n" * 100)
            screen = self.shown("list")
            self.assert_fits(screen.lines)
            self.assert_has_each_key(screen.rest)
            self.assertRegex("\n".join(screen.rest), r"columns not shown: .*NOTE")
            wide = self.shown("list", columns=300)
            self.assertIn("  " + "n" * 100, "\n".join(wide.rest))

        with self.subTest("list"):
            screen = self.shown("list")
            self.assert_fits(screen.lines)
            self.assert_has_each_key(screen.rest)

        with self.subTest("list, narrow"):
            screen = self.shown("list", columns=40)
            self.assert_fits(screen.lines, 40)
            # Long names are shortened in the middle and stay unique.
            names = re.findall(r"^[0-9a-f]{8}  (\S+)", "\n".join(screen.rest), re.MULTILINE)
            self.assertEqual(len(set(names)), len(NAMES))
            self.assertTrue(all("~" in name for name in names), names[0])

        with self.subTest("list, to a pipe"):
            done = self.agent.run("list")
            self.assertIn("FILES", done.stdout.splitlines()[0])
            self.assert_has_each_key(done.stdout.splitlines())
            self.assertNotIn("not shown", done.stdout)
            self.assertNotIn("\x1b", done.stdout)

        with self.subTest("states have colours"):
            self.assertIn("\x1b[32mdone\x1b[0m", self.shown("backup", one).raw)
            plain = self.shown("backup", one, NO_COLOR="1").raw
            self.assertNotRegex(plain, r"\x1b\[[0-9;]*m")
            self.assertIn(" done", plain)

        with self.subTest("a dumb terminal gets no escape sequence"):
            self.assertNotIn("\x1b", self.shown("backup", one, TERM="dumb").raw)

        with self.subTest("the result is alone on stdout"):
            done = self.agent.run("backup", one, "--json", "--log-level", "info")
            self.assertEqual(len(json.loads(done.stdout)["sources"]), 1)
            self.assertIn(" info run=", done.stderr)


if __name__ == "__main__":
    main()
