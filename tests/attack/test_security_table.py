"""Checks that the table in docs/security.md has one row for each @shows of the tests. Prints the table: actor, asset,
result, and the test."""

import ast
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib.places import ROOT

_SUITES = ("tests/attack", "tests/integration/cluster", "tests/integration/packaging")
Row = tuple[str, str, str, str]


def marked(node: ast.AST) -> list[tuple[str, str, str]]:
    """The arguments of the node's @shows(...)."""
    found = []
    for decorator in getattr(node, "decorator_list", []):
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "shows":
            actor, asset, result = (ast.literal_eval(argument) for argument in decorator.args)
            found.append((actor, asset, result))
    return found


def rows_of(path: Path) -> list[Row]:
    name = str(path.relative_to(ROOT / "tests")).removesuffix(".py")
    rows = []
    for top in ast.parse(path.read_text()).body:
        for node in (top, *(top.body if isinstance(top, ast.ClassDef) else ())):
            if not marked(node):
                continue
            if not (isinstance(node, ast.ClassDef) or getattr(node, "name", "").startswith("test_")):
                raise AssertionError(f"{path}: @shows must decorate a test method or a class")
            rows += [(*one, name) for one in marked(node)]
    return rows


def rows_of_tests() -> list[Row]:
    files = [path for suite in _SUITES for path in sorted((ROOT / suite).glob("test_*.py"))]
    return [row for path in files for row in rows_of(path)]


def rows_of_page() -> list[Row]:
    page = (ROOT / "docs" / "security.md").read_text()
    rows: list[Row] = []
    for line in page[page.index("| actor | asset | result |"):].splitlines()[2:]:
        if not line.startswith("|"):
            break
        actor, asset, result, tests = (cell.strip() for cell in line.strip("|").split("|"))
        rows += [(actor, asset, result, name) for name in re.findall(r"`(.+?)`", tests)]
    return rows


class SecurityTable(unittest.TestCase):
    def test_the_page_matches_the_tests(self) -> None:
        rows = rows_of_tests()
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in sorted(rows):
            print(*(cell.ljust(width) for cell, width in zip(row, widths)), row[3], sep="  ")

        self.assertEqual(sorted(rows_of_page()), sorted(rows))

    def test_ctest_runs_each_test_of_the_table(self) -> None:
        for _, _, _, name in rows_of_tests():
            path = ROOT / "tests" / (name + ".py")
            self.assertIn(f"FILE {path.name}", (path.parent / "CMakeLists.txt").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
