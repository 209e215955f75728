"""What the etcd tests share: the version under test, its clusters, and agents that save them."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import Agent, Authority, EtcdCluster, main, write_config  # noqa: E402
from lib.places import SERVICES, service_program  # noqa: E402

# The last argument says which etcd; unittest gets the others.
SERVICE = sys.argv.pop() if sys.argv[-1] in ("etcd", "etcd36") else "etcd"
USER = ("backup", "a secret, with spaces")
KEYS = int(os.environ.get("HOLDFAST_ETCD_KEYS", "200000"))


def run_tests(*services: str) -> None:
    main(SERVICE, *services)


def tools_path() -> str:
    """PATH that begins with this version's etcdctl and etcdutl, and restic."""
    restic = Path(service_program("restic", "restic")).parent
    return f"{SERVICES}/{SERVICE}/bin:{restic}:{os.environ['PATH']}"


def secured_cluster(directory: Path, members: int = 3) -> EtcdCluster:
    authority = Authority(directory / "pki")
    cluster = EtcdCluster(directory, SERVICE, members, authority=authority, user=USER)
    cluster.start()
    cluster.enable_auth()
    return cluster


def make_agent(directory: Path, source: dict, *, init: bool = True) -> Agent:
    agent = Agent(write_config(directory, [source]))
    if init:
        agent.run("repository", "init", "--repository", "main")
    return agent


def source_of(cluster: EtcdCluster, directory: Path, **options) -> dict:
    """The source's entry in the configuration, with user and password if the cluster has them."""
    if cluster.user is not None:
        password = directory / "etcd.password"
        password.write_text(cluster.user[1] + "\n")
        options = {"user": cluster.user[0], "password_file": str(password)} | options
    return cluster.source(**options)


def fresh_cluster(directory: Path, like: EtcdCluster, members: int | None = None) -> EtcdCluster:
    """The same kind of cluster with other URLs, for restored data. It is not started."""
    return EtcdCluster(
        directory, SERVICE, members or len(like.members), authority=like.authority, user=like.user
    )
