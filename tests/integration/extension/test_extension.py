"""The kind of docs/adding-a-source.md and the verb of docs/adding-a-verb.md touch only the files that the pages name,
and an agent with them works."""

import json
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from extension.follow_pages import PAGES, PageError, follow
from lib import Case, main, run, write_config
from lib.places import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests" / "lint"))
from lint import CHECKS
from tree import Tree

PROGRAMS = BUILD / "tests"
TOUCHED = [
    "agent/sources/counter/CMakeLists.txt (new)",
    "agent/sources/counter/counter.h (new)",
    "agent/sources/counter/counter.cc (new)",
    "agent/sources/registry/CMakeLists.txt (+2 -2)",
    "agent/sources/registry/all_sources.cc (+2 -1)",
    "tests/contract/counter_contract_test.cc (new)",
    "tests/contract/CMakeLists.txt (+3)",
    "agent/cli/verbs/greet.cc (new)",
    "agent/cli/verbs/all_verbs.cc (+1)",
    "tests/unit/cli/agent_command_line_test.cc (+1)",
]
# The rules that compare files with each other. The others would take half a minute for the whole project.
ACROSS_FILES = {"layers", "links", "first_headers", "architecture", "cycles", "third_party", "dead_files", "references"}
GENERATED = ["docs/restore-methods.md", "tests/integration/mistakes/expected.txt"]


class Pages(Case):
    def test_pages_name_every_touched_file(self) -> None:
        touched = [str(one) for one in follow()]
        generated = [path for path in GENERATED if f"`{path}`" in (ROOT / PAGES[0]).read_text()]

        self.assertEqual(touched, TOUCHED)
        self.assertEqual(generated, GENERATED)
        print(f"{len(touched) + len(generated)} files touched:", *touched,
              *(f"{path} (generated)" for path in generated), sep="\n  ")

    def test_touched_files_follow_the_rules_of_the_project(self) -> None:
        touched = Tree({one.path: one.text for one in follow()})
        before = Tree.of_project()
        project = Tree(before.texts | touched.texts, before.modes)

        for name, check in CHECKS.items():
            self.assertEqual(check(project if name in ACROSS_FILES else touched), [], name)

    def test_change_that_no_longer_fits_is_reported_with_the_line_of_the_page(self) -> None:
        verbs = "agent/cli/verbs/all_verbs.cc"
        for path in [*PAGES, *(one.path for one in follow() if not one.is_new)]:
            (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, self.directory / path)
        self.assertEqual(len(follow(self.directory)), len(TOUCHED))
        text = (self.directory / verbs).read_text()
        (self.directory / verbs).write_text(text.replace("V(Join)", "V(Enrol)"))

        expected = rf"^docs/adding-a-verb\.md:\d+: {verbs} must have these lines(.*\n)*.*Join"
        with self.assertRaisesRegex(PageError, expected):
            follow(self.directory)


class ExtendedAgent(Case):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.directory / "counter"
        self.file.write_text("4711\n")
        self.configure({"kind": "counter", "name": "visits", "file": str(self.file)})

    def configure(self, source: dict) -> None:
        self.config = write_config(self.directory, [source])

    def agent(self, *arguments: str, expect: int = 0) -> str:
        """What the agent prints; with `expect`, its error."""
        done = run([str(PROGRAMS / "extended_agent"), *arguments, "--config", str(self.config)], expect=expect)
        return done.stderr if expect else done.stdout

    def position_of(self, text: str) -> str:
        """The place in agent.yaml where `text` begins, as messages name it."""
        before = self.config.read_text().partition(text)[0]
        return f"{self.config}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


class Verb(ExtendedAgent):
    def test_verb_prints_text_and_json(self) -> None:
        self.assertEqual(self.agent("greet", "anna"), "hello, anna\n")
        document = json.loads(self.agent("greet", "anna", "--json"))
        self.assertEqual((document["verb"], document["exit_code"], document["person"]), ("greet", 0, "anna"))

    def test_help_shows_the_verb(self) -> None:
        self.assertRegex(self.agent("--help"), r"(?m)^ +greet +greet a person$")
        for text in ("the person to greet", "Examples:\n  holdfast-agent greet anna\n", "Exit codes: 0 done"):
            self.assertIn(text, self.agent("greet", "--help"))

    def test_mistakes_are_explained(self) -> None:
        self.assertIn('unknown command "gret"; did you mean "greet"?', self.agent("gret", "anna", expect=2))
        self.assertIn("PERSON is missing", self.agent("greet", expect=2))


class Kind(ExtendedAgent):
    def test_snapshot_has_the_number_and_its_position(self) -> None:
        self.agent("init")
        self.agent("config", "check")
        source = json.loads(self.agent("source", "list", "--json"))["sources"][0]
        self.assertEqual((source["healthy"], source["health"]), (True, "the number is 4711"))
        self.agent("backup")
        self.assertRegex(self.agent("list"), r"\bcounter/visits\b")

        self.file.write_text("4712\n")
        self.agent("restore", "latest:counter/visits", "--to", str(self.directory / "out"))

        self.assertEqual((self.directory / "out" / "data" / "counter").read_text(), "4711\n")
        manifest = json.loads((self.directory / "out" / "manifest.json").read_text())
        self.assertEqual((manifest["kind"], manifest["position"]), ("counter", {"number": "4711"}))
        refused = self.agent("restore", "latest:counter/visits", "--in-place", expect=1)
        self.assertIn("its program would replace the file with its next number", refused)

    def test_damaged_file_fails_the_backup(self) -> None:
        self.agent("init")
        self.file.write_text("many\n")

        self.assertIn(f'"{self.file}" does not contain a whole number', self.agent("backup", expect=1))

    def test_wrong_option_is_reported_with_its_location(self) -> None:
        self.configure({"kind": "counter", "name": "visits", "fil": str(self.file)})
        message = self.agent("config", "check", expect=2)
        self.assertIn(self.position_of('"fil"') + ': unknown key "fil"', message)
        self.assertIn('did you mean "file"?', message)

    def test_source_contract(self) -> None:
        self.assertIn("All tests passed", run([str(PROGRAMS / "extended_contract")], cwd=self.directory).stdout)


class Generated(ExtendedAgent):
    def test_page_of_restore_methods_lists_the_kind(self) -> None:
        page = self.directory / "page.md"
        run([str(PROGRAMS / "extended_kind_table"), "page", str(page)])

        without = re.sub(r"^## counter\n.*?(?=^## )", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        self.assertNotEqual(without, page.read_text())
        self.assertEqual(without, (ROOT / GENERATED[0]).read_text())

    def test_transcript_of_mistakes_differs_only_by_the_kind(self) -> None:
        self.configure({"kind": "count", "name": "visits"})
        printed = " ".join(self.agent("config", "check", expect=2).split())
        (listed,) = re.findall(r'unknown kind "count"; expected one of ((?:"\w+",? )+)', printed)

        transcript = " ".join((ROOT / GENERATED[1]).read_text().split())
        self.assertIn("expected one of " + listed.replace('"counter", ', ""), transcript)
        self.assertIn('"counter"', listed)


if __name__ == "__main__":
    main()
