"""Real ZooKeeper ensembles on loopback, with one or several members."""

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .places import SERVICES, service_program
from .processes import Process, free_port, run, wait_until
from .zookeeper_client import ZooKeeperClient

_PATIENCE = 120
# Killed processes would leave files in the system's temporary directory.
_JAVA = "-XX:-UsePerfData -Djava.io.tmpdir={} -Djava.library.path={}"


@dataclass
class Member:
    number: int
    directory: Path
    data_dir: Path
    log_dir: Path
    client_port: int = field(default_factory=free_port)
    quorum_port: int = field(default_factory=free_port)
    election_port: int = field(default_factory=free_port)
    process: Process | None = None

    @property
    def config(self) -> Path:
        return self.directory / "zoo.cfg"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.client_port

    def is_running(self) -> bool:
        return self.process is not None and self.process.is_running()

    def snapshots(self) -> list[Path]:
        """Snapshot files, oldest first."""
        return _by_zxid(self.data_dir / "version-2", "snapshot")

    def logs(self) -> list[Path]:
        return _by_zxid(self.log_dir / "version-2", "log")


def _by_zxid(directory: Path, prefix: str) -> list[Path]:
    return sorted(directory.glob(f"{prefix}.*"), key=lambda path: int(path.name.split(".")[1], 16))


class ZooKeeperEnsemble:
    """An ensemble of `service`, "zookeeper" or "zookeeper39". A single member is a standalone server. Nothing runs
    before start(). `properties` are lines of each zoo.cfg, `flags` those of Java. `own_log_dir` separates logs from
    snapshots."""

    def __init__(
        self,
        directory: Path,
        service: str = "zookeeper39",
        members: int = 3,
        *,
        properties: dict[str, str] | None = None,
        flags: str = "",
        heap: str = "-Xmx256m",
        own_log_dir: bool = False,
    ):
        self.directory = directory
        self.service = service
        self.flags = flags
        self.heap = heap
        self.properties = {"tickTime": "1000", "initLimit": "30", "syncLimit": "15", "maxClientCnxns": "0"}
        self.properties |= {"admin.enableServer": "false"} | (properties or {})
        self.members = {}
        for number in range(1, members + 1):
            home = directory / f"member-{number}"
            log_dir = home / "log" if own_log_dir else home / "data"
            self.members[number] = Member(number, home, home / "data", log_dir)
        directory.mkdir(parents=True, exist_ok=True)

    # -- starting and ending

    def start(self) -> "ZooKeeperEnsemble":
        """Starts every stopped member at once and waits until each serves."""
        for member in self.members.values():
            if not member.is_running():
                self._launch(member)
        for member in self.members.values():
            self._wait_for(member)
        return self

    def start_member(self, number: int) -> None:
        self._launch(self.members[number])
        self._wait_for(self.members[number])

    def stop(self) -> None:
        """Stops all members at once."""
        running = [member for member in self.members.values() if member.is_running()]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda member: member.process.stop(), running))

    def kill(self) -> None:
        for member in self.members.values():
            if member.process is not None:
                member.process.kill()

    def write_config(self, number: int) -> Path:
        """Writes zoo.cfg and myid, as start() does."""
        member = self.members[number]
        member.directory.mkdir(parents=True, exist_ok=True)
        member.data_dir.mkdir(exist_ok=True)
        lines = dict(self.properties) | {"dataDir": str(member.data_dir)}
        if member.log_dir != member.data_dir:
            lines["dataLogDir"] = str(member.log_dir)
        if len(self.members) == 1:
            lines |= {"clientPort": str(member.client_port), "clientPortAddress": "127.0.0.1"}
        else:
            for other in self.members.values():
                ports = f"{other.quorum_port}:{other.election_port}:participant;127.0.0.1:{other.client_port}"
                lines[f"server.{other.number}"] = f"127.0.0.1:{ports}"
            (member.data_dir / "myid").write_text(f"{number}\n")
        member.config.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        return member.config

    def _launch(self, member: Member) -> None:
        config = self.write_config(member.number)
        scratch, lib = member.directory / "tmp", SERVICES / self.service / "lib"
        scratch.mkdir(exist_ok=True)
        member.process = Process(
            [service_program(self.service, "zookeeper-server"), str(config)],
            member.directory / "output",
            env={
                "JVMFLAGS": f"{_JAVA.format(scratch, lib)} {self.flags}",
                "LD_LIBRARY_PATH": str(lib),  # for snappy
                "KAFKA_HEAP_OPTS": self.heap,
            },
        )

    def _wait_for(self, member: Member) -> None:
        def serves() -> bool:
            return not member.is_running() or "Mode" in self.srvr(member.number)

        try:
            wait_until(f"member {member.number} to serve", serves, _PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{member.process.tail()}") from None
        member.process.require_running()

    # -- clients and four-letter words

    def client(self, number: int = 1, **options) -> ZooKeeperClient:
        return ZooKeeperClient(self.members[number].address, **options)

    def word(self, number: int, word: str) -> str:
        """A member's answer to one of the four-letter words."""
        with socket.create_connection(self.members[number].address, timeout=5) as connection:
            connection.sendall(word.encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
        return answer.decode()

    def srvr(self, number: int = 1) -> dict[str, str]:
        """E.g. {"Mode": "follower", "Zxid": "0x100000002", "Node count": "5"}; empty if the member does not serve."""
        lines = self.word(number, "srvr").splitlines()
        return dict(line.split(": ", 1) for line in lines if ": " in line)

    def zxid(self, number: int = 1) -> int:
        return int(self.srvr(number)["Zxid"], 16)

    def leader(self) -> int:
        """Number of the ensemble's leader."""

        def found() -> list[int]:
            running = [number for number, member in self.members.items() if member.is_running()]
            return [number for number in running if self.srvr(number).get("Mode") == "leader"]

        return wait_until("a leader", found, _PATIENCE)[0]

    # -- files

    def purge(self, number: int, keep: int = 3) -> None:
        """Runs what autopurge does once an hour."""
        member = self.members[number]
        argv = [service_program(self.service, "zookeeper-purge"), str(member.log_dir), str(member.data_dir)]
        run([*argv, "-n", str(keep)], env={"JVMFLAGS": _JAVA.format(member.directory / "tmp", member.directory)})

    def dump_log(self, file: Path) -> str:
        """What ZooKeeper's own tool reads in the file: a line per transaction."""
        return run([service_program(self.service, "zookeeper-logs"), "-d", str(file)], expect=None).stdout
