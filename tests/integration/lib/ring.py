"""A replicated source of several nodes, saved and composed by tests/support/compose_tool.cc."""

from pathlib import Path

from .agent import write_config
from .places import BUILD
from .processes import run
from .restic import Restic
from .trees import Tree


class Ring:
    """Data that all nodes have, files that only one node has, and a repository in `directory`."""

    RUN = "01HF7YAT000000000000000000"

    def __init__(self, directory: Path, nodes: list[str], cache: Path):
        self.directory = directory
        self.nodes = nodes
        self.config = write_config(
            directory,
            [
                {
                    "kind": "ring",
                    "name": "r",
                    "data": str(directory / "live" / "data"),
                    "own": str(directory / "live" / "own"),
                }
            ],
            cluster="prod",
        )
        (directory / "password").touch(0o600)
        (directory / "password").write_text("secret\n")
        self.restic = Restic(directory / "repository", directory / "password", cache)

    def write(self) -> None:
        tree = Tree(self.directory / "live")
        for number in range(20):
            tree.random_file(f"data/sub/{number:02d}", 120_000 + number, seed=number)
        for seed, node in enumerate(self.nodes):
            tree.random_file(f"own/{node}/secret", 1000, seed=100 + seed)
            tree.file(f"own/{node}/name", node.encode())

    def run(self, *, run_id: str = RUN, expect: int | None = 0, **options):
        """Runs the tool and returns the finished process."""
        program = str(BUILD / "tests" / "compose_tool")
        return run([program, str(self.config), run_id, *self.nodes], expect=expect, **options)

    def snapshot_of(self, done) -> str:
        return done.stdout.split()[0]
