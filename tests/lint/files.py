"""Checks of files: words, headers, dead files, references to documents, named tests, scripts, crash points."""

import fnmatch
import posixpath
import re
import subprocess

from tree import Tree, includes

# The rules and their tests quote what they forbid.
_ABOUT_RULES = ("tests/lint/",)
# Input for decoders, as others might write it.
_OF_STRANGERS = ("tests/fuzz/corpus/",)

WORDS = [
    (r"\b(TODO|FIXME|XXX|HACK)\b", "do it, or say what holds and why"),
    (r"\b[Nn]ot (yet )?implemented\b|\b[Ss]implified (for|version)\b|\bfor now\b|\b[Ss]tub(bed)?\b",
     "make it real, or word it so that it is true"),
    (r"(^|[^\w.$}])/(work|home|root)/", "a path of one machine"),
    (r"(?<![\w/])shared/(design|hooks)", "a path of one machine"),
    (r"\b(proxy\.golang\.org|pypi\.org|crates\.io|registry\.npmjs\.org|repo1?\.maven\.\w+)\b",
     "each machine has its own registries"),
    (r"<<<<<<<|>>>>>>>", "a merge was left half done"),
]


def check_words(tree: Tree) -> list[str]:
    findings = []
    for name, text in tree.texts.items():
        if name.startswith(_ABOUT_RULES + _OF_STRANGERS) or name == "LICENSE":
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, instead in WORDS:
                match = re.search(pattern, line)
                if match:
                    findings.append(f'{name}:{number}: "{match[0].strip()}": {instead}')
            if line != line.rstrip() and not name.endswith((".md", ".patch")) and "golden" not in name:
                findings.append(f"{name}:{number}: spaces at the end of the line")
    return findings


def check_headers(tree: Tree) -> list[str]:
    """A header begins with a comment, and has an include guard. (The target `header_check` compiles each one alone.)"""
    findings = []
    for name in tree.sources():
        if not name.endswith(".h"):
            continue
        text = tree.texts[name]
        if not text.startswith("// "):
            findings.append(f"{name}:1: a header begins with a comment that says what it is for")
        if not re.search(r"^#pragma once$", text, re.MULTILINE):
            findings.append(f"{name}:1: #pragma once is missing")
    return findings


def check_dead_files(tree: Tree) -> list[str]:
    """Every source is in a target, every header is included or compiled by a target, every Python test is run."""
    findings = []
    lists = {name: text for name, text in tree.texts.items() if name.endswith("CMakeLists.txt")}
    included = {header for name in tree.sources() for _, _, header in includes(tree.texts[name])}

    def listed(name: str) -> bool:
        folder = posixpath.dirname(name)
        while True:
            text = lists.get(posixpath.join(folder, "CMakeLists.txt"))
            relative = posixpath.relpath(name, folder or ".")
            if text and re.search(rf"(^|[\s(\"]|/){re.escape(relative)}($|[\s)\"])", text):
                return True
            patterns = [word for words in re.findall(r"file\(GLOB\b([^)]*)\)", text or "") for word in words.split()]
            # Unlike fnmatch(), GLOB does not let "*" match a slash.
            if any(fnmatch.fnmatch(relative, one) and relative.count("/") == one.count("/") for one in patterns):
                return True
            if not folder:
                return False
            folder = posixpath.dirname(folder)

    for name in tree.texts:
        base = posixpath.basename(name)
        if name.endswith(".cc") and not listed(name):
            findings.append(f"{name}:1: no CMake target contains it")
        elif name.endswith(".h") and name not in included and not listed(name):
            findings.append(f"{name}:1: no file includes it")
        elif re.fullmatch(r"test_\w+\.py", base) and not listed(name):
            findings.append(f"{name}:1: no CMakeLists.txt runs it")
    return findings


def _anchors(text: str) -> set[str]:
    """The anchors of a Markdown file's headings, as the usual renderers make them."""
    found: set[str] = set()
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        match = re.match(r"#{1,6}\s+(.*)", line)
        if match and not fenced:
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1].strip()).replace("`", "")
            slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            found.add(slug)
    return found


def check_references(tree: Tree) -> list[str]:
    """Links in documents, and names of documents in code, have existing targets."""
    findings = []
    folders = {posixpath.dirname(name) for name in tree.texts}
    folders |= {posixpath.dirname(folder) for folder in folders}

    def problem(target: str, anchor: str) -> str | None:
        if posixpath.basename(target).removesuffix(".md") == "KIND":
            return None  # docs/sources/KIND.md means the page of each kind
        if target not in tree.texts and target.rstrip("/") not in folders:
            return f'"{target}" does not exist'
        if anchor and target.endswith(".md") and anchor not in _anchors(tree.texts[target]):
            return f'"{target}" has no heading "{anchor}"'
        return None

    for name, text in tree.texts.items():
        if name.startswith(_ABOUT_RULES) or "/golden/" in name:
            continue
        fenced = False
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("```"):
                fenced = not fenced
            found = []
            if name.endswith(".md") and not fenced:
                for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                    if not re.match(r"[a-z]+:", link):
                        path, _, anchor = link.partition("#")
                        base = posixpath.dirname(name)
                        target = posixpath.normpath(posixpath.join(base, path)) if path else name
                        found.append((target, anchor))
            for path, anchor in re.findall(r"(?<![\w/.])(docs/[\w./-]+\.md)(?:#([\w-]+))?", line):
                found.append((path, anchor))
            for target, anchor in found:
                if reason := problem(target, anchor):
                    findings.append(f"{name}:{number}: {reason}")
    return findings


def check_named_tests(tree: Tree) -> list[str]:
    """The pages in tests/ name only tests that exist: "a Catch2 test case" and `test_of_python`."""
    known = set()
    for name, text in tree.texts.items():
        if name.startswith("tests/") and name.endswith(".cc"):
            for literals in re.findall(r'\bTEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', text):
                known.add("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)))
        elif name.startswith("tests/") and name.endswith(".py"):
            known.add(posixpath.basename(name).removesuffix(".py"))
            known.update(re.findall(r"^\s*def (test_\w+)", text, re.MULTILINE))
    findings = []
    for name, text in tree.texts.items():
        if not (name.startswith("tests/") and name.endswith(".md")):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            quoted = re.findall(r'"(\w[\w ]*: [^"*]+)"', line)
            for test in quoted + re.findall(r"`(?:\w+\.)?(test_\w+)`", line):
                if test not in known:
                    findings.append(f'{name}:{number}: there is no test "{test}"')
    return findings


def check_scripts(tree: Tree) -> list[str]:
    """Shell scripts parse, Python compiles, and files with a #! are executable."""
    findings = []
    for name, text in tree.texts.items():
        first = text.split("\n", 1)[0]
        is_shell = name.endswith(".sh") or (first.startswith("#!") and first.endswith("sh"))
        if is_shell:
            shell = "sh" if first.endswith("/sh") else "bash"
            done = subprocess.run([shell, "-n"], input=text, text=True, capture_output=True, check=False)
            if done.returncode != 0:
                findings.append(f"{name}:1: {done.stderr.strip()}")
        elif name.endswith(".py") or (first.startswith("#!") and "python" in first):
            try:
                compile(text, name, "exec", dont_inherit=True)
            except SyntaxError as error:
                findings.append(f"{name}:{error.lineno}: {error.msg}")
        if first.startswith("#!") and name in tree.modes and not tree.modes[name] & 0o100:
            findings.append(f"{name}:1: has a #! but is not executable (chmod 755)")
    return findings


def check_crash_points(tree: Tree) -> list[str]:
    """The list of crash points and the CrashPoint() calls have the same names."""
    header = "common/base/crash_point.h"
    if header not in tree.texts:
        return []
    listed = set(re.findall(r'std::string_view\("([^"]+)"\)', tree.texts[header]))
    findings, used = [], set()
    for name in tree.sources():
        if name.startswith(("tests/", "common/base/crash_point")):
            continue
        for number, line in enumerate(tree.texts[name].splitlines(), 1):
            for point in re.findall(r'\bCrashPoint\("([^"]+)"\)', line):
                used.add(point)
                if point not in listed:
                    findings.append(f'{name}:{number}: "{point}" is not in {header}')
    findings += [f'{header}:1: no code calls CrashPoint with "{point}"' for point in sorted(listed - used)]
    return findings
