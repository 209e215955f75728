"""Answers to a new user's mistakes: exit codes, the object, what to do next, 80 columns."""

import difflib
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mistakes import EXPECTED, make_mistakes  # noqa: E402
from transcript import Mistake, comparable, enter_namespaces, namespaces_are_possible  # noqa: E402

from lib import main  # noqa: E402
from lib.places import SKIPPED  # noqa: E402

_PROGRAM = re.compile(r"holdfast(-agent|-controller)?: ")
_BAD = {
    "a doubled prefix": r"\berror: error:|hint: hint:|holdfast: holdfast:",
    "a raw errno": r"\berrno\b|\[Errno|error [0-9]+\b",
    "a time with nanoseconds": r"[0-9]{2}:[0-9]{2}\.[0-9]+Z?",
    "a wrong plural": r"(?<![.,0-9])\b1 (items|files|snapshots|bytes|sources|runs|locks|packs|directories|operators)\b",
    "a piece of a control sequence": r"\x1b|\r",
}


def messages(one: Mistake) -> list[str]:
    """Each message of the program as one unwrapped line, with hints separate."""
    found: list[str] = []
    for line in one.lines:
        if found and line.startswith("  "):
            found[-1] += " " + line.strip()
        else:
            found.append(line)
    return found


def first_message(one: Mistake) -> str:
    """The first error, or all output if the program reports without failing."""
    errors = [line for line in messages(one) if _PROGRAM.match(line)]
    return errors[0] if errors else "\n".join(messages(one))


class Mistakes(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        cls.transcript = make_mistakes()

    def of_each(self, check) -> None:
        for one in self.transcript.made:
            with self.subTest(f"{one.number}. {one.title}"):
                check(one)

    def test_there_are_at_least_40(self) -> None:
        self.assertGreaterEqual(len(self.transcript.made), 40)

    def test_exit_codes_are_the_documented_ones(self) -> None:
        self.of_each(lambda one: self.assertEqual(one.code, one.expected_code, one.text))

    def test_no_line_is_wider_than_80_columns(self) -> None:
        self.of_each(lambda one: self.assertEqual([line for line in one.lines if len(line) > 80], []))

    def test_the_first_line_names_the_object(self) -> None:
        self.of_each(lambda one: self.assertIn(one.object, first_message(one), one.text))

    def test_the_output_says_what_to_do(self) -> None:
        self.of_each(lambda one: self.assertIn(one.advice, "\n".join(messages(one)), one.text))

    def test_messages_have_no_repetition_and_no_raw_details(self) -> None:
        def check(one: Mistake) -> None:
            for what, pattern in _BAD.items():
                self.assertNotRegex("\n".join(one.lines), pattern, what)
            error = first_message(one)
            if not _PROGRAM.match(error):
                return
            parts = error.split(": ")
            self.assertEqual(len(parts), len(set(parts)), error)
            # An object is named only once; "did you mean" suggests a different one.
            quoted = re.findall(r'"[^"]+"', error)
            self.assertEqual(len(quoted), len(set(quoted)), error)

        self.of_each(check)

    def test_nothing_is_left_half_done(self) -> None:
        self.of_each(lambda one: self.assertEqual(one.left, [], one.text))

    def test_the_transcript_is_the_committed_one(self) -> None:
        expected, found = comparable(EXPECTED.read_text()), comparable(self.transcript.text)
        difference = "\n".join(difflib.unified_diff(expected, found, "expected.txt", "found", lineterm="", n=2))
        self.assertEqual(difference, "", "scripts/mistakes --update writes it again")


if not namespaces_are_possible():
    print("skipped: needs root, and leave to make namespaces")
    sys.exit(SKIPPED)
enter_namespaces()
main("etcd", "haproxy")
