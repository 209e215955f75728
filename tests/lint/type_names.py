"""Checks that a name denotes only one type in a program."""

import itertools
import re

from tree import Tree, code_only, room_of, rooms_in_cmake

_TOKENS = re.compile(
    r"\bnamespace\s+(?P<namespace>[\w:]*)\s*\{"
    r"|\bnamespace\s*(?P<anonymous>\{)"
    r"|\b(?:enum\s+class|enum|class|struct)\s+(?:\[\[\w+\]\]\s*)?(?P<type>\w+)\s*(?:final\s*)?"
    r"(?::[^:;{}()][^;{}()]*)?\{"
    r"|(?P<open>\{)|(?P<close>\})"
)


def definitions(text: str) -> list[tuple[str, str, int]]:
    """(namespace, name, line) of each type that is defined outside of types and functions. An anonymous namespace counts
    as its enclosing namespace."""
    code = code_only(text)
    found = []
    stack: list[str | None] = []  # enclosing namespaces; None: a block of another kind
    for match in _TOKENS.finditer(code):
        if match["close"]:
            if stack:
                stack.pop()
        elif match["type"]:
            if None not in stack:
                found.append(("::".join(filter(None, stack)), match["type"], code.count("\n", 0, match.start()) + 1))
            stack.append(None)
        else:
            stack.append("" if match["anonymous"] else match["namespace"])
    return found


def programs(tree: Tree) -> list[set[str]]:
    """The rooms of the agent and of the controller, with those that they link."""
    rooms_of = rooms_in_cmake(tree)
    folder_of = {target: folder for folder, (target, *_) in rooms_of.items()}
    links = {
        folder: [folder_of[target] for target in targets if target in folder_of]
        for folder, (_, _, targets, _) in rooms_of.items()
    }
    found = []
    for side in ("agent/", "controller/"):
        waiting = [room for room in links if room.startswith(side)]
        rooms: set[str] = set()
        while waiting:
            room = waiting.pop()
            if room not in rooms:
                rooms.add(room)
                waiting += links.get(room, [])
        found.append(rooms)
    return found


def is_private(name: str) -> bool:
    """Whether the file is in a folder of agent/sources. Types of such folders may share names with others."""
    return name.startswith("agent/sources/") and name.count("/") > 2


def encloses(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer + "::")


def is_confusing(first: tuple[str, str, int], second: tuple[str, str, int]) -> bool:
    """Whether both are public types of different headers, or one of them hides a type that a header declares."""
    headers = [place for place in (first, second) if place[0].endswith(".h")]
    if len(headers) == 2 and not is_private(first[0]) and not is_private(second[0]):
        return first[0] != second[0]
    return any(encloses(header[1], other[1]) for header in headers for other in (first, second) if other != header)


def check(tree: Tree) -> list[str]:
    """In each program, types in different headers have different names, except those in folders of agent/sources. No
    type hides a type that a header declares in the same or an enclosing namespace."""
    types: dict[str, list[tuple[str, str, int]]] = {}  # name -> (file, namespace, line)
    for name in tree.sources():
        if name.startswith(("agent/", "common/", "controller/")):
            for namespace, type_name, line in definitions(tree.texts[name]):
                types.setdefault(type_name, []).append((name, namespace, line))
    findings = set()
    for rooms in programs(tree):
        for type_name, places in types.items():
            places = [place for place in places if room_of(place[0]) in rooms]
            for first, second in itertools.combinations(places, 2):
                if is_confusing(first, second):
                    findings.add(f"{second[0]}:{second[2]}: {type_name} is also the name of a type in {first[0]}")
    return sorted(findings)
