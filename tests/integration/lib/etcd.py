"""Real etcd clusters on loopback, with or without TLS and authentication."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import threading
import urllib.parse
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .certificates import Authority
from .places import service_program, service_version
from .processes import Process, free_port, run, wait_until

# Keys per transaction: below --max-txn-ops, and below etcd's request limit with 100-byte values.
_BATCH = 4000


@dataclass
class Member:
    name: str
    client_url: str
    peer_url: str
    data_dir: Path
    process: Process | None = None


class EtcdCluster:
    """A cluster of `service`, "etcd" or "etcd36". Nothing runs before start(). To start from restored data, create a
    cluster, write each member's `data_dir`, then call start(): etcd uses existing data."""

    def __init__(
        self,
        directory: Path,
        service: str = "etcd",
        members: int = 1,
        *,
        authority: Authority | None = None,
        user: tuple[str, str] | None = None,
        quota: int = 4 << 30,
    ):
        """`authority` enables TLS and client certificates; `user` is (name, password), see enable_auth(); `quota` is
        --quota-backend-bytes."""
        self.directory = directory
        self.service = service
        self.is_3_4 = service_version(service).startswith("3.4.")
        self.authority = authority
        self.user = user
        self.quota = quota
        self.token = f"test-{os.getpid()}-{free_port()}"
        self.client = None
        self._server = None
        directory.mkdir(parents=True, exist_ok=True)
        if authority is not None:
            self._server = authority.issue("etcd-server")
            self.client = authority.issue("etcd-client")
        scheme = "https" if authority else "http"
        self.members = [
            Member(
                name=f"m{number}",
                client_url=f"{scheme}://127.0.0.1:{free_port()}",
                peer_url=f"{scheme}://127.0.0.1:{free_port()}",
                data_dir=directory / f"m{number}.etcd",
            )
            for number in range(1, members + 1)
        ]
        self._auth_enabled = False

    @property
    def endpoints(self) -> list[str]:
        return [member.client_url for member in self.members]

    @property
    def initial_cluster(self) -> str:
        return ",".join(f"{member.name}={member.peer_url}" for member in self.members)

    def start(self, *, auth_is_enabled: bool = False) -> "EtcdCluster":
        """Starts every stopped member and waits until all members serve."""
        self._auth_enabled = self._auth_enabled or auth_is_enabled
        for member in self.members:
            if member.process is None or not member.process.is_running():
                member.process = self._start_member(member)
        for member in self.members:
            self.wait_for(member)
        return self

    def wait_for(self, member: Member) -> None:
        def serves() -> bool:
            assert member.process is not None
            if not member.process.is_running():
                return False
            # The health check reads one key, which needs a leader.
            answer = self._ctl(["endpoint", "health"], member, expect=None)
            # etcdctl 3.6 reports a member with an alarm as unhealthy, but it serves.
            return answer.returncode == 0 or "Active Alarm" in answer.stdout + answer.stderr

        try:
            wait_until(f"etcd member {member.name} to serve", serves, 60)
        except AssertionError as error:
            log = member.process.tail() if member.process else ""
            raise AssertionError(f"{error}\n{log}") from None

    def _start_member(self, member: Member) -> Process:
        argv = [
            *(service_program(self.service, "etcd"), "--name", member.name),
            *("--data-dir", str(member.data_dir)),
            *("--listen-client-urls", member.client_url, "--advertise-client-urls", member.client_url),
            *("--listen-peer-urls", member.peer_url),
            *("--initial-advertise-peer-urls", member.peer_url),
            *("--initial-cluster", self.initial_cluster, "--initial-cluster-token", self.token),
            *("--initial-cluster-state", "new"),
            *("--max-txn-ops", str(_BATCH * 2), "--heartbeat-interval", "100"),
            *("--election-timeout", "1500", "--quota-backend-bytes", str(self.quota)),
        ]
        if self._server is not None and self.authority is not None:
            ca, cert, key = str(self.authority.ca), str(self._server.cert), str(self._server.key)
            argv += ["--cert-file", cert, "--key-file", key, "--trusted-ca-file", ca]
            argv += ["--client-cert-auth", "--peer-client-cert-auth", "--peer-trusted-ca-file", ca]
            argv += ["--peer-cert-file", cert, "--peer-key-file", key]
        # Tests do not depend on flushing to disk; killed processes lose nothing without fsync.
        argv += ["--unsafe-no-fsync"] if not self.is_3_4 else []
        return Process(argv, self.directory / f"{member.name}.log")

    def stop(self) -> None:
        for member in self.members:
            if member.process is not None:
                member.process.stop()

    def enable_auth(self) -> None:
        """Creates the user with the role root, then enables authentication."""
        if self.user is None:
            raise AssertionError("enable_auth() needs a cluster made with user=(name, password)")
        name, password = self.user
        for user, its_password in {"root": password, name: password}.items():
            self.ctl("user", "add", f"{user}:{its_password}")
            self.ctl("user", "grant-role", user, "root")
        self.ctl("auth", "enable")
        self._auth_enabled = True

    def ctl(self, *arguments: str, member: Member | None = None, **options) -> str:
        """Output of etcdctl. Without `member`, etcdctl gets all endpoints."""
        return self._ctl(list(arguments), member, **options).stdout

    def _ctl(self, arguments: list[str], member: Member | None = None, **options):
        endpoints = [member.client_url] if member else self.endpoints
        argv = [service_program(self.service, "etcdctl"), "--endpoints", ",".join(endpoints)]
        if self.authority is not None and self.client is not None:
            argv += ["--cacert", str(self.authority.ca), "--cert", str(self.client.cert)]
            argv += ["--key", str(self.client.key)]
        if self._auth_enabled and self.user is not None:
            argv += ["--user", ":".join(self.user)]
        argv += ["--command-timeout", "60s"]
        return run(argv + arguments, env={"ETCDCTL_API": "3"}, **options)

    def put_many(self, pairs: dict[str, str]) -> None:
        """Writes the pairs, a few thousand per transaction. Keys and values must not contain quotes or newlines."""
        items = list(pairs.items())
        for start in range(0, len(items), _BATCH):
            puts = "".join(f'put {key} "{value}"\n' for key, value in items[start : start + _BATCH])
            self.ctl("txn", input=f"\n{puts}\n\n")

    def put_large(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Writes large values, one per request and several requests at once, through etcd's JSON gateway: etcdctl takes
        30 ms to parse 100 KB of a transaction. Does not support TLS or authentication."""
        assert self.authority is None and not self._auth_enabled
        url = urllib.parse.urlsplit(self.members[0].client_url)
        left = iter(pairs)
        taking = threading.Lock()

        def write() -> None:
            with contextlib.closing(http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)) as connection:
                while True:
                    with taking:
                        pair = next(left, None)
                    if pair is None:
                        return
                    key, value = (base64.b64encode(one.encode()).decode() for one in pair)
                    connection.request("POST", "/v3/kv/put", json.dumps({"key": key, "value": value}))
                    answer = connection.getresponse()
                    body = answer.read()
                    if answer.status != 200:
                        raise AssertionError(f"put of {pair[0]}: {answer.status} {body!r}")

        with ThreadPoolExecutor(max_workers=8) as pool:
            for done in [pool.submit(write) for _ in range(8)]:
                done.result()

    def fill(self, count: int, *, prefix: str = "key", seed: str = "a", value_bytes: int = 100) -> None:
        """Writes `count` keys PREFIX/000000... whose values depend only on `seed`."""
        # A request is limited to 1.5 MiB.
        batch = min(_BATCH * 10, max(1, 1_000_000 // (value_bytes + 100)))
        for start in range(0, count, batch):
            stop = min(start + batch, count)
            self.put_many({f"{prefix}/{n:07d}": text(f"{seed}{n}", value_bytes) for n in range(start, stop)})

    def fill_to_the_quota(self) -> None:
        """Writes until etcd raises the alarm NOSPACE."""
        value = "x" * 100_000
        for number in range(2 * self.quota // len(value)):
            if self._ctl(["put", f"full/{number}", value], expect=None).returncode != 0:
                break
        assert "NOSPACE" in self.ctl("alarm", "list")

    def revision(self) -> int:
        answer = json.loads(self.ctl("get", "none-such", "--write-out", "json"))
        return int(answer["header"]["revision"])

    def state(self, revision: int = 0) -> dict[bytes, tuple]:
        """Every key at `revision` (0: now): key -> (value, create, mod, version)."""
        arguments = ["get", "", "--prefix", "--write-out", "json"]
        if revision:
            arguments += ["--rev", str(revision)]
        answer = json.loads(self.ctl(*arguments))
        return {
            base64.b64decode(pair["key"]): (
                base64.b64decode(pair.get("value", "")),
                pair["create_revision"],
                pair["mod_revision"],
                pair["version"],
            )
            for pair in answer.get("kvs", [])
        }

    def source(self, name: str = "main", **options) -> dict:
        """The source's entry in agent.yaml."""
        entry: dict = {"kind": "etcd", "name": name, "endpoints": self.endpoints}
        if self.authority is not None and self.client is not None:
            entry |= {
                "ca": str(self.authority.ca),
                "cert": str(self.client.cert),
                "key": str(self.client.key),
            }
        return entry | options

    def restore_by_etcd(self, snapshot: Path, member: Member) -> None:
        """Creates the member's data directory with etcd's own tool, as docs/exit/etcd.md describes."""
        tool = "etcdctl" if self.is_3_4 else "etcdutl"
        run(
            [
                *(service_program(self.service, tool), "snapshot", "restore", str(snapshot)),
                *("--name", member.name, "--data-dir", str(member.data_dir)),
                *("--initial-cluster", self.initial_cluster),
                *("--initial-cluster-token", self.token),
                *("--initial-advertise-peer-urls", member.peer_url),
            ],
            env={"ETCDCTL_API": "3"},
        )


def text(seed: str, size: int) -> str:
    """Incompressible letters and digits, the same for the same seed."""
    digest = hashlib.shake_128(seed.encode()).digest(size)
    return re.sub(rb"[^A-Za-z0-9]", b"x", base64.b64encode(digest))[:size].decode()


class Writer:
    """Writes to a cluster continuously until the `with` block ends. An error fails the test."""

    def __init__(self, cluster: EtcdCluster, keys: int = 500, prefix: str = "live"):
        self._cluster, self._keys, self._prefix = cluster, keys, prefix
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._error: Exception | None = None
        self.rounds = 0

    def _write(self) -> None:
        try:
            while not self._stop.is_set():
                pairs = {
                    f"{self._prefix}/{n:05d}": text(f"{self.rounds}/{n}", 60) for n in range(self._keys)
                }
                self._cluster.put_many(pairs)
                self.rounds += 1
        except Exception as error:  # noqa: BLE001: raised again in the test's thread
            self._error = error

    def __enter__(self) -> "Writer":
        self._thread.start()
        wait_until("the writer's first round", lambda: self.rounds > 0 or self._error)
        return self

    def __exit__(self, *_exception) -> None:
        self._stop.set()
        self._thread.join(60)
        if self._error is not None:
            raise self._error
