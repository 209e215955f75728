"""Plain English where maintainers read: marker words in the comments and names of code.

Read are the comments of C++, Protobuf, CMake and Python, Python's docstrings, and the names of tests. The markers are
those of wording.py. In identifiers, words count that are no term of the field, such as `told`.

    tests/lint/code_wording.py [ROOM...]   prints each finding, and the number of lines per room
"""

import collections
import io
import re
import sys
import tokenize

from tree import _TOKENS, Tree, code_only
from wording import _ANY, instead, markers_of_paragraph

# Words that have no place in an identifier, besides the markers, and what to write instead.
NAME_WORDS = {
    "door": "listener",
    "heard": "received",
    "spoilt": "modified, or damaged",
    "story": "scenario",
    "wish": "parameters",
}
# Accessors of fields of the protocol, and the Unix user.
_NAMES_OF_OTHERS = {"heard_ms", "set_heard_ms", "AsNobody", "kNobody"}
# The rules themselves quote what they forbid.
_ABOUT_RULES = ("tests/lint/code_wording.py", "tests/lint/wording.py", "tests/lint/lint_test.py")


def room_of(name: str) -> str:
    """The folder by which findings are counted. The large ones are counted by their folders."""
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
        found += markers_of_paragraph(paragraph)
    if name.endswith((".h", ".cc")):
        code = code_only(text)
        for match in re.finditer(r"\b[A-Za-z_]\w*", code):
            if match[0].isupper() or match[0] in _NAMES_OF_OTHERS:
                continue  # such as CURLOPT_NOBODY
            for word in re.findall(r"[A-Z]?[a-z]+", match[0]):
                marker = _ANY.fullmatch(word) if word.lower() != "such" else None  # "no such file" is POSIX's
                if better := instead(marker) if marker else NAME_WORDS.get(word.lower()):
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


def check(tree: Tree) -> list[str]:
    return [finding for _, findings in sorted(read(tree).items()) for finding in findings]


def main(arguments: list[str]) -> int:
    found = read(Tree.of_project())
    rooms = arguments or sorted(found)
    for finding in (finding for room in arguments for finding in found.get(room, [])):
        print(finding)
    for room in rooms:
        print(f"{count(found.get(room, [])):5} {room}")
    print(f"{sum(count(found.get(room, [])) for room in rooms):5} lines in all")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
