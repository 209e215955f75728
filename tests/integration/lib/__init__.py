"""Shared helpers for tests of real programs and services. Python 3.11 and its standard library only.

A test file begins with

    import sys
    from pathlib import Path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from lib import Case, main, ...

and ends with `main("etcd", "restic")`, naming the services it needs. If one is missing, the file exits with 77, which
ctest counts as skipped. Services run as the current user, on loopback, on free ports below 32768, with data in a
temporary directory. They end with the test, even if it is killed."""

from .agent import Agent, Finished, write_config
from .alertmanager import Alertmanager
from .case import Case, main, make_directory
from .certificates import Authority
from .etcd import EtcdCluster, Writer
from .exclusive import ExclusiveLocks
from .exit_page import ExitPage
from .haproxy import HAProxy, Load, MapHAProxy, WebServer
from .kafka import KafkaCluster
from .kafka_client import KafkaClient, KafkaError, Record, odd_records
from .kafka_room import KafkaRoom, RoomError
from .minio import MinIO
from .places import agent_program, service_program
from .processes import Process, free_port, run, wait_until
from .prometheus import MetricsEndpoint, Prometheus
from .restic import Restic
from .trees import Tree, differences, scan
from .writers import ManyAtOnce
from .zookeeper import ZooKeeperEnsemble
from .zookeeper_client import MultiWriter, ZooKeeperClient, ZooKeeperError

__all__ = [
    "Agent",
    "Alertmanager",
    "Authority",
    "Case",
    "EtcdCluster",
    "ExitPage",
    "ExclusiveLocks",
    "Finished",
    "HAProxy",
    "KafkaClient",
    "KafkaCluster",
    "KafkaError",
    "KafkaRoom",
    "Load",
    "ManyAtOnce",
    "MapHAProxy",
    "MetricsEndpoint",
    "MinIO",
    "MultiWriter",
    "Process",
    "Prometheus",
    "Record",
    "Restic",
    "RoomError",
    "Tree",
    "WebServer",
    "Writer",
    "ZooKeeperClient",
    "ZooKeeperEnsemble",
    "ZooKeeperError",
    "agent_program",
    "differences",
    "free_port",
    "main",
    "make_directory",
    "odd_records",
    "run",
    "scan",
    "service_program",
    "wait_until",
    "write_config",
]
