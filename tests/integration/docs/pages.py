"""Reads commands and their output from a Markdown page, and compares this output with what a program printed."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

# Values that differ from run to run. The longest come first, because a part of a time looks like a number.
_VARIABLE = [
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    r"\b[0-9A-HJKMNP-TV-Z]{26}\b",
    r"\b(?=[0-9a-f]*\d)[0-9a-f]{64}\b",
    r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{8}\b|\b[a-f]{8}\b",
    r"\b\d+(?:\.\d+)? ?(?:B|KiB|MiB|GiB|ns|us|µs|ms|s|m)\b",
    r"\b\d+\b",
]
_ANY = re.compile("|".join(_VARIABLE))


@dataclass
class Step:
    """A command on a page, the machine that its prompt names, and its output; a line `...` matches any output."""

    machine: str
    command: str
    output: list[str] = field(default_factory=list)


def section(page: Path, title: str) -> str:
    """The text below the heading `title`, up to the next heading of its level."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)[1]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def steps(text: str) -> list[Step]:
    """The commands of all console blocks. A line that begins with `$ `, `machine$ ` or, for root, `machine# ` is a
    command."""
    found: list[Step] = []
    for block in blocks(text, "console"):
        for line in block.splitlines():
            if command := re.fullmatch(r"([a-z0-9-]*(?=\$)|[a-z0-9-]+(?=#))[$#] (.*)", line):
                found.append(Step(command[1], command[2]))
            else:
                found[-1].output.append(line)
    return found


def same_form(line: str) -> str:
    """The line with ids, times, sizes and numbers replaced, runs of spaces as one, and plurals as singulars."""
    return re.sub(r"\s+", " ", re.sub(r"# (item|path)s\b", r"# \1", _ANY.sub("#", line))).strip()


def difference(shown: list[str], printed: list[str]) -> str:
    """Empty if `printed` has the form of `shown`."""
    wanted, got = [same_form(line) for line in shown], [same_form(line) for line in printed]
    pattern = "".join((r"(?:.*\n)*" if line == "..." else re.escape(line) + "\n") for line in wanted)
    if re.fullmatch(pattern, "".join(line + "\n" for line in got)):
        return ""
    return "the page shows:\n" + "\n".join(shown) + "\nthe program prints:\n" + "\n".join(printed)


@dataclass
class CommandLine:
    page: str
    line: int
    words: list[str]  # of a program of Holdfast or a script in scripts/exit, without redirections, pipes and comments
    is_in_text: bool  # where arguments may be left out


def command_lines(page: Path) -> list[CommandLine]:
    """Every command line of Holdfast's programs and exit scripts that a page shows, in blocks and in the text."""
    found: list[CommandLine] = []
    fenced, before = "", ""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        text = line.strip()
        if text.startswith("```"):
            fenced = "" if fenced else text.removeprefix("```") or "plain"
            continue
        if fenced == "yaml":
            continue
        texts = re.findall(r"`([^`]+)`", text)
        if fenced:
            text = before + text
            before = text.removesuffix("\\") if text.endswith("\\") else ""
            texts = [] if before else [re.sub(r"^[a-z0-9-]*[$#] ", "", text)]
        for shown in texts:
            if re.match(r"(holdfast(-agent|-controller)?|scripts/exit/\w+) ", shown) and "..." not in shown.split("#")[0]:
                command = re.split(r" (?:[|>&;]|2>)", shown)[0]
                found.append(CommandLine(page.name, number, shlex.split(command, comments=True), not fenced))
    return found
