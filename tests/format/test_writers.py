"""Concurrent use of a repository in a directory: one exclusive process, and many writers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import Agent, Case, ExclusiveLocks, ManyAtOnce, Restic, main, write_config  # noqa: E402


class InOnePlace(Case):
    def setUp(self) -> None:
        super().setUp()
        self.repository = self.directory / "repository"
        self.password = self.directory / "password"
        self.password.touch(0o600)
        self.password.write_text("secret\n")
        self.password.chmod(0o600)
        self.restic = self.restic_of("test", "restic")
        self.restic.init_cheaply()

    def agent_of(self, node: str, tree: Path, **repository) -> Agent:
        place = {"url": f"file:{self.repository}", "password_file": str(self.password)} | repository
        config = write_config(self.directory / node, [{"kind": "files", "name": "app", "paths": [str(tree)]}],
                              repositories={"main": place}, node=node)
        return Agent(config)

    def restic_of(self, who: str, service: str) -> Restic:
        return Restic(self.repository, self.password, self.directory / f"cache-{who}", service=service)

    def names(self, kind: str) -> set[str]:
        return {path.name for path in (self.repository / kind).rglob("*") if path.is_file()}


class ExclusiveInDirectory(ExclusiveLocks, InOnePlace):
    def setUp(self) -> None:
        super().setUp()
        self.tree = self.directory / "tree"
        self.tree.mkdir()
        self.agent = self.agent_of("we", self.tree)
        self.slow_agent = self.agent_of("slow", self.tree, read_mib_s=1)


class ManyInOnePlace(ManyAtOnce, InOnePlace):
    pass


if __name__ == "__main__":
    main("restic", "restic19")
