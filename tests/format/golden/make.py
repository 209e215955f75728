#!/usr/bin/env python3
"""Creates a frozen repository with two snapshots, and for each a list of the entries that it must restore. Run once per
writer and version; the result is never created again (README.md).

    make.py restic  RESTIC_0_14  NAME
    make.py holdfast HOLDFAST_AGENT NAME

writes tests/format/golden/NAME: `repository/`, `password`, `first.txt` and `second.txt` (expect.py describes them), and
`about.json`. Does not need root. The source is in /tmp/holdfast-golden, which must not exist.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from expect import describe

HERE = Path(__file__).resolve().parent
SOURCE = Path("/tmp/holdfast-golden/source")
PASSWORD = "golden repositories are not secret"


def put(name: bytes, content: bytes, mode: int = 0o644) -> None:
    path = os.path.join(os.fsencode(SOURCE), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as output:
        output.write(content)
    os.chmod(path, mode)


def stamp() -> None:
    """Sets improbable times with all nine digits, one before 1970."""
    number = 0
    for directory, folders, files in os.walk(os.fsencode(SOURCE), topdown=False):
        for name in sorted(files + folders):
            number += 1
            when = 1_600_000_000_000_000_000 + number * 86_400_123_456_789
            os.utime(os.path.join(directory, name), ns=(when, when), follow_symlinks=False)
    old = os.path.join(os.fsencode(SOURCE), b"old")
    os.utime(old, ns=(-5_000_000_001, -5_000_000_001))


def first_tree() -> None:
    generator = random.Random(14)
    put(b"data/both", generator.randbytes(9000))  # in both snapshots, and in the first one's pack
    put(b"data/changed", b"as it was first\n" + generator.randbytes(3000))
    put(b"data/gone", generator.randbytes(2000))
    put(b"data/empty", b"")
    put(b"deep/er/and/deeper/leaf", b"leaf\n", 0o600)
    put(b"names/caf\xe9", b"not UTF-8\n")
    put(b'names/quo"te\\and\nnewline', b"odd\n")
    put("names/\u00fc \U0001f600".encode(), b"UTF-8\n")
    put(b"old", b"from before 1970\n", 0o4755)
    # More than one chunk in either format, and highly compressible.
    put(b"large", b"".join(b"%08d\n" % (number // 3000) for number in range(200_000)) + bytes(700_000))
    put(b"private/secret", b"nobody else\n", 0o400)
    os.chmod(SOURCE / "private", 0o700)
    os.makedirs(SOURCE / "hollow")
    os.chmod(SOURCE / "hollow", 0o1777)
    os.symlink("data/both", SOURCE / "link")
    os.symlink(b"/nowhere/\xff", os.path.join(os.fsencode(SOURCE), b"odd link"))
    os.link(SOURCE / "data/both", SOURCE / "twin")
    os.mkfifo(SOURCE / "pipe", 0o640)
    stamp()


def second_tree() -> None:
    generator = random.Random(15)
    put(b"data/changed", b"as it was second\n" + generator.randbytes(3000))
    put(b"data/new", generator.randbytes(5000))
    os.unlink(SOURCE / "data/gone")
    stamp()


def call(argv: list[str], **variables: str) -> str:
    done = subprocess.run(argv, env={**os.environ, "TZ": "UTC", **variables}, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def by_restic(program: str, root: Path, step) -> tuple[str, list[str]]:
    base = [program, "-r", str(root / "repository"), "-p", str(root / "password"), "--no-cache"]
    call([*base, "init", "--repository-version", "2"])
    ids = []
    for tree in (first_tree, second_tree):
        step(tree)
        said = call([*base, "backup", "--json", "--host", "golden", str(SOURCE)])
        ids.append(json.loads(said.splitlines()[-1])["snapshot_id"])
    return str(SOURCE).lstrip("/"), ids


def by_holdfast(program: str, root: Path, step) -> tuple[str, list[str]]:
    config = SOURCE.parent / "agent.yaml"
    config.write_text(
        f"node: golden\nstate_dir: {SOURCE.parent}/state\n"
        f"repositories:\n  main: {{url: \"file:{root}/repository\", password_file: {root}/password}}\n"
        f"sources:\n  - {{kind: files, name: app, paths: [{SOURCE}]}}\n"
    )
    last = ["--config", str(config)]
    call([program, "repository", "init", *last])
    ids = []
    for tree in (first_tree, second_tree):
        step(tree)
        ids.append(json.loads(call([program, "backup", "--json", *last]))["sources"][0]["snapshot"])
    return "data/" + str(SOURCE).lstrip("/"), ids


def main() -> int:
    if len(sys.argv) != 4 or sys.argv[1] not in ("restic", "holdfast"):
        print(__doc__, file=sys.stderr)
        return 2
    writer, program, name = sys.argv[1:]
    root = HERE / name
    root.mkdir()
    SOURCE.mkdir(parents=True)
    (root / "password").touch(0o600)
    (root / "password").write_text(PASSWORD + "\n")
    os.chmod(root / "password", 0o600)

    expected = []

    def step(make) -> None:
        make()
        expected.append(describe(SOURCE))  # of the source itself, while it exists

    prefix, ids = (by_restic if writer == "restic" else by_holdfast)(program, root, step)
    for file, lines in zip(("first.txt", "second.txt"), expected, strict=True):
        (root / file).write_text(lines)
    names = [path.name for path in (root / "repository" / "snapshots").iterdir()]
    ids = [name for short in ids for name in names if name.startswith(short)]
    above = "" if writer == "restic" else "files/app/"
    (root / "about.json").write_text(json.dumps({"prefix": prefix, "above": above, "snapshots": ids}, indent=2) + "\n")
    for folder, _, files in os.walk(root / "repository"):
        for file in files:
            os.chmod(os.path.join(folder, file), 0o644)
    for empty in sorted((root / "repository").rglob("*"), reverse=True):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()
    shutil.rmtree(SOURCE.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
