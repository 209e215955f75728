"""Messages that the documentation quotes in tables of errors exist in the programs.

A table counts if the heading of its first column is `message`. Each text in backticks in that column is compared with
the string literals of the programs, piece by piece: "..." and names in capital letters stand for what a program fills
in, as `{}` does in a literal.
"""

import re

import wording
from tree import Tree

# Written by the C library, OpenSSL or a service, and passed on by the programs.
_FOREIGN = {"too many open files", "input/output error", "alert certificate required", "auth: permission denied"}
_FILLED_IN = re.compile(r"\.\.\.|…|\b[A-Z]+\b|\d+")


def program_texts(tree: Tree) -> str:
    found = []
    for name in tree.sources():
        if name.startswith(wording.PROGRAMS):
            found += [" ".join(text.split()) for _, text in wording.strings(tree.texts[name])]
    return "\n".join(found)


def quoted(text: str) -> list[tuple[int, str]]:
    """(line, message) of a page's tables of messages."""
    found, in_table, before = [], False, ""
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.lstrip().split(" | ")
        before, above = line.lstrip(), before
        if not before.startswith("|"):
            in_table = False
        elif before.startswith("|--"):
            in_table = above.split(" | ")[0].strip("| ") == "message"
        elif in_table:
            found += [(number, message) for message in re.findall(r"`([^`]+)`", cells[0])]
    return found


def check(tree: Tree) -> list[str]:
    findings = []
    texts = program_texts(tree)
    for name, text in tree.texts.items():
        if not name.endswith(".md"):
            continue
        for number, message in quoted(text):
            pieces = [piece.strip(" :;,") for piece in _FILLED_IN.split(message)]
            missing = [piece for piece in pieces if piece and piece not in texts and piece not in _FOREIGN]
            if missing:
                findings.append(f'{name}:{number}: no program says "{missing[0]}"; quote the message as it is now')
    return findings
