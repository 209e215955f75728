"""Faults during a backup of etcd: each message names the object, and no incomplete snapshot becomes visible."""

from proxy import Proxy
from rig import SERVICE, EtcdCluster, make_agent, run_tests, secured_cluster, source_of
from lib import Authority, Case, Restic, free_port

MARK = "spoil-me-spoil-me-spoil-me"


def snapshots(agent) -> list:
    return agent.json("list")["repositories"][0]["snapshots"]


class Access(Case):
    """One member with TLS, client certificates and authentication."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.shared = cls.shared_directory()
        cls.cluster = secured_cluster(cls.shared / "cluster", members=1)
        cls.addClassCleanup(cls.cluster.stop)

    def failed(self, expect: int | None, **options) -> str:
        """stderr of a backup, which must exit with `expect` and leave no snapshot. None means 4 or 5: the server may
        hang up before its refusal of a certificate arrives."""
        source = source_of(self.cluster, self.directory) | options
        source = {name: value for name, value in source.items() if value is not None}
        agent = make_agent(self.directory / "agent", source)
        done = agent.run("backup", "etcd/main", expect=expect)
        self.assertIn(done.code, (4, 5) if expect is None else (expect,))
        said = done.stderr
        self.assertEqual(snapshots(agent), [])
        self.assertNotIn(self.cluster.user[1], said)
        return said

    def test_closed_port_is_named(self) -> None:
        endpoint = f"https://127.0.0.1:{free_port()}"
        said = self.failed(5, endpoints=[endpoint])
        self.assertIn(f'"{endpoint}"', said)

    def test_server_certificate_of_another_authority_is_refused(self) -> None:
        other = Authority(self.directory / "other", "other")
        said = self.failed(4, ca=str(other.ca))
        self.assertIn(self.cluster.endpoints[0], said)
        self.assertIn("`ca`", said)

    def test_missing_client_certificate_is_named(self) -> None:
        said = self.failed(None, cert=None, key=None)
        self.assertIn(self.cluster.endpoints[0], said)
        self.assertIn("client certificate", said)

    def test_client_certificate_of_another_authority_is_refused(self) -> None:
        other = Authority(self.directory / "other", "other").issue("stranger")
        said = self.failed(None, cert=str(other.cert), key=str(other.key))
        self.assertIn(self.cluster.endpoints[0], said)

    def test_key_of_another_certificate_is_refused(self) -> None:
        other = Authority(self.directory / "other", "other").issue("stranger")
        said = self.failed(2, key=str(other.key))
        self.assertIn("are PEM files and match", said)

    def test_plain_connection_to_a_tls_port_is_recognized(self) -> None:
        plain = self.cluster.endpoints[0].replace("https", "http")
        said = self.failed(5, endpoints=[plain], ca=None, cert=None, key=None)
        self.assertIn(plain, said)
        self.assertIn("https://", said)

    def test_wrong_password_is_refused(self) -> None:
        password = self.directory / "wrong"
        password.write_text("wrong\n")
        said = self.failed(4, password_file=str(password))
        self.assertIn("login refused", said)
        self.assertIn(self.cluster.endpoints[0], said)

    def test_user_without_the_role_is_refused(self) -> None:
        self.cluster.ctl("user", "add", f"guest-{self.directory.name}:guest")
        password = self.directory / "guest"
        password.write_text("guest\n")
        said = self.failed(4, user=f"guest-{self.directory.name}", password_file=str(password))
        self.assertIn("role root", said)

    def test_unreadable_files_are_named(self) -> None:
        said = self.failed(2, ca="/nonexistent/ca.pem")
        self.assertIn("/nonexistent/ca.pem", said)


class Stream(Case):
    """One member without TLS, through a proxy that corrupts the stream."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = EtcdCluster(cls.shared_directory() / "cluster", SERVICE, 1)
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()
        cls.cluster.put_many({f"key/{n:05d}": MARK * 4 for n in range(20_000)})

    def backup_through(self, spoil, expect: int):
        proxy = Proxy(self.cluster, spoil)
        self.addCleanup(proxy.close)
        self.agent = make_agent(
            self.directory / "agent", self.cluster.source(endpoints=[proxy.endpoint])
        )
        return self.agent.run("backup", "etcd/main", expect=expect), proxy

    def assert_nothing_visible(self) -> None:
        self.assertEqual(snapshots(self.agent), [])
        directory = self.directory / "agent"
        restic = Restic(directory / "repository", directory / "password", self.directory / "cache")
        restic.check()
        self.assertEqual(restic.snapshots(), [])

    def test_stream_through_the_proxy_is_saved(self) -> None:
        self.backup_through(lambda _sent, piece: piece, expect=0)

    def test_torn_stream_leaves_no_snapshot(self) -> None:
        done, proxy = self.backup_through(
            lambda sent, piece: None if sent > 1_000_000 else piece, expect=1
        )
        self.assertIn(proxy.endpoint, done.stderr)
        self.assert_nothing_visible()

    def test_changed_bytes_leave_no_snapshot(self) -> None:
        def flip(sent: int, piece: bytes) -> bytes:
            return piece.replace(b"spoil-me", b"spoil-ME") if 1_000_000 < sent < 1_200_000 else piece

        done, _ = self.backup_through(flip, expect=1)
        self.assertIn("SHA-256", done.stderr)
        self.assert_nothing_visible()


if __name__ == "__main__":
    run_tests("restic")
