"""The etcd member that sends the snapshot hangs mid-stream and dies. The agent of another member takes over."""

import hashlib
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, EtcdCluster, Restic, main, run, service_program, wait_until
from lib.cluster import Cluster
from lib.etcd import Member, text

NODES = ("db-1", "db-2", "db-3")
DATABASE_BYTES = 500_000_000
_VALUE = 100_000
_PREFIXES = 20


def fill_big(cluster: EtcdCluster) -> None:
    """Writes keys of 100 KB, with a few prefixes, until the database has the required size."""
    numbers = range(DATABASE_BYTES // _VALUE)
    cluster.put_large((f"big/{n % _PREFIXES:02d}/{n:05d}", text(str(n), _VALUE)) for n in numbers)


def content(cluster: EtcdCluster) -> dict[str, str]:
    """Hashes of the keys and values of each prefix."""
    return {
        prefix: hashlib.sha256(cluster.ctl("get", prefix, "--prefix", member=cluster.members[0]).encode()).hexdigest()
        for prefix in [*(f"big/{number:02d}/" for number in range(_PREFIXES)), "key/"]
    }


class TakeOver(Case):
    def start_etcd(self) -> EtcdCluster:
        """Three members with a large database. One is filled and the others start from a copy of its data, so that no
        member also has half a gigabyte in its log."""
        first = EtcdCluster(self.directory / "first", "etcd").start()
        first.fill(2000)
        fill_big(first)
        self.expected = content(first)
        first.stop()
        etcd = EtcdCluster(self.directory / "etcd", "etcd", members=3)
        for member in etcd.members:
            run(
                [
                    *(service_program("etcd", "etcdctl"), "snapshot", "restore"),
                    *(str(first.members[0].data_dir / "member" / "snap" / "db"), "--skip-hash-check"),
                    *("--name", member.name, "--data-dir", str(member.data_dir)),
                    *("--initial-cluster", etcd.initial_cluster, "--initial-cluster-token", etcd.token),
                    *("--initial-advertise-peer-urls", member.peer_url),
                ],
                env={"ETCDCTL_API": "3"},
            )
        shutil.rmtree(first.members[0].data_dir)
        return etcd.start()

    def test_another_agent_takes_over_when_the_member_dies_mid_stream(self) -> None:
        etcd = self.start_etcd()
        cluster = Cluster(self.directory).start()
        for node, member in zip(NODES, etcd.members, strict=True):
            extra = self.directory / f"{node}.conf"
            extra.write_text(f"only {node} has this\n")
            cluster.add(
                node, [{"kind": "etcd", "name": "main", "endpoints": [member.client_url], "files": [str(extra)]}]
            )
        members = dict(zip(NODES, etcd.members, strict=True))

        run_id = cluster.json("backup", "--all", "--no-wait")["runs"][0]["run"]
        first = self.stop_in_mid_stream(cluster, run_id, members)
        self.wait_for_standstill(cluster, run_id)
        assert members[first].process is not None
        members[first].process.kill()
        view = cluster.wait_for_end(run_id, 300)

        saved = [task for task in view["tasks"] if task["kind"] == "backup" and task["data"]]
        self.assertEqual(view["state"], "done", view)
        self.assertEqual(saved[0]["node"], first)
        self.assertEqual(saved[0]["state"], "failed", saved)
        self.assertGreaterEqual(len(saved), 2)
        self.assertNotEqual(saved[-1]["node"], first)
        self.assertEqual([task["round"] for task in saved][:2], [0, 1])
        self.look_at_the_snapshot(cluster, view)

    def stop_in_mid_stream(self, cluster: Cluster, run_id: str, members: dict[str, Member]) -> str:
        """Stops the member that is being read when it has sent a good part of its database, but not all. Returns its
        node."""

        def is_in_the_middle() -> dict | None:
            for task in self.data_tasks(cluster, run_id):
                if task["bytes"] > DATABASE_BYTES // 20:
                    return task
            return None

        task = wait_until("the middle of the stream", is_in_the_middle, 120)
        process = members[task["node"]].process
        assert process is not None
        process.signal(signal.SIGSTOP)
        self.assertLess(task["bytes"], DATABASE_BYTES * 8 // 10)
        return task["node"]

    def wait_for_standstill(self, cluster: Cluster, run_id: str) -> None:
        """Waits until two progress reports, at least a second apart, are the same: the stream has stopped."""
        last, since = -1, time.monotonic()

        def stands() -> bool:
            nonlocal last, since
            task = self.data_tasks(cluster, run_id)[0]
            self.assertEqual(task["state"], "saving", task)
            if task["bytes"] != last:
                last, since = task["bytes"], time.monotonic()
            return time.monotonic() - since > 2.5

        wait_until("a stream that stands still", stands, 60)
        self.assertLess(last, DATABASE_BYTES)

    @staticmethod
    def data_tasks(cluster: Cluster, run_id: str) -> list[dict]:
        return [task for task in cluster.run_of(run_id)["tasks"] if task["kind"] == "backup" and task["data"]]

    def look_at_the_snapshot(self, cluster: Cluster, view: dict) -> None:
        """Checks the snapshot with stock restic and etcd's own tools only."""
        restic = Restic(cluster.repository, cluster.password, self.directory / "cache")
        found = restic.snapshots()
        self.assertEqual([one["id"] for one in found], [one["id"] for one in view["snapshots"]])
        self.assertNotIn("partial", found[0]["tags"])
        restic.check()
        target = self.directory / "out"
        restic.restore(found[0]["id"], target)
        top = target / "etcd" / "main"
        self.assertEqual(sorted(path.name for path in (top / "members").iterdir()), list(NODES))
        database = top / "data" / "snapshot.db"
        self.assertGreaterEqual(database.stat().st_size, DATABASE_BYTES)
        status = run(
            [service_program("etcd", "etcdctl"), "snapshot", "status", str(database)], env={"ETCDCTL_API": "3"}
        )
        self.assertIn(",", status.stdout)
        again = EtcdCluster(self.directory / "again", "etcd")
        again.restore_by_etcd(database, again.members[0])
        self.assertEqual(content(again.start()), self.expected)


main("etcd", "restic")
