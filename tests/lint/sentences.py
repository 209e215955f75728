#!/usr/bin/env python3
"""Prints sentences that users read, picked by a seed, for a reader to judge: half from documents, half from the
strings of the programs. The same tree and seed give the same sentences.

  sentences.py [--seed 22] [--count 40]
"""

import argparse
import random
import re

import wording
from tree import Tree


def of_documents(tree: Tree) -> list[tuple[str, str]]:
    found = []
    for name in wording.user_files(tree):
        if not name.endswith(".md"):
            continue
        paragraph: list[str] = []
        for _, line in [*wording.prose(name, tree.texts[name]), (0, "")]:
            if line and not re.match(r"[-*|>#]|\d+\. ", line):
                paragraph.append(line)
                continue
            for sentence in re.split(r"(?<=[.!?]) +(?=[A-Z])", " ".join(paragraph)):
                if len(sentence.split()) > 4:
                    found.append((name, sentence))
            paragraph = [re.sub(r"^(?:[-*>]|\d+\.) +", "", line)] if re.match(r"[-*>]|\d+\. ", line) else []
    return found


def of_programs(tree: Tree) -> list[tuple[str, str]]:
    found = []
    for name in tree.sources():
        if not name.startswith(wording.PROGRAMS) or name.endswith("_test.cc"):
            continue
        for _, text in wording.strings(tree.texts[name]):
            text = " ".join(text.split())
            is_sql = re.search(r"\b(?:SELECT|INSERT|UPDATE|DELETE|WHERE|ORDER BY|PRAGMA)\b", text)
            if len(text.split()) > 4 and "\\x" not in text and not is_sql:
                found.append((name, text))
    return found


def picked(tree: Tree, seed: int, count: int) -> list[tuple[str, str]]:
    random_source = random.Random(seed)
    documents, programs = sorted(set(of_documents(tree))), sorted(set(of_programs(tree)))
    return random_source.sample(documents, count // 2) + random_source.sample(programs, count - count // 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=22)
    parser.add_argument("--count", type=int, default=40)
    arguments = parser.parse_args()
    for number, (name, sentence) in enumerate(picked(Tree.of_project(), arguments.seed, arguments.count), 1):
        print(f"{number:2}. {sentence}\n    {name}")


if __name__ == "__main__":
    main()
