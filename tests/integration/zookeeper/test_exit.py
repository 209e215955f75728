"""docs/exit/zookeeper.md: restic and a shell script restore an ensemble, and ZooKeeper starts with it."""

import os
from pathlib import Path

from rig import ensemble, make_agent, run_tests, source_of
from lib import Case, ExitPage, ZooKeeperEnsemble, run
from lib.places import ROOT, service_program
from lib.zookeeper_client import create

# A replacement for `nc HOST PORT`, which may not be installed.
NC = """import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as one:
    one.sendall(sys.stdin.buffer.read())
    while piece := one.recv(65536): sys.stdout.buffer.write(piece)
"""


class WithoutHoldfast(Case):
    def setUp(self) -> None:
        super().setUp()
        self.old = self.ensemble("old")
        self.old.start()
        with self.old.client(1) as client:
            client.fill(create(f"/n{number}", b"x" * 100) for number in range(300))
            self.tree = client.tree()
        self.agent = make_agent(self.directory / "agent", source_of(self.old, 1))
        self.agent.run("backup", "zookeeper/main")
        self.count = self.old.srvr()["Node count"]
        self.old.kill()

    def ensemble(self, name: str, **options) -> ZooKeeperEnsemble:
        made = ensemble(self.directory / name, 3, **options)
        self.addCleanup(made.kill)
        return made

    def exit(self, *arguments: str, expect: int = 0) -> str:
        env = {
            "PATH": f"{Path(service_program('restic', 'restic')).parent}:{os.environ['PATH']}",
            "RESTIC_CACHE_DIR": str(self.directory / "cache"),
            "RESTIC_REPOSITORY": str(self.directory / "agent" / "repository"),
            "RESTIC_PASSWORD_FILE": str(self.directory / "agent" / "password"),
        }
        done = run([str(ROOT / "scripts" / "exit" / "zookeeper"), *arguments], env=env, expect=expect)
        return done.stdout + done.stderr

    def check(self, new: ZooKeeperEnsemble) -> None:
        new.start()
        with new.client(3) as client:
            client.sync()
            self.assertEqual(client.tree(), self.tree)
            client.create("/goes-on")
        self.assertEqual(int(new.srvr(3)["Node count"]), int(self.count) + 1)

    def test_script_restores_each_member(self) -> None:
        new = self.ensemble("new")
        for number, member in new.members.items():
            self.exit("--data-dir", str(member.data_dir), "--id", str(number), "main")
            self.assertIn("move it aside", self.exit("--data-dir", str(member.data_dir), "main", expect=1))
        self.check(new)

    def test_page_works_as_written(self) -> None:
        new = self.ensemble("new")
        scratch = self.directory / "scratch"
        scratch.mkdir()
        page = ExitPage("zookeeper", self.directory, self.directory / "agent" / "repository",
                        {"/tmp/zookeeper-restore": str(self.directory / "restored"), "NODE": "test-1",
                         "-C / ": f"-C {scratch} ", "127.0.0.1 2181": " ".join(map(str, new.members[3].address))})
        page.program("nc", f'exec python3 -c "{NC}" "$@"')

        self.assertIn("zookeeper/main", page.run(0))
        for number, member in new.members.items():
            member.data_dir.mkdir(parents=True, exist_ok=True)
            page.run(1, {"/var/lib/zookeeper": str(member.data_dir), "echo 1 >": f"echo {number} >"})
            self.assertEqual((member.data_dir / "myid").read_text(), f"{number}\n")
        page.run(2)
        config = self.old.members[1].config
        self.assertEqual((scratch / str(config)[1:]).read_text(), config.read_text())
        new.start()
        self.assertIn(f"Node count: {self.count}\n", page.run(3))

        self.assertEqual(page.end(), [f"-R zookeeper:zookeeper {one.data_dir}" for one in new.members.values()])
        with new.client(3) as client:
            client.sync()
            self.assertEqual(client.tree(), self.tree)

    def test_script_restores_separate_log_directories(self) -> None:
        new = self.ensemble("new", own_log_dir=True)
        for number, member in new.members.items():
            places = ["--data-dir", str(member.data_dir), "--data-log-dir", str(member.log_dir)]
            self.exit(*places, "--id", str(number), "main")
            self.assertEqual([len(member.snapshots()) > 0, len(member.logs()) > 0], [True, True])
        self.check(new)

    def test_script_names_an_unknown_source(self) -> None:
        output = self.exit("--data-dir", str(self.directory / "x"), "other", expect=1)
        self.assertIn('no snapshot of "zookeeper/other"', output)


if __name__ == "__main__":
    run_tests("restic")
