"""Where the programs under test and the services lie."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# ctest says which build runs the test; by hand it is the release build. Taken out of the environment, because
# the agent warns of HOLDFAST_ variables that override no setting.
BUILD = Path(os.environ.pop("HOLDFAST_BUILD", ROOT / "build" / "release")).resolve()
SERVICES = Path(os.environ.pop("HOLDFAST_SERVICES", ROOT / "build" / "services")).resolve()
KEEP = bool(os.environ.pop("HOLDFAST_KEEP", ""))
SKIPPED = 77


def agent_program() -> str:
    return str(BUILD / "bin" / "holdfast-agent")


def service_program(service: str, program: str) -> str:
    """E.g. ("etcd", "etcdctl"); what scripts/services fetched."""
    return str(SERVICES / service / "bin" / program)


def service_version(service: str) -> str:
    """E.g. "3.4.23": Debian 12 and 13 have different versions of the same service."""
    return (SERVICES / service / "version").read_text().strip()


def have_service(service: str) -> bool:
    return (SERVICES / service / "version").is_file()
