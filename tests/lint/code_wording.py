"""Plain English where maintainers read: marker words in the comments and names of code, counted per room.

Read are the comments of C++, Protobuf, CMake and Python, Python's docstrings, and the names of tests. The markers are
those of wording.py. In identifiers, words count that are no term of the field, such as `told`.

    tests/lint/code_wording.py [ROOM...]   prints each finding, and the count per room

A room may have at most as many lines with a marker as ALLOWED says. This table only shrinks.
"""

import bisect
import collections
import io
import re
import sys
import tokenize

from tree import _TOKENS, Tree, code_only
from wording import _ANY, instead

ALLOWED: dict[str, int] = {
    "agent/cli": 4,
    "agent/core": 23,
    "agent/daemon": 18,
    "agent/jobs": 72,
    "agent/journal": 4,
    "agent/settings": 7,
    "agent/sources": 13,
    "agent/sources/alertmanager": 12,
    "agent/sources/etcd": 12,
    "agent/sources/files": 11,
    "agent/sources/haproxy": 56,
    "agent/sources/host": 10,
    "agent/sources/kafka": 165,
    "agent/sources/prometheus": 28,
    "agent/sources/zookeeper": 105,
    "common/audit": 6,
    "common/base": 5,
    "common/bus": 135,
    "common/cli": 2,
    "common/config": 8,
    "common/crypto": 11,
    "common/database": 17,
    "common/filetree": 52,
    "common/io": 29,
    "common/kafka": 43,
    "common/repository": 232,
    "common/service": 4,
    "common/storage": 50,
    "common/stream": 12,
    "common/trust": 19,
    "controller/catalog": 29,
    "controller/cli": 29,
    "controller/core": 140,
    "controller/daemon": 40,
    "proto": 1,
    "proto/holdfast": 12,
    "tests/bench": 18,
    "tests/contract": 5,
    "tests/fault": 39,
    "tests/format": 15,
    "tests/fuzz": 18,
    "tests/integration/alertmanager": 3,
    "tests/integration/cli": 11,
    "tests/integration/cluster": 9,
    "tests/integration/etcd": 2,
    "tests/integration/faults": 6,
    "tests/integration/files": 4,
    "tests/integration/haproxy": 5,
    "tests/integration/kafka": 68,
    "tests/integration/lib": 30,
    "tests/integration/packaging": 2,
    "tests/integration/prometheus": 7,
    "tests/integration/s3": 1,
    "tests/integration/zookeeper": 19,
    "tests/lint": 3,
    "tests/sim": 15,
    "tests/stolen": 4,
    "tests/support": 49,
    "tests/unit/agent_core": 8,
    "tests/unit/agent_daemon": 5,
    "tests/unit/audit": 1,
    "tests/unit/base": 11,
    "tests/unit/bus": 19,
    "tests/unit/catalog": 22,
    "tests/unit/cli": 3,
    "tests/unit/config": 1,
    "tests/unit/controller_cli": 22,
    "tests/unit/controller_core": 22,
    "tests/unit/controller_daemon": 15,
    "tests/unit/crypto": 7,
    "tests/unit/database": 11,
    "tests/unit/filetree": 6,
    "tests/unit/io": 12,
    "tests/unit/jobs": 34,
    "tests/unit/journal": 3,
    "tests/unit/kafka": 39,
    "tests/unit/repository": 72,
    "tests/unit/service": 6,
    "tests/unit/settings": 2,
    "tests/unit/sources": 146,
    "tests/unit/storage": 24,
    "tests/unit/stream": 1,
    "tests/unit/trust": 7,
}

# Words that have no place in an identifier, and what to write instead.
NAME_WORDS = {
    "anew": "again",
    "behind": "after, or lag",
    "door": "listener",
    "heard": "received",
    "lacks": "missing",
    "lies": "is",
    "meanwhile": "during",
    "mended": "repaired",
    "nobody": "no one",
    "shall": "must",
    "spoilt": "modified, or damaged",
    "story": "scenario",
    "told": "output, or reported",
    "who": "the person or program",
    "whom": "the person or program",
    "wish": "parameters",
}
# The rules themselves quote what they forbid.
_ABOUT_RULES = ("tests/lint/code_wording.py", "tests/lint/wording.py", "tests/lint/lint_test.py")


def room_of(name: str) -> str:
    """The folder that has a line in ALLOWED. The large ones have one line for each of their folders."""
    parts = name.split("/")[:-1]
    depth = 3 if name.startswith(("agent/sources/", "tests/unit/", "tests/integration/")) else 2
    return "/".join(parts[:depth])


def _cpp_comments(text: str) -> list[tuple[int, str]]:
    found = []
    for match in _TOKENS.finditer(text):
        if match["line"] or match["block"]:
            first = text.count("\n", 0, match.start()) + 1
            for offset, line in enumerate(match[0].split("\n")):
                found.append((first + offset, line.strip("/* \t")))
    return found


def _python_comments(text: str) -> list[tuple[int, str]]:
    found = []
    line_begins = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            found.append((token.start[0], token.string.strip("# ")))
        elif token.type == tokenize.STRING and line_begins:
            for offset, line in enumerate(token.string.split("\n")):
                found.append((token.start[0] + offset, line.strip('r"\' \t')))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            line_begins = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    return found


def comments(name: str, text: str) -> list[tuple[int, str]]:
    """(line, text) of each line of a comment."""
    if name.endswith((".h", ".cc")):
        return _cpp_comments(text)
    if name.endswith(".py"):
        return _python_comments(text)
    mark = "//" if name.endswith(".proto") else "#"
    return [
        (number, line.split(mark, 1)[1].strip("/# "))
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(rf"(^|\s){mark}", line)
    ]


def test_names(name: str, text: str) -> list[tuple[int, str]]:
    found = []
    if name.endswith(".cc"):
        for match in re.finditer(r'\b(?:TEST_CASE|SECTION)\(\s*"((?:[^"\\]|\\.)*)"', text):
            found.append((text.count("\n", 0, match.start()) + 1, match[1]))
    elif name.endswith(".py"):
        for match in re.finditer(r"^\s*def test_(\w+)", text, re.MULTILINE):
            found.append((text.count("\n", 0, match.end()) + 1, match[1].replace("_", " ")))
    return found


def _paragraphs(lines: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Comments on successive lines are read as one text."""
    found: list[list[tuple[int, str]]] = []
    for number, line in lines:
        if found and found[-1][-1][0] == number - 1:
            found[-1].append((number, line))
        else:
            found.append([(number, line)])
    return found


def findings_of(name: str, text: str) -> list[tuple[int, str, str]]:
    """(line, word, what to write instead)."""
    found = []
    for paragraph in _paragraphs(comments(name, text)) + [[one] for one in test_names(name, text)]:
        starts, joined = [], ""
        for _, line in paragraph:
            starts.append(len(joined))
            joined += line + " "
        joined = re.sub(r"`[^`]*`", lambda match: "x" * len(match[0]), joined.rstrip())
        for match in _ANY.finditer(joined):
            found.append((paragraph[bisect.bisect_right(starts, match.start()) - 1][0], match[0], instead(match)))
    if name.endswith((".h", ".cc")):
        code = code_only(text)
        for match in re.finditer(r"\b[A-Za-z_]\w*", code):
            if match[0].isupper():
                continue  # of a library, such as CURLOPT_NOBODY
            for word in re.findall(r"[A-Z]?[a-z]+", match[0]):
                if better := NAME_WORDS.get(word.lower()):
                    found.append((code.count("\n", 0, match.start()) + 1, match[0], better))
    return found


def read(tree: Tree) -> dict[str, list[str]]:
    """Room -> its findings."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    for name, text in tree.texts.items():
        if name.endswith((".h", ".cc", ".py", ".proto", ".cmake", "CMakeLists.txt")) and name not in _ABOUT_RULES:
            for number, word, better in findings_of(name, text):
                found[room_of(name)].append(f'{name}:{number}: "{word}": {better}')
    return found


def count(findings: list[str]) -> int:
    """The number of lines that have a finding."""
    return len({finding.split(": ", 1)[0] for finding in findings})


def check(tree: Tree, allowed: dict[str, int] = ALLOWED) -> list[str]:
    found = read(tree)
    findings = []
    for room in sorted(found.keys() | allowed.keys()):
        lines, limit = count(found.get(room, [])), allowed.get(room, 0)
        if lines > limit:
            findings += found[room]
        elif lines < limit:
            findings.append(f'tests/lint/code_wording.py:1: "{room}" has {lines} lines now; lower its {limit}')
    return findings


def main(arguments: list[str]) -> int:
    found = read(Tree.of_project())
    rooms = arguments or sorted(found)
    for finding in (finding for room in arguments for finding in found.get(room, [])):
        print(finding)
    for room in rooms:
        print(f'    "{room}": {count(found.get(room, []))},')
    print(f"{sum(count(found.get(room, [])) for room in rooms)} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
