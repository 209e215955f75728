"""Include cycles. A header and its source count as one file, named without its extension: a.cc may include b.h while
b.h includes a.h, and the two still cannot be understood, moved or tested apart."""

from tree import Tree, includes


def stem(name: str) -> str:
    return name.removesuffix(".h").removesuffix(".cc")


def graph(tree: Tree) -> dict[str, set[str]]:
    """Stem -> the stems that it includes."""
    arrows: dict[str, set[str]] = {}
    for name in tree.sources():
        arrows.setdefault(stem(name), set()).update(
            stem(header)
            for _, mark, header in includes(tree.texts[name])
            if mark == '"' and header in tree.texts and stem(header) != stem(name)
        )
    return arrows


def components(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one node, each sorted (Tarjan 1972, without recursion)."""
    found: list[list[str]] = []
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in sorted(arrows):
        if root in index:
            continue
        work = [(root, iter(sorted(arrows[root])))]
        while work:
            node, following = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            for other in following:
                if other not in index:
                    work.append((other, iter(sorted(arrows.get(other, ())))))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = stack.index(node)
                    members, stack[cut:] = stack[cut:], []
                    on_stack.difference_update(members)
                    if len(members) > 1:
                        found.append(sorted(members))
    return sorted(found)


def shortest_cycle(arrows: dict[str, set[str]], start: str) -> list[str]:
    """A shortest way from `start` back to it, both ends included."""
    came_from = {start: start}
    queue = [start]
    for node in queue:
        for other in sorted(arrows.get(node, ())):
            if other == start:
                path = [start]
                while node != start:
                    path.append(node)
                    node = came_from[node]
                return [start, *reversed(path)]
            if other not in came_from:
                came_from[other] = node
                queue.append(other)
    return []


def check(tree: Tree) -> list[str]:
    arrows = graph(tree)
    findings = []
    for members in components(arrows):
        path = " -> ".join(shortest_cycle(arrows, members[0]))
        findings.append(f"{members[0]}.h:1: include cycle: {path}; move what both need into a third file")
    return findings
