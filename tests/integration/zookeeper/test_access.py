"""Restores of nodes into ensembles that require TLS with certificates on both sides, or a login with SASL's DIGEST-MD5.
A refused restore names the reason and creates nothing."""

import contextlib
import socket
import struct
import threading
from pathlib import Path

from rig import ensemble, make_agent, run_tests, source_of
from lib import Authority, Case, ZooKeeperEnsemble, free_port, run

SUPER = "super:lK75jTNcA+U9vtVEw5vB51mj/w4="  # of "super:secret"
OF_BOB = ((31, "sasl", "bob"),)
JAAS = """\
Server {{
  {module} required
  {options};
}};
"""
CREATE, PING_KIND, PING, NO_NODE = 1, 11, -2, -101
SHORT_SESSION_MS = 1000
DIGEST_MODULE = "org.apache.zookeeper.server.auth.DigestLoginModule"


class Guarded(Case):
    """Saves a server, and restores /app from the snapshot."""

    def start(self, **options) -> ZooKeeperEnsemble:
        server = ensemble(self.directory / "zk", 1, **options)
        self.addCleanup(server.kill)
        return server.start()

    def save(self, server: ZooKeeperEnsemble) -> None:
        """REQUIRES: /app exists."""
        self.agent = make_agent(self.directory / "agent", source_of(server))
        self.agent.run("backup", "zookeeper/main")

    def auth(self, *lines: str) -> list[str]:
        file = self.directory / "auth"
        file.write_text("".join(f"{line}\n" for line in lines))
        return ["--auth-file", str(file)]

    def restore(self, where: str, *arguments: str, **options):
        return self.agent.run("restore", "latest:zookeeper/main", "--znode", "/app", "--to-ensemble", where, *arguments,
                              **options)

    def refused(self, text: str, where: str, *arguments: str) -> None:
        done = self.restore(where, *arguments, expect=None)
        self.assertNotEqual(done.code, 0)
        self.assertIn(text, done.stderr)
        self.assertRegex(done.stderr, r"hint:|--target-cert: ")  # what to do


class ByTls(Guarded):
    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority(self.directory / "tls")
        self.secure_port = free_port()
        self.server = self.start(
            properties={
                "secureClientPort": str(self.secure_port),
                # It listens at all addresses, but its certificate is only for 127.0.0.1 and localhost.
                "secureClientPortAddress": "0.0.0.0",
                "ssl.keyStore.location": str(self.pem("server")),
                "ssl.trustStore.location": str(self.authority.ca),
                "ssl.hostnameVerification": "false",  # of clients, which have no fixed names
            },
            flags="-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
        )
        with self.server.client() as client:
            client.create("/app", b"1")
            client.create("/app/large", b"x" * 300_000)
            self.tree = client.tree("/app")
            self.save(self.server)
            client.delete("/app/large")
            client.delete("/app")
        own = self.authority.issue("agent")
        self.ca = ["--target-ca", str(self.authority.ca)]
        self.own = ["--target-cert", str(own.cert), "--target-key", str(own.key)]
        self.where = f"localhost:{self.secure_port}"

    def pem(self, name: str) -> Path:
        """Key and certificate in one file, as ZooKeeper expects them."""
        issued = self.authority.issue(name)
        key = run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", str(issued.key)]).stdout
        file = self.directory / "tls" / f"{name}-both.pem"
        file.write_text(key + issued.cert.read_text())
        return file

    def test_tree_is_restored_over_tls(self) -> None:
        for where in (self.where, f"127.0.0.1:{self.secure_port}"):
            with self.subTest(where), self.server.client() as client:
                self.restore(where, *self.ca, *self.own)
                self.assertEqual(client.tree("/app"), self.tree)
                client.delete("/app/large")
                client.delete("/app")

    def test_untrusted_certificates_are_refused(self) -> None:
        stranger = Authority(self.directory / "stranger")
        strange = stranger.issue("agent")
        self.refused("mismatch", f"127.0.0.2:{self.secure_port}", *self.ca, *self.own)
        self.refused("the server's certificate is not trusted:", self.where, "--target-ca", str(stranger.ca), *self.own)
        self.refused("certificate", self.where, *self.ca)
        self.refused("certificate", self.where, *self.ca, "--target-cert", str(strange.cert), "--target-key", str(strange.key))
        self.refused("require each other", self.where, *self.ca, *self.own[:2])
        self.refused("--target-ca", self.where, *self.own)
        self.refused("No such file", self.where, "--target-ca", str(self.directory / "none"))
        # A plain connection to the TLS port, and TLS to the plain port.
        self.refused("--target-ca", self.where)
        self.refused("TLS", f"localhost:{self.server.members[1].client_port}", *self.ca, *self.own)
        with self.server.client() as client:
            self.assertIsNone(client.stat("/app"))


class BySasl(Guarded):
    def start_with(self, module: str, options: str, **properties: str) -> str:
        jaas = self.directory / "jaas.conf"
        jaas.write_text(JAAS.format(module=module, options=options))
        server = self.start(
            properties={"authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"} | properties,
            flags=f"-Djava.security.auth.login.config={jaas} -Dzookeeper.DigestAuthenticationProvider.superDigest={SUPER}",
        )
        self.server = server
        return f"127.0.0.1:{server.members[1].client_port}"

    def test_tree_of_a_user_is_restored_after_login(self) -> None:
        where = self.start_with(DIGEST_MODULE, 'user_bob="bob:secret"')
        with self.server.client() as client:
            client.login("digest", "super:secret")
            client.create("/app", b"1", acl=OF_BOB)
            client.create("/app/below", b"2", acl=OF_BOB)
            self.tree = client.tree("/app")
            self.save(self.server)
            client.delete("/app/below")
            # Only bob may create nodes or read there.
            denied = self.restore(where, expect=3)
            self.assertIn("the server refuses it: missing permission", denied.stderr + denied.stdout)
            self.refused("refuses the login", where, *self.auth("sasl:bob:wrong"))
            self.refused("refuses the login", where, *self.auth("sasl:eve:secret"))
            self.refused("a user and a password", where, *self.auth("sasl:bob"))
            self.refused("GSSAPI", where, *self.auth("kerberos:bob@EXAMPLE.ORG"))
            self.assertEqual(client.children("/app"), [])
            self.restore(where, *self.auth("sasl:bob:bob:secret"))
            self.assertEqual(client.tree("/app"), self.tree)

    def test_server_that_requires_sasl_needs_a_login(self) -> None:
        where = self.start_with(DIGEST_MODULE, 'user_bob="secret"')
        with self.server.client() as client:
            client.create("/app", b"1")
            self.save(self.server)
            client.delete("/app")
        self.server.stop()
        self.server.properties |= {"enforce.auth.enabled": "true", "enforce.auth.schemes": "sasl"}
        self.server.start()
        self.refused("requires a SASL login", where)
        self.restore(where, *self.auth("sasl:bob:secret"))
        again = self.restore(where, *self.auth("digest:anna:secret", "sasl:bob:secret"))
        self.assertIn("1 already equal,", again.stdout)

    def test_server_without_sasl_is_named(self) -> None:
        server = self.start()
        with server.client() as client:
            client.create("/app", b"1")
        self.save(server)
        self.refused("does not support SASL logins", f"127.0.0.1:{server.members[1].client_port}", *self.auth("sasl:bob:secret"))


class Unheard(Guarded):
    """A busy server that has just started sometimes holds a commit back until the next request arrives."""

    def setUp(self) -> None:
        super().setUp()
        server = self.start()
        with server.client() as client:
            client.create("/app", b"1")
        self.save(server)

    def serve(self, on_create) -> str:
        """Serves one session, and returns the address. `on_create` returns what to send at the next ping."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        thread = threading.Thread(target=self.speak, args=(listener, on_create))
        thread.start()
        self.addCleanup(thread.join)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def speak(self, listener: socket.socket, on_create) -> None:
        connection, _ = listener.accept()
        # The client may hang up once it has its answer.
        with connection, connection.makefile("rb") as requests, contextlib.suppress(ConnectionError):

            def read() -> bytes:
                length = requests.read(4)
                return requests.read(int.from_bytes(length, "big"))

            def answer(xid: int, error: int = 0, body: bytes = b"") -> None:
                packet = struct.pack(">iqi", xid, 1, error) + body
                connection.sendall(struct.pack(">i", len(packet)) + packet)

            read()
            begun = struct.pack(">iiqi", 0, SHORT_SESSION_MS, 1, 16) + bytes(17)
            connection.sendall(struct.pack(">i", len(begun)) + begun)
            later = []
            while request := read():
                xid, kind = struct.unpack_from(">ii", request)
                if kind == CREATE:
                    later += on_create(lambda xid=xid: answer(xid, body=struct.pack(">i", 0)), lambda: answer(PING))
                elif kind == PING_KIND:
                    while later:
                        later.pop(0)()
                    answer(PING)
                else:
                    answer(xid, NO_NODE)

    def test_waiting_client_sends_pings(self) -> None:
        done = self.restore(self.serve(lambda made, _: [made]))
        self.assertIn("created 1 node ", done.stdout)

    def test_server_that_answers_only_pings_times_out(self) -> None:
        def on_create(_, ping) -> list:
            for _ in range(1000):
                ping()
            return []

        done = self.restore(self.serve(on_create), expect=1)
        self.assertIn("answers only to pings", done.stderr)
        self.assertIn("at least 0 nodes created", done.stderr)


if __name__ == "__main__":
    run_tests()
