"""Stock restic, with its own cache and in UTC, because it writes local times."""

import json
from pathlib import Path

from .places import BUILD, service_program
from .processes import Process, run


class Restic:
    """A restic for `repository`, a path or restic URL, which need not exist yet, see init(). Every command gets
    `environment` and `arguments`. `service` selects the restic."""

    def __init__(self, repository: Path | str, password_file: Path, cache: Path, *,
                 environment: dict[str, str] | None = None, arguments: tuple[str, ...] = (),
                 service: str = "restic"):
        self._environment = environment or {}
        self._arguments = arguments
        self._program = service_program(service, "restic")
        self.repository = repository
        self.password_file = password_file
        self._cache = cache

    def run(self, *arguments: str, **options):
        """Runs a command and returns the finished process; options as in processes.run."""
        options.setdefault("timeout", 600)
        return run(self._argv(*arguments), env=self._env(options), **options)

    def start(self, *arguments: str, log: Path, **options) -> Process:
        """Starts a command without waiting for it."""
        return Process(self._argv(*arguments), log, env=self._env(options), **options)

    def _argv(self, *arguments: str) -> list[str]:
        return [self._program, *self._arguments, *arguments]

    def _env(self, options: dict) -> dict[str, str]:
        env = {
            "TZ": "UTC",
            "RESTIC_CACHE_DIR": str(self._cache),
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD_FILE": str(self.password_file),
        }
        return env | self._environment | options.pop("env", {})

    def init(self) -> None:
        self.run("init", "--repository-version", "2")

    def init_cheaply(self) -> None:
        """Like init(), but with a key that is fast to open."""
        run([str(BUILD / "tests" / "init_tool"), str(self.repository), str(self.password_file)])

    def check(self, *, read_data: bool = True) -> None:
        self.run("check", *(["--read-data"] if read_data else []))

    def unlock(self) -> None:
        """Removes locks of processes that have ended."""
        self.run("unlock")

    def locks(self) -> list[dict]:
        ids = self.run("list", "locks", "--no-lock").stdout.split()
        return [json.loads(self.run("cat", "lock", one, "--no-lock").stdout) for one in ids]

    def snapshots(self) -> list[dict]:
        """Snapshots, oldest first."""
        return json.loads(self.run("snapshots", "--json").stdout) or []

    def backup(self, *paths: str, arguments: tuple[str, ...] = (), **options) -> dict:
        """Saves the paths; returns restic's summary, with `snapshot_id`."""
        done = self.run("backup", "--json", *arguments, *paths, **options)
        return json.loads(done.stdout.splitlines()[-1])

    def restore(self, snapshot: str, target: Path, *arguments: str, **options) -> None:
        self.run("restore", snapshot, "--target", str(target), *arguments, **options)

    def cat(self, kind: str, identity: str) -> dict:
        return json.loads(self.run("cat", kind, identity).stdout)
