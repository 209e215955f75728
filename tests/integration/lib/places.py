"""Locations of the programs under test and of the services."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# ctest sets the build under test; the default is the release build. pop(): the agent warns about HOLDFAST_ variables
# that override no setting.
BUILD = Path(os.environ.pop("HOLDFAST_BUILD", ROOT / "build" / "release")).resolve()
SERVICES = Path(os.environ.pop("HOLDFAST_SERVICES", ROOT / "build" / "services")).resolve()
KEEP = bool(os.environ.pop("HOLDFAST_KEEP", ""))
SKIPPED = 77


def agent_program() -> str:
    return str(BUILD / "bin" / "holdfast-agent")


def service_program(service: str, program: str) -> str:
    """A program that scripts/services fetched, e.g. ("etcd", "etcdctl")."""
    return str(SERVICES / service / "bin" / program)


def service_version(service: str) -> str:
    """E.g. "3.4.23": Debian 12 and 13 have different versions of a service."""
    return (SERVICES / service / "version").read_text().strip()


def have_service(service: str) -> bool:
    return (SERVICES / service / "version").is_file()
