"""An attacker knows the repository password. Stock restic is enough to write a snapshot that looks like one of a node,
with any files in it. A restore in place must not give the attacker more than the files of the restored source."""

import json
import os
import stat
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration" / "haproxy"))
from client.snapshots import Forger
from edge import Edge, LiveCase
from lib import Agent, Case, Restic, main, write_config
from lib.shows import shows

EVIL = "* * * * * root /tmp/evil\n"
# CAP_SETUID, as `setcap` stores it.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 7, 0, 0, 0)
FILES = "members/test-1/files"


class System:
    """Directories in the role of /etc and /root, which belong to no source."""

    def __init__(self, directory: Path):
        self.top = directory / "system"
        self.cron = self.top / "etc" / "cron.d" / "evil"
        self.keys = self.top / "root" / ".ssh" / "authorized_keys"
        self.unit = self.top / "etc" / "systemd" / "evil.service"
        self.ssl = self.top / "etc" / "ssl"
        self.cron.parent.mkdir(parents=True)
        self.keys.parent.mkdir(parents=True)
        self.keys.write_text("ssh-ed25519 the administrator's\n")
        self.ssl.mkdir()
        (self.ssl / "key.pem").write_text("a key\n")

    def state(self) -> dict[str, tuple[int, bytes]]:
        """Everything below `top`: modification times of directories, contents of files."""
        return {str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
                for path in sorted(self.top.rglob("*"))}


def text_of(report: dict) -> str:
    return "\n".join(report["changes"] + report["lines"] + report["warnings"])


@shows("the repository's password", "root's rights on a node",
       "cannot make a restore in place write or remove paths that the node does not name, or set privileges")
class HostileHaproxySnapshot(Case):
    def setUp(self) -> None:
        super().setUp()
        self.edge = Edge(self.directory, cheap_key=True)
        self.system = System(self.directory)
        self.policy = self.directory / "agent" / "policy.yaml"
        self.forger = Forger(self.edge.restic, self.directory, "haproxy/edge")
        self.forger.take(self.edge.backup()["snapshot"])
        self.edge.write("v2")
        self.before = self.system.state()

    def plant(self, path: Path, text: str = EVIL, mode: int = 0o644) -> Path:
        place = self.forger.live(FILES, path)
        place.write_text(text)
        place.chmod(mode)
        return place

    def restore(self, *arguments: str, expect: int = 0) -> dict:
        snapshot = self.forger.save()
        return self.edge.agent.json("restore", snapshot, "--in-place", *arguments, expect=expect)

    def assert_v1(self) -> None:
        self.assertEqual((self.edge.etc / "maps" / "version.map").read_text(), "version v1\n")

    def test_only_files_that_the_node_names_are_written(self) -> None:
        planted = [self.system.cron, self.system.keys, self.system.unit]
        for path in planted:
            self.plant(path)
        for arguments in (["--dry-run"], []):
            with self.subTest(arguments=arguments):
                report = self.restore(*arguments)

                self.assertEqual(self.system.state(), self.before)
                said = text_of(report)
                for path in (self.system.cron, self.system.keys, self.system.unit.parent):
                    self.assertRegex(said, f"left {path} .*as it is")
                self.assertIn("in_place_roots", said)
                self.assertIn(str(self.policy), said)
        self.assert_v1()

    def test_only_files_that_haproxy_would_load_are_removed(self) -> None:
        for name in ("certificate_directories", "config_directories"):
            self.forger.manifest["details"][name] = [str(self.system.ssl)]
        (self.system.ssl / "site.cfg").write_text("a configuration\n")
        self.before = self.system.state()

        self.restore()

        self.assertEqual(self.system.state(), self.before)
        self.assert_v1()

    def test_symlinks_lead_only_to_files_that_the_node_names(self) -> None:
        """A later restore would write to the file that the symlink leads to."""
        target = self.forger.live(FILES, self.edge.etc / "certs" / "site.pem")
        content = target.read_bytes()
        target.unlink()
        target.symlink_to(self.system.keys)
        self.plant(self.system.keys, content.decode())

        report = self.restore()

        self.assertFalse((self.edge.etc / "certs" / "site.pem").is_symlink())
        self.assertIn(f"left {self.edge.etc}/certs/site.pem as it is", text_of(report))
        self.assertEqual(self.system.state(), self.before)

    def test_a_symlinked_directory_leads_nowhere_else(self) -> None:
        """The live configuration names a certificate directory, and an administrator has linked a subdirectory."""
        (self.edge.etc / "certs" / "linked").symlink_to(self.system.cron.parent)
        self.plant(self.edge.etc / "certs" / "linked" / "evil")

        report = self.edge.agent.json("restore", self.forger.save(), "--in-place", expect=None)

        self.assertEqual(self.system.state(), self.before)
        self.assertIn("linked", json.dumps(report))

    def test_files_get_no_special_rights(self) -> None:
        site = self.forger.live(FILES, self.edge.etc / "certs" / "site.pem")
        site.chmod(0o6755)
        version = self.forger.live(FILES, self.edge.etc / "maps" / "version.map")
        if os.geteuid() == 0:
            os.setxattr(version, "security.capability", CAPABILITY)

        report = self.restore()

        self.assertEqual(stat.S_IMODE((self.edge.etc / "certs" / "site.pem").stat().st_mode), 0o755)
        self.assertNotIn("security.capability", os.listxattr(self.edge.etc / "maps" / "version.map"))
        self.assertIn("setuid", text_of(report))
        self.assert_v1()

    def test_policy_names_further_directories(self) -> None:
        self.plant(self.system.cron)
        self.plant(self.system.keys)
        self.policy.write_text(json.dumps({"in_place_roots": [str(self.system.cron.parent)]}))

        report = self.restore()

        self.assertEqual(self.system.cron.read_text(), EVIL)
        self.assertIn("the administrator's", self.system.keys.read_text())
        self.assertIn(f"left {self.system.keys} as it is", text_of(report))


class HostileStateFile(LiveCase):
    def test_server_state_is_written_only_to_files_that_the_node_names(self) -> None:
        """HAProxy's own state from the snapshot is written to the file that the restored configuration names."""
        edge = self.made(state_file=True)
        system = System(self.directory)
        edge.haproxy.start()
        forger = Forger(edge.restic, self.directory, "haproxy/edge")
        forger.take(edge.backup()["snapshot"])
        config = forger.live(FILES, edge.config)
        config.write_text(config.read_text().replace(f"server-state-file {self.state}",
                                                     f"server-state-file {system.cron}"))
        before = system.state()

        report = edge.agent.json("restore", forger.save(), "--in-place")

        self.assertEqual(system.state(), before)
        self.assertIn(str(system.cron), text_of(report))


class HostileFilesSnapshot(Case):
    def setUp(self) -> None:
        super().setUp()
        self.live = self.directory / "srv" / "app"
        self.live.mkdir(parents=True)
        (self.live / "program").write_text("a program\n")
        (self.live / "pipe").write_text("a file\n")
        self.system = System(self.directory)
        agent = self.directory / "agent"
        source = {"kind": "files", "name": "app", "paths": [str(self.live)]}
        self.agent = Agent(write_config(agent, [source]))
        (agent / "password").touch(0o600)
        (agent / "password").write_text("secret\n")
        self.policy = agent / "policy.yaml"
        restic = Restic(agent / "repository", agent / "password", self.directory / "cache")
        restic.init_cheaply()
        self.forger = Forger(restic, self.directory, "files/app")
        self.forger.take(self.agent.json("backup", "files/app")["sources"][0]["snapshot"])
        self.before = self.system.state()

    def place(self, path: Path) -> Path:
        return self.forger.live("data", path)

    def restore(self, *arguments: str, expect: int | None = 0) -> dict:
        return self.agent.json("restore", self.forger.save(), "--in-place", *arguments, expect=expect)

    def test_only_configured_paths_are_written(self) -> None:
        (self.live / "program").write_text("changed\n")
        for path in (self.system.cron, self.system.keys):
            self.place(path).write_text(EVIL)
        roots = [str(self.live), str(self.system.cron.parent), str(self.system.keys),
                 f"{self.live}/../../system/etc/cron.d"]
        self.forger.manifest["details"]["roots"] = roots
        for arguments in (["--dry-run"], []):
            with self.subTest(arguments=arguments):
                report = self.restore(*arguments)

                self.assertEqual(self.system.state(), self.before)
                for root in roots[1:]:
                    self.assertIn(f"left {root} as it is", text_of(report))
                self.assertIn("in_place_roots", text_of(report))
        self.assertEqual((self.live / "program").read_text(), "a program\n")

    def make_special(self) -> None:
        program = self.place(self.live / "program")
        program.chmod(0o6755)
        self.place(self.live / "pipe").unlink()
        os.mkfifo(self.place(self.live / "pipe"), 0o666)
        os.mkfifo(self.place(self.live / "new-pipe"), 0o666)
        if os.geteuid() == 0:
            os.mknod(self.place(self.live / "device"), 0o20666, os.makedev(1, 3))
            os.setxattr(program, "security.capability", CAPABILITY)

    def test_files_get_no_special_rights(self) -> None:
        self.make_special()
        for arguments in (["--dry-run"], []):
            with self.subTest(arguments=arguments):
                said = text_of(self.restore(*arguments))

                for what in ("setuid", "FIFO", *(["device", "capability"] if os.geteuid() == 0 else [])):
                    self.assertIn(what, said)
                self.assertIn("restore_special", said)
        self.assertEqual(stat.S_IMODE((self.live / "program").stat().st_mode), 0o755)
        self.assertEqual(os.listxattr(self.live / "program"), [])
        self.assertEqual(sorted(path.name for path in self.live.iterdir()), ["pipe", "program"])
        self.assertEqual((self.live / "pipe").read_text(), "a file\n")

    def test_policy_allows_special_files(self) -> None:
        self.make_special()
        self.policy.write_text(json.dumps({"restore_special": ["setuid", "fifos", "devices", "capabilities"]}))

        self.restore()

        self.assertTrue((self.live / "pipe").is_fifo() and (self.live / "new-pipe").is_fifo())
        if os.geteuid() == 0:
            self.assertEqual(stat.S_IMODE((self.live / "program").stat().st_mode), 0o6755)
            self.assertTrue((self.live / "device").is_char_device())
            self.assertEqual(os.getxattr(self.live / "program", "security.capability"), CAPABILITY)


if __name__ == "__main__":
    main("haproxy", "restic")
