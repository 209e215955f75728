"""Running holdfast-agent."""

import json
import pwd
from dataclasses import dataclass
from pathlib import Path

from .places import agent_program
from .processes import Process, run


@dataclass
class Finished:
    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict:
        """The single JSON document that a verb printed with --json."""
        return json.loads(self.stdout)


def write_config(
    directory: Path,
    sources: list[dict],
    *,
    repository: Path | None = None,
    repositories: dict | None = None,
    **settings,
) -> Path:
    """Writes DIRECTORY/agent.yaml (as JSON, which is valid YAML) with one repository "main" at `repository`, by default
    DIRECTORY/repository. Its password file is DIRECTORY/password. Returns the path of agent.yaml."""
    directory.mkdir(parents=True, exist_ok=True)
    if repositories is None:
        repositories = {
            "main": {
                "url": f"file:{repository or directory / 'repository'}",
                "password_file": str(directory / "password"),
            }
        }
    config = {
        "node": "test-1",
        "state_dir": str(directory / "state"),
        "repositories": repositories,
        "sources": sources,
    } | settings
    path = directory / "agent.yaml"
    path.write_text(json.dumps(config, indent=2) + "\n")
    return path


class Agent:
    """The program with one configuration."""

    def __init__(self, config: Path, *, user: str | None = None):
        """`user`: runs the agent as that user, for tests of permissions. Requires root."""
        self.config = config
        self._options: dict = {}
        if user is not None:
            entry = pwd.getpwnam(user)
            self._options = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def run(self, *arguments: str, expect: int | None = 0, config: bool = True, **options) -> Finished:
        """Runs a verb, e.g. run("backup", "files/app"), and adds --config after the words of the verb."""
        argv = self.argv(*arguments) if config else [agent_program(), *arguments]
        options.setdefault("timeout", 600)
        done = run(argv, expect=expect, **self._environment(options), **self._options)
        return Finished(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str, **options) -> dict:
        """Runs a verb with --json and returns its document."""
        return self.run(*arguments, "--json", **options).document

    def start(self, *arguments: str, log: Path, **options) -> Process:
        """Starts a verb and does not wait for it, for tests that interrupt it."""
        return Process(self.argv(*arguments), log, **self._environment(options), **self._options)

    def argv(self, *arguments: str) -> list[str]:
        return [agent_program(), *arguments, "--config", str(self.config)]

    @staticmethod
    def _environment(options: dict) -> dict:
        env = {"TZ": "UTC", "UBSAN_OPTIONS": "print_stacktrace=1"}
        return {**options, "env": {**env, **options.get("env", {})}}
