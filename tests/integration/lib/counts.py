"""Checks that all lists and reports show the same, correct counts of a snapshot."""

from unittest import TestCase

from .agent import Agent

COUNTS = ("files", "bytes", "bytes_added", "bytes_stored")


def listed(agent: Agent, snapshot: str) -> dict:
    """The snapshot as `list` shows it."""
    (repository,) = agent.json("list")["repositories"]
    (found,) = [one for one in repository["snapshots"] if one["id"] == snapshot]
    return found


def assert_counts(case: TestCase, agent: Agent, backup: dict) -> None:
    """Compares one source of `backup --json` with `list` and with the snapshot's tree."""
    shown = listed(agent, backup["snapshot"])
    case.assertEqual({name: backup[name] for name in COUNTS}, {name: shown[name] for name in COUNTS})
    entries = agent.json("ls", backup["snapshot"], "--recursive")["entries"]
    files = [entry for entry in entries if entry["type"] == "file"]
    case.assertEqual(shown["files"], len(files))
    case.assertEqual(shown["bytes"], sum(entry["size"] for entry in files))
    # `items` excludes the manifest and directories that only lead to items.
    case.assertGreaterEqual(backup["items"], shown["files"] - 1)
    case.assertLess(backup["items"], len(entries))
