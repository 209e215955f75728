"""Plain English where users read: marker words of a translation, and lines of Markdown that are too long.

Checked are all Markdown files, changelog/, the comments and descriptions of units and
configuration in packaging/, the comments (their help) and messages of scripts/, what the demo prints, and the string
literals of the programs.

- Code does not count: fenced blocks and `inline code` show what programs print.
- A line of Markdown has at most 100 columns. Excepted are rows of tables, fenced blocks, and a line without a
  space to break at, such as a long link.
"""

import bisect
import re

from tree import _TOKENS, Tree

COLUMNS = 100

_FOLDERS = ("changelog/", "packaging/", "scripts/")
_SCRIPT_LINE = re.compile(r"""\s*#|.*\b(?:fail|warn|echo|printf|phase|exit|\w*Error|append)[ (]f?['"]""")
PROGRAMS = ("agent/", "controller/", "common/")

# What a reader of English stumbles over, and what to write instead.
MARKERS = [
    (r"\banew\b", "again, or a plain verb: recreate, restart"),
    (r"\blies\b", '"is", or "is stored"'),
    (r"\bbehind\b(?! (?:an?|the) (?:\w+ )?(?:proxy|ingress|firewall|balancer|NAT)\b)", '"after", or a number: "lags by"'),
    (r"\b(?:is|are|was|were) none\b", "say what is wrong: malformed, invalid, missing"),
    (r"\bby and by\b", "later, gradually"),
    (r"\bmeanwhile\b", "leave it out, or name the time"),
    (
        r"(?:(?<=[.;:(] )|(?<=^)|(?<=\band )|(?<=\bor )|(?<=\bof )|(?<=\bto )|(?<=\bfor )|(?<=\bby )|(?<=\bfrom )"
        r"|(?<=\bwith )|(?<=\bbut )|(?<=\bthan )|(?<=\bnot )|(?<=\bas ))[Ww]ho\b",
        "name the person or program",
    ),
    (r"\bwhom\b", "name the person or program"),
    (r"(?<!user )(?<!user `)\bnobody\b", '"no one", or name who does not'),
    (r"\bneither(?=[.,;:)]|$)", '"nor does ...", "also not"'),
    (r"\bshall\b", '"must", or present tense'),
    (r"\b[Ss]uch(?=[.,;:)]|$| (?:is|are|was|were|has|have|goes?|that)\b)", "name the noun"),
    (r"\bwhat is to be\b", "name it"),
    (r"\bof (?:its|his|her|their|one's|our|your) own\b", '"its own X"'),
    (r"\bways? out\b", '"exit", "recovery without Holdfast"'),
    (r"\b(?:go|goes|going|went|gone) back by (?:itself|themselves)\b", '"rolls back"'),
    (r"\bto (?:its|their) end\b", '"until it ends"'),
    (r"\btaken for\b", '"treated as", "mistaken for"'),
    (r"\btold\b", "name who says what to whom"),
    (r"\bmended\b", '"repaired"'),
    (r"\b(?:is|are|was|were) (?:not |already )?there(?=[.,;:)]|$| (?:already|and|or|in|at|as|when|where)\b)", '"exists"'),
    (r"\blacks\b", '"has no", "is missing"'),
]
_ANY = re.compile("|".join(f"(?P<m{number}>{pattern})" for number, (pattern, _) in enumerate(MARKERS)), re.I)


def instead(match: re.Match) -> str:
    number = next(key for key, value in match.groupdict().items() if value is not None)
    return MARKERS[int(number[1:])][1]


def user_files(tree: Tree) -> list[str]:
    """The files of text that users read."""
    return [name for name in tree.texts if name.endswith(".md") or name.startswith(_FOLDERS)]


def prose(name: str, text: str) -> list[tuple[int, str]]:
    """(line, text) of what is read as English; code is blanked, so that lines keep their numbers."""
    found, fenced = [], False
    markdown = name.endswith(".md") or name.startswith("changelog/")
    if name.endswith(".py"):
        return [(number, " ".join(re.findall(r'"([^"]*)"', line))) for number, line in enumerate(text.splitlines(), 1)]
    for number, line in enumerate(text.splitlines(), 1):
        if markdown:
            if line.lstrip().startswith("```"):
                fenced = not fenced
                line = ""
            elif fenced:
                line = ""
            line = re.sub(r"`[^`]*`", "`x`", line)
        elif name.startswith("scripts/"):
            line = line if _SCRIPT_LINE.match(line) else ""
        elif not line.lstrip().startswith("#") and not re.match(r"Description=|u |<", line):
            line = ""
        found.append((number, line.lstrip("# ").strip()))
    return found


def markers_of_paragraph(paragraph: list[tuple[int, str]]) -> list[tuple[int, str, str]]:
    """The markers of numbered lines that are read as one text; `inline code` does not count."""
    starts, joined = [], ""
    for _, line in paragraph:
        starts.append(len(joined))
        joined += line + " "
    joined = re.sub(r"`[^`]*`", lambda match: "x" * len(match[0]), joined.rstrip())
    return [
        (paragraph[bisect.bisect_right(starts, match.start()) - 1][0], match[0], instead(match))
        for match in _ANY.finditer(joined)
    ]


def markers_of_text(name: str, text: str) -> list[tuple[int, str, str]]:
    """(line, marker, what to write instead). Lines of a paragraph are read as one, as a reader does."""
    found = []
    paragraph: list[tuple[int, str]] = []

    def flush() -> None:
        found.extend(markers_of_paragraph(paragraph))
        paragraph.clear()

    for number, line in prose(name, text):
        if not line or re.match(r"[-*|>]|\d+\. ", line):
            flush()
        if line:
            paragraph.append((number, line))
    flush()
    return found


def long_lines(name: str, text: str) -> list[int]:
    found, fenced = [], False
    if not name.endswith(".md"):
        return found
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        breakable = " " in re.sub(r"^\s*(?:[-*>]|\d+\.)?\s*", "", line)
        if len(line) > COLUMNS and not fenced and not line.lstrip().startswith("|") and breakable:
            found.append(number)
    return found


def strings(text: str) -> list[tuple[int, str]]:
    """(offset, text) of each string in C++ code. Adjacent literals are one string; escapes are decoded."""
    found: list[tuple[int, str]] = []
    end = -1
    for match in _TOKENS.finditer(text):
        if match["text"]:
            part = re.sub(r"\\n", " ", match[0][1:-1])
            part = re.sub(r'\\(["\\])', r"\1", part)
        elif match["raw"]:
            part = match[0].split("(", 1)[1].rsplit(")", 1)[0]
        else:
            continue
        if found and end >= 0 and not text[end : match.start()].strip():
            found[-1] = (found[-1][0], found[-1][1] + part)
        else:
            found.append((match.start(), part))
        end = match.end()
    return found


def markers_of_strings(text: str) -> list[tuple[int, str, str]]:
    """Of C++, the markers in its strings; the line is that of the string's beginning."""
    found = []
    for offset, string in strings(text):
        for marker in _ANY.finditer(string):
            found.append((text.count("\n", 0, offset) + 1, marker[0], instead(marker)))
    return found


def check(tree: Tree) -> list[str]:
    findings = []
    for name in user_files(tree):
        text = tree.texts[name]
        findings += [f'{name}:{number}: "{word}": {better}' for number, word, better in markers_of_text(name, text)]
        findings += [f"{name}:{number}: more than {COLUMNS} columns" for number in long_lines(name, text)]
    for name in tree.sources():
        if name.startswith(PROGRAMS):
            markers = markers_of_strings(tree.texts[name])
            findings += [f'{name}:{number}: "{word}": {better}' for number, word, better in markers]
    return findings
