#!/usr/bin/env python3
"""Checks the project's rules. `lint.py` runs every check, `lint.py NAME...` runs some, `lint.py --list` names them.
Each finding is one line, FILE:LINE: what is wrong, and what to do instead."""

import sys

import calls
import code_wording
import cycles
import files
import layers
import messages
import type_names
import wording
from tree import Tree

CHECKS = {
    "layers": layers.check_includes,
    "links": layers.check_links,
    "first_headers": layers.check_first_headers,
    "architecture": layers.check_architecture,
    "cycles": cycles.check,
    "third_party": layers.check_third_party,
    "calls": calls.check,
    "type_names": type_names.check,
    "words": files.check_words,
    "headers": files.check_headers,
    "dead_files": files.check_dead_files,
    "references": files.check_references,
    "named_tests": files.check_named_tests,
    "scripts": files.check_scripts,
    "crash_points": files.check_crash_points,
    "wording": wording.check,
    "code_wording": code_wording.check,
    "messages": messages.check,
}


def main(arguments: list[str]) -> int:
    if arguments == ["--list"]:
        print("\n".join(CHECKS))
        return 0
    unknown = [name for name in arguments if name not in CHECKS]
    if unknown:
        print(f"lint: no check {', '.join(unknown)}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    tree = Tree.of_project()
    failed = False
    for name in arguments or CHECKS:
        findings = CHECKS[name](tree)
        failed = failed or bool(findings)
        for finding in findings:
            print(f"{name}: {finding}")
        if not findings:
            print(f"{name}: ok")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
