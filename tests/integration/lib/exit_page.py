"""Runs the commands of docs/exit/KIND.md below "By hand", one block at a time, as written. Only the reader's own paths,
addresses and node names are replaced."""

import re
import shlex
import subprocess
from pathlib import Path

from .places import ROOT, service_program
from .processes import die_with_parent

_END = "end of the block"


class ExitPage:
    """`replaced`: text on the page -> the test's text. Each must occur on the page."""

    def __init__(self, kind: str, directory: Path, repository: Path, replaced: dict[str, str]):
        page = (ROOT / "docs" / "exit" / f"{kind}.md").read_text()
        page = page[page.index("## By hand") :]
        blocks = re.findall(r"^ *```\n(.*?)^ *```$", page, re.DOTALL | re.MULTILINE)
        self.blocks = [re.sub("^ {0,3}", "", block, flags=re.MULTILINE) for block in blocks]
        self._replaced = {
            "/srv/backup/main": str(repository),
            "/etc/holdfast/main.password": str(repository.parent / "password"),
        } | replaced
        self._not_run = set(range(len(blocks)))
        self._directory = directory / "page"
        self._programs = self._directory / "programs"
        self._programs.mkdir(parents=True)
        self.program("restic", f'exec {service_program("restic", "restic")} --cache-dir {self._directory} "$@"')
        self.program("chown", f'echo "$@" >>{self._directory / "chown"}')
        for theirs in self._replaced:
            assert any(theirs in block for block in self.blocks), f"{kind}.md has no {theirs}"
        self._shell = subprocess.Popen(
            ["bash", "-euo", "pipefail"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509
        )
        self.shell(f"export PATH={shlex.quote(str(self._programs))}:$PATH")

    def program(self, name: str, script: str) -> None:
        """Defines what the page's commands find as program `name`."""
        path = self._programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, number: int, replaced: dict[str, str] | None = None) -> str:
        """Runs a block, counted from 0, in the same shell as the earlier ones. `replaced`: further replacements for
        this call."""
        words = self._replaced | (replaced or {})
        for theirs in replaced or {}:
            assert theirs in self.blocks[number], f"block {number} has no {theirs}"
        pattern = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
        self._not_run.discard(number)
        return self.shell(re.sub(pattern, lambda match: words[match[0]], self.blocks[number]))

    def shell(self, commands: str) -> str:
        """Runs other commands in the same shell and returns their output. Fails if a command fails."""
        script = self._directory / "block"
        script.write_text(commands)
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f". {shlex.quote(str(script))} </dev/null\necho; echo '{_END}'\n")
        self._shell.stdin.flush()
        printed = ""
        for line in self._shell.stdout:
            if line == f"{_END}\n":
                return printed
            printed += line
        raise AssertionError(f"bash ended with {self._shell.wait()} in:\n{commands}\nit printed:\n{printed}")

    def end(self) -> list[str]:
        """Ends the shell; every block must have run. Returns the arguments of each chown."""
        assert not self._not_run, f"blocks that were not run: {self._not_run}"
        self._shell.communicate()
        owners = self._directory / "chown"
        return owners.read_text().splitlines() if owners.exists() else []
