"""Agents that save the Kafka clusters of tests."""

from pathlib import Path

from lib import Agent, KafkaCluster, write_config
from lib.places import SERVICES

# Makes the same program run with the current librdkafka instead of the build's.
TODAY = {"LD_LIBRARY_PATH": str(SERVICES / "librdkafka" / "lib")}


def source_of(
    cluster: KafkaCluster,
    directory: Path,
    user: str = "",
    *,
    name: str = "main",
    mechanism: str = "",
    client: dict[str, str | None] | None = None,
    **options,
) -> dict:
    """A source that connects to the client listener of `cluster` as `user`. `client` adds properties; the value None
    removes one. Passwords are written to files in `directory`."""
    properties = cluster.client_properties(user, mechanism=mechanism)
    bootstrap = properties.pop("bootstrap.servers").split(",")
    if "sasl.password" in properties:
        properties["sasl.password_file"] = str(secret_file(directory, properties.pop("sasl.password")))
    properties = {key: value for key, value in (properties | (client or {})).items() if value is not None}
    source = {"kind": "kafka", "name": name, "repository": "main", "bootstrap": bootstrap, "client": properties}
    return source | options


def secret_file(directory: Path, secret: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"secret-{len(list(directory.iterdir()))}"
    file.touch(0o600)
    file.write_text(secret + "\n")
    return file


def make_agent(directory: Path, *sources: dict, **settings) -> Agent:
    """An agent with a new repository."""
    agent = Agent(write_config(directory, list(sources), **settings))
    agent.run("repository", "init")
    return agent
