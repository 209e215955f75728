"""An ensemble is saved under load, and others start with the snapshots: no multi is torn, no write that was confirmed
before the backup is missing, and the last transaction is the one in the manifest."""

import shutil
import struct
import threading
from pathlib import Path

from rig import begin_with, ensemble, make_agent, restored, run_tests, source_of
from lib import Case, MultiWriter, ZooKeeperEnsemble, wait_until
from lib.zookeeper import Member
from lib.zookeeper_client import create

TREES = 4
GROUPS = 50
BALLAST = 20_000
# Nodes that are set together are far apart in a snapshot, with others between them.
PATHS = [[f"/tree-{tree}/{group}" for tree in range(TREES)] for group in range(GROUPS)]
BACKUPS = 6
SNAPSHOT_END = b"\0\0\0\1/"


def value_in(snapshot: bytes, path: str) -> int:
    """The number in node `path` of a snapshot file, where jute writes the data directly after the path."""
    name = path.encode()
    key = struct.pack(">i", len(name)) + name
    at = snapshot.index(key) + len(key)
    [length] = struct.unpack_from(">i", snapshot, at)
    return int(snapshot[at + 4 : at + 4 + length])


class UnderLoad(Case):
    """Three members. The second one is saved while it writes snapshot after snapshot and purges old ones."""

    def setUp(self) -> None:
        super().setUp()
        self.zookeeper = ensemble(self.directory / "zk", flags="-Dzookeeper.snapCount=2000", own_log_dir=True)
        self.addCleanup(self.zookeeper.kill)
        self.zookeeper.start()
        with self.zookeeper.client(1) as client:
            for tree in range(TREES):
                client.create(f"/tree-{tree}")
                client.fill(create(f"/tree-{tree}/ballast-{n}", b"x" * 50) for n in range(BALLAST // TREES))
            client.fill(create(path, b"0") for group in PATHS for path in group)
        self.agent = make_agent(self.directory / "agent", source_of(self.zookeeper, 2))
        self.purging = threading.Event()

    def purge(self) -> None:
        while not self.purging.wait(0.5):
            self.zookeeper.purge(2)

    def begin(self, name: str, data: Path, members: int = 1) -> ZooKeeperEnsemble:
        other = ensemble(self.directory / name, members)
        self.addCleanup(other.kill)
        return begin_with(other, data)

    def values(self, zookeeper: ZooKeeperEnsemble, number: int = 1) -> list[list[int]]:
        with zookeeper.client(number) as client:
            client.sync()
            return [[int(client.get(path)[0]) for path in group] for group in PATHS]

    def torn(self, values: list[list[int]]) -> list[list[int]]:
        return [group for group in values if len(set(group)) > 1]

    def test_snapshots_under_load_are_consistent(self) -> None:
        purge = threading.Thread(target=self.purge)
        with self.zookeeper.client(1) as client, MultiWriter(client, PATHS) as writer:
            purge.start()
            self.addCleanup(purge.join)
            self.addCleanup(self.purging.set)
            saved = []
            for number in range(BACKUPS):
                wait_until("new snapshots", lambda n=number: writer.acknowledged[1] > 60 * (n + 1) * GROUPS, 120)
                before = list(writer.acknowledged)
                self.agent.run("backup", "zookeeper/main")
                saved.append((restored(self.agent, self.directory / f"out-{number}"), before))
        self.purging.set()
        last_zxid = 0
        for number, ((files, manifest), before) in enumerate(saved):
            with self.subTest(number):
                self.assertEqual((manifest["missing"], manifest["details"]["service"]), ([], ["live"]))
                zxid = int(manifest["position"]["zxid"], 16)
                self.assertGreater(zxid, last_zxid)
                last_zxid = zxid
                self.assertEqual(manifest["details"]["digest_confirmed_at"], [hex(zxid)])
                members = 3 if number == BACKUPS - 1 else 1
                other = self.begin(f"other-{number}", files / "data", members)
                if members == 1:
                    self.assertEqual(other.zxid(), zxid)  # before the first client connects
                self.assertEqual(other.srvr()["Node count"], *manifest["details"]["znodes"])
                for member in other.members:
                    values = self.values(other, member)
                    self.assertEqual(self.torn(values), [])
                    for (value, *_), confirmed in zip(values, before, strict=True):
                        self.assertGreaterEqual(value, confirmed)
                if members == 1:
                    [end] = self.last_records(other, files)
                    self.assertEqual(end, zxid)
                else:
                    with other.client(1) as client:
                        client.create("/goes-on")
                other.kill()
        self.compare_members(saved[-1][0])

    def last_records(self, other: ZooKeeperEnsemble, files: Path) -> list[int]:
        """The zxid of the last record, according to ZooKeeper's own tool."""
        logs = sorted((files / "data" / "version-2").glob("log.*"), key=lambda log: int(log.name.split(".")[1], 16))
        records = [line for line in other.dump_log(logs[-1]).splitlines() if " zxid 0x" in line]
        return [int(records[-1].split(" zxid 0x")[1].split()[0], 16)]

    def compare_members(self, snapshot: tuple[Path, dict]) -> None:
        files, manifest = snapshot
        saved = files / "members" / "test-1" / "files"
        member = self.zookeeper.members[2]
        for path in (member.config, member.data_dir / "myid"):
            self.assertEqual((saved / str(path).lstrip("/")).read_bytes(), path.read_bytes())
        self.assertTrue((files / "members" / "test-1" / "process.json").exists())
        self.assertEqual([one["id"] for one in manifest["members"]], ["1", "2", "3"])
        self.assertEqual(sum(one.get("leader") == "true" for one in manifest["members"]), 1)
        self.assertEqual(manifest["details"]["current_epoch"], ["1"])
        self.assertFalse(list((files / "data").rglob("*Epoch")))

    def wait_for_torn(self, member: Member, seen: set[Path]) -> Path:
        """The first complete snapshot of `member`, not in `seen`, during which a multi was applied. A snapshot takes
        milliseconds, so a busy machine may apply no multi during one."""

        def look() -> Path | None:
            for snapshot in member.snapshots():
                if snapshot in seen:
                    continue
                content = snapshot.read_bytes()
                if not content.endswith(SNAPSHOT_END):
                    return None
                seen.add(snapshot)
                if self.torn([[value_in(content, path) for path in group] for group in PATHS]):
                    return snapshot
            return None

        return wait_until("a snapshot during which a multi was applied", look, 240)

    def test_copying_logs_first_tears_multis(self) -> None:
        """Why the agent copies logs last: `cp -r` copies them first, and ZooKeeper does not notice the damage."""
        member = self.zookeeper.members[2]
        copy = self.directory / "copy" / "version-2"
        copy.mkdir(parents=True)
        with self.zookeeper.client(1) as client, MultiWriter(client, PATHS):
            wait_until("a snapshot under load", lambda: len(member.snapshots()) > 3)
            for log in member.logs():
                shutil.copy(log, copy)
            begun_before = set(member.snapshots())
            shutil.copy(self.wait_for_torn(member, begun_before), copy)
        other = self.begin("swapped", copy.parent)
        self.assertNotEqual(self.torn(self.values(other)), [])
        other.kill()
        # The agent reports the same files as torn.
        lone = ensemble(self.directory / "lone", 1)
        shutil.copytree(copy.parent, lone.members[1].data_dir)
        lone.write_config(1)
        agent = make_agent(self.directory / "lone-agent", source_of(lone))
        agent.run("backup", "zookeeper/main", expect=3)
        _, manifest = restored(agent, self.directory / "lone-out")
        self.assertIn("torn", manifest["missing"][0]["reason"])


if __name__ == "__main__":
    run_tests()
