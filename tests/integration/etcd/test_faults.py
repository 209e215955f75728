"""What goes wrong in front of an etcd: every message names the thing, and nothing half becomes visible."""

from proxy import Proxy
from rig import SERVICE, EtcdCluster, make_agent, run_tests, secured_cluster, source_of
from lib import Authority, Case, Restic, free_port

MARK = "spoil-me-spoil-me-spoil-me"


def snapshots(agent) -> list:
    return agent.json("list")["repositories"][0]["snapshots"]


class Access(Case):
    """Against one member with TLS, client certificates and authentication."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.shared = cls.shared_directory()
        cls.cluster = secured_cluster(cls.shared / "cluster", members=1)
        cls.addClassCleanup(cls.cluster.stop)

    def failed(self, expect: int | None, **options) -> str:
        """What a backup of the source says, which must end with `expect` and leave no snapshot. None: with
        4 or 5; whether a server's refusal of a certificate arrives before it hangs up is not certain."""
        source = source_of(self.cluster, self.directory) | options
        source = {name: value for name, value in source.items() if value is not None}
        agent = make_agent(self.directory / "agent", source)
        done = agent.run("backup", "etcd/main", expect=expect)
        self.assertIn(done.code, (4, 5) if expect is None else (expect,))
        said = done.stderr
        self.assertEqual(snapshots(agent), [])
        self.assertNotIn(self.cluster.user[1], said)
        return said

    def test_nobody_listens(self) -> None:
        endpoint = f"https://127.0.0.1:{free_port()}"
        said = self.failed(5, endpoints=[endpoint])
        self.assertIn(f'"{endpoint}"', said)

    def test_a_certificate_of_another_authority(self) -> None:
        other = Authority(self.directory / "other", "other")
        said = self.failed(4, ca=str(other.ca))
        self.assertIn(self.cluster.endpoints[0], said)
        self.assertIn("`ca`", said)

    def test_no_client_certificate(self) -> None:
        said = self.failed(None, cert=None, key=None)
        self.assertIn(self.cluster.endpoints[0], said)
        self.assertIn("client certificate", said)

    def test_a_client_certificate_of_another_authority(self) -> None:
        other = Authority(self.directory / "other", "other").issue("stranger")
        said = self.failed(None, cert=str(other.cert), key=str(other.key))
        self.assertIn(self.cluster.endpoints[0], said)

    def test_a_key_that_does_not_belong_to_the_certificate(self) -> None:
        other = Authority(self.directory / "other", "other").issue("stranger")
        said = self.failed(2, key=str(other.key))
        self.assertIn("are PEM files and match", said)

    def test_clear_text_to_a_tls_port(self) -> None:
        plain = self.cluster.endpoints[0].replace("https", "http")
        said = self.failed(5, endpoints=[plain], ca=None, cert=None, key=None)
        self.assertIn(plain, said)
        self.assertIn("https://", said)

    def test_a_wrong_password(self) -> None:
        password = self.directory / "wrong"
        password.write_text("wrong\n")
        said = self.failed(4, password_file=str(password))
        self.assertIn("login refused", said)
        self.assertIn(self.cluster.endpoints[0], said)

    def test_a_user_without_the_role(self) -> None:
        self.cluster.ctl("user", "add", f"guest-{self.directory.name}:guest")
        password = self.directory / "guest"
        password.write_text("guest\n")
        said = self.failed(4, user=f"guest-{self.directory.name}", password_file=str(password))
        self.assertIn("role root", said)

    def test_unreadable_files_are_named(self) -> None:
        said = self.failed(2, ca="/nonexistent/ca.pem")
        self.assertIn("/nonexistent/ca.pem", said)


class Stream(Case):
    """Against one member in clear text, through a proxy that spoils the stream."""

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

    def test_an_honest_proxy_is_no_fault(self) -> None:
        self.backup_through(lambda _sent, piece: piece, expect=0)

    def test_a_torn_stream(self) -> None:
        done, proxy = self.backup_through(
            lambda sent, piece: None if sent > 1_000_000 else piece, expect=1
        )
        self.assertIn(proxy.endpoint, done.stderr)
        self.assert_nothing_visible()

    def test_flipped_bytes(self) -> None:
        def flip(sent: int, piece: bytes) -> bytes:
            return piece.replace(b"spoil-me", b"spoil-ME") if 1_000_000 < sent < 1_200_000 else piece

        done, _ = self.backup_through(flip, expect=1)
        self.assertIn("SHA-256", done.stderr)
        self.assert_nothing_visible()


if __name__ == "__main__":
    run_tests("restic")
