"""The project's text files, and C++ without its comments and strings."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The kinds of tokens; the first alternative that matches at a position wins.
_TOKENS = re.compile(
    r'(?P<raw>(?:u8|[uUL])?R"(?P<mark>[^()\\\s]*)\(.*?\)(?P=mark)")'
    r"|(?P<line>//(?:\\\n|[^\n])*)"
    r"|(?P<block>/\*.*?\*/)"
    r'|(?P<text>"(?:\\.|[^"\\\n])*")'
    r"|(?P<number>\b[0-9](?:[0-9a-zA-Z_.]|'(?=[0-9a-fA-F]))*)"
    r"|(?P<letter>'(?:\\.|[^'\\\n])+')",
    re.DOTALL,
)


class Tree:
    """The project's text files by path: those that git tracks, and new ones that it does not ignore."""

    def __init__(self, texts: dict[str, str], modes: dict[str, int] | None = None):
        self.texts = dict(sorted(texts.items()))
        self.modes = modes or {}

    @classmethod
    def of_project(cls) -> "Tree":
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            stdout=subprocess.PIPE,
            check=False,
        )
        if listed.returncode == 0:
            paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
        else:  # an unpacked source archive
            paths = [path for path in ROOT.rglob("*") if path.relative_to(ROOT).parts[0] != "build"]
        texts, modes = {}, {}
        for path in paths:
            if not path.is_file() or path.is_symlink():
                continue
            name = str(path.relative_to(ROOT))
            try:
                texts[name] = path.read_text()
            except UnicodeDecodeError:
                continue  # frozen repositories and other binary fixtures
            modes[name] = path.stat().st_mode
        return cls(texts, modes)

    def sources(self) -> list[str]:
        return [name for name in self.texts if name.endswith((".h", ".cc"))]


def room_of(name: str) -> str:
    """The first two folders: agent/sources/etcd/backup.cc is in the room agent/sources. All of proto/ is one room.
    Some rooms have layers of folders inside (layers.INNER_LAYERS)."""
    if name.startswith("proto/"):
        return "proto"
    return "/".join(name.split("/")[:2])


def folder_in_room(name: str) -> str:
    """The third folder: agent/sources/etcd/backup.cc is in "etcd". Empty for a file directly in its room."""
    folders = name.split("/")[:-1]
    return folders[2] if len(folders) > 2 else ""


def source_of(header: str) -> str:
    """The file that a header is generated from: the .proto of a .pb.h; otherwise the header itself."""
    return header.removesuffix(".pb.h") + ".proto" if header.endswith(".pb.h") else header


def includes(text: str) -> list[tuple[int, str, str]]:
    """(line, opening quote, header) of each #include."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            found.append((number, match[1], match[2]))
    return found


def code_only(text: str) -> str:
    """The text with comments, strings and characters blanked out, lines kept."""

    def blank(match: re.Match) -> str:
        if match.lastgroup == "number" or match["number"]:
            return match[0]
        return re.sub(r"[^\n]", " ", match[0])

    return _TOKENS.sub(blank, text)


def rooms_in_cmake(tree: Tree) -> dict[str, tuple[str, int, list[str], list[str]]]:
    """Of each holdfast_room(): folder -> (target name, line, LINKS, SOURCES)."""
    found = {}
    for name, text in tree.texts.items():
        if not name.endswith("CMakeLists.txt"):
            continue
        bare = re.sub(r"#[^\n]*", "", text)
        for match in re.finditer(r"holdfast_room\(([^)]*)\)", bare):
            target, *words = match[1].split()
            lists: dict[str, list[str]] = {"SOURCES": [], "LINKS": [], "PRIVATE_LINKS": []}
            current = None
            for word in words:
                if word in lists:
                    current = word
                elif current:
                    lists[current].append(word)
            line = bare.count("\n", 0, match.start()) + 1
            folder = name.removesuffix("/CMakeLists.txt")
            found[folder] = (target, line, lists["LINKS"], lists["SOURCES"])
    if "proto/CMakeLists.txt" in tree.texts:
        found["proto"] = ("proto", 1, [], [])
    return found
