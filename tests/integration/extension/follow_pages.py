"""Adds the example kind of docs/adding-a-source.md and the example verb of docs/adding-a-verb.md as a reader would.

Each code block of the two pages is a file, and the last path in the paragraph before the block is its name. A block of
the language `diff` changes an existing file, at the only place that has its lines; a line `@@` separates two places.
Every other block is a new file.

  follow_pages.py DIRECTORY    writes the touched files below DIRECTORY, and prints the files that it has read
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("docs/adding-a-source.md", "docs/adding-a-verb.md")

_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"`(\w[\w-]*(?:/[\w.-]+)+)`")


class PageError(Exception):
    """A page cannot be followed."""


@dataclass
class Touched:
    path: str  # below the project's root
    text: str
    is_new: bool
    added: int = 0  # lines
    removed: int = 0

    def __str__(self) -> str:
        lines = f"+{self.added} -{self.removed}" if self.removed else f"+{self.added}"
        return f"{self.path} ({'new' if self.is_new else lines})"


def follow(root: Path = ROOT) -> list[Touched]:
    """The files that the pages touch, in the order of the pages."""
    touched: dict[str, Touched] = {}
    for page in PAGES:
        text = (root / page).read_text()
        for block in _BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            try:
                one = _touch_file(root, text[: block.start()], block)
                if one.path in touched:
                    raise PageError(f"{one.path} is shown twice")
            except PageError as error:
                raise PageError(f"{page}:{line}: {error}") from None
            touched[one.path] = one
    return list(touched.values())


def _touch_file(root: Path, before: str, block: re.Match) -> Touched:
    paths = _PATH.findall(before.rstrip("\n").rpartition("\n\n")[2])
    if not paths:
        raise PageError("the paragraph before the block names no file")
    file = root / paths[-1]
    text = re.sub(f"^{block['indent']}", "", block["text"], flags=re.MULTILINE)
    if block["language"] != "diff":
        if file.exists():
            raise PageError(f"{paths[-1]} exists; show the change as a diff")
        return Touched(paths[-1], text, True)
    if not file.is_file():
        raise PageError(f"{paths[-1]} does not exist")
    return _apply_diff(paths[-1], file.read_text(), text)


def _apply_diff(path: str, text: str, diff: str) -> Touched:
    touched = Touched(path, text, False)
    for place in re.split(r"^@@\n", diff, flags=re.MULTILINE):
        lines = place.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if not line.startswith("+"))
        new = "".join(line[1:] for line in lines if not line.startswith("-"))
        if f"\n{touched.text}".count(f"\n{old}") != 1:
            raise PageError(f"{path} must have these lines exactly once; update the page:\n{old}")
        touched.text = f"\n{touched.text}".replace(f"\n{old}", f"\n{new}")[1:]
        touched.added += sum(line.startswith("+") for line in lines)
        touched.removed += sum(line.startswith("-") for line in lines)
    return touched


def write(touched: list[Touched], directory: Path) -> None:
    """Writes only files whose content changed, so that the others are not recompiled. Removes files that the pages no longer touch."""
    wanted = {directory / one.path: one.text for one in touched}
    for path in directory.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def main() -> None:
    try:
        touched = follow()
    except PageError as error:
        sys.exit(str(error))
    write(touched, Path(sys.argv[1]))
    read = [Path(__file__).resolve(), *(ROOT / page for page in PAGES)]
    print("\n".join(map(str, read + [ROOT / one.path for one in touched if not one.is_new])))


if __name__ == "__main__":
    main()
