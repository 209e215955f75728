"""What the ZooKeeper tests share: the version under test, and agents that save its ensembles."""

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import Agent, ZooKeeperEnsemble, main, write_config  # noqa: E402

# The last argument says which ZooKeeper; unittest gets the others.
SERVICE = sys.argv.pop() if sys.argv[-1] in ("zookeeper", "zookeeper39") else "zookeeper39"


def run_tests(*services: str) -> None:
    main(SERVICE, *services)


def ensemble(directory: Path, members: int = 3, **options) -> ZooKeeperEnsemble:
    return ZooKeeperEnsemble(directory, SERVICE, members, **options)


def source_of(zookeeper: ZooKeeperEnsemble, number: int = 1, **options) -> dict:
    return {"kind": "zookeeper", "name": "main", "config": str(zookeeper.members[number].config)} | options


def make_agent(directory: Path, source: dict, **settings) -> Agent:
    agent = Agent(write_config(directory, [source], **settings))
    agent.run("repository", "init")
    return agent


def restored(agent: Agent, directory: Path, snapshot: str = "latest:zookeeper/main") -> tuple[Path, dict]:
    """Restores a snapshot to `directory`, and returns the directory and the manifest."""
    agent.run("restore", snapshot, "--allow-partial", "--to", str(directory))
    return directory, json.loads((directory / "manifest.json").read_text())


def begin_with(zookeeper: ZooKeeperEnsemble, data: Path) -> ZooKeeperEnsemble:
    """Starts all members of a new ensemble, each with a copy of `data` as its data directory."""
    for member in zookeeper.members.values():
        shutil.copytree(data, member.data_dir)
    return zookeeper.start()
