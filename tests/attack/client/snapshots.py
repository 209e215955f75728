"""Snapshots that an attacker who knows the repository password writes with stock restic."""

import json
import os
import re
import shutil
from pathlib import Path

from lib import Restic, run, service_program


class Forger:
    """Changes snapshots of one source. restic runs with `top` as its root directory, because the path of a snapshot
    must be "/KIND/NAME". The repository and its password file are below `top`."""

    def __init__(self, restic: Restic, top: Path, source: str):
        self._restic = restic
        self._top = top
        self._source = source
        self._snapshot: dict = {}
        self.tree = top / source  # the content of the next snapshot
        self.manifest: dict = {}  # its manifest

    def take(self, snapshot: str) -> None:
        """Restores a snapshot to `tree`."""
        shutil.rmtree(self.tree, ignore_errors=True)
        self._restic.restore(snapshot, self._top)
        self._snapshot = self._restic.cat("snapshot", snapshot)
        self.manifest = json.loads((self.tree / "manifest.json").read_text())

    def live(self, below: str, path: Path) -> Path:
        """The place in `tree` of the live file `path`. `below` is the source's directory of files, e.g. "data"."""
        place = self.tree / below / str(path).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def save(self) -> str:
        """Saves `tree`; returns the snapshot's id."""
        (self.tree / "manifest.json").write_text(json.dumps(self.manifest))
        self._install_restic()
        inside = {"RESTIC_REPOSITORY": self._inside(self._restic.repository),
                  "RESTIC_PASSWORD_FILE": self._inside(self._restic.password_file), "TZ": "UTC"}
        tags = [part for tag in self._snapshot["tags"] for part in ("--tag", tag)]
        argv = ["chroot", str(self._top), "/restic", "backup", "--json", "--no-cache", "--force",
                "--host", self._snapshot["hostname"], *tags, f"/{self._source}"]
        if os.geteuid() != 0:
            argv = ["unshare", "--map-root-user", *argv]
        done = run(argv, env=inside)
        return json.loads(done.stdout.splitlines()[-1])["snapshot_id"]

    def _inside(self, path: Path | str) -> str:
        return f"/{Path(path).relative_to(self._top)}"

    def _install_restic(self) -> None:
        """Copies restic and the libraries that it needs into `top`."""
        program = service_program("restic", "restic")
        shutil.copy(program, self._top / "restic")
        (self._top / "tmp").mkdir(exist_ok=True)
        for library in re.findall(r"(/\S+) \(0x", run(["ldd", program]).stdout):
            place = self._top / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
