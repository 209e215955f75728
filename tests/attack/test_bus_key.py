"""An attacker with a key that the controller's sockets no longer use, or never used, listens in the controller's place.
The root document names the key of these sockets, so agents, operators and the controller itself refuse other keys. An
attacker at the join socket cannot name another key either."""

import hashlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import zmq.utils.z85 as z85
from client import ROOT, ControllerClient, SigningKey, add_unknown, agent_pb2, sign, sockets, token_text, trust_pb2
from lib import Agent, Case, free_port, main, wait_until, write_config
from lib.cluster import Cluster
from lib.processes import Process
from lib.shows import shows

_JOIN_ANSWER_SERVER_KEY = 3  # an earlier protocol had this field
_YEAR_MS = 365 * 86_400_000


@shows("the network", "trust",
       "cannot take the controller's place without the bus key of the root document")
class BusKey(Case):
    def new_agent(self) -> Agent:
        return Agent(write_config(self.directory / "db-1", [], node="db-1"))

    # --- joining

    def root_document(self, bus_key: bytes) -> bytes:
        """The root document of a new cluster, whose sockets have this key."""
        now_ms = int(1000 * time.time())
        document = trust_pb2.RootDocument(
            format=1, cluster_id="01HF7777777777777777777777", cluster="prod", version=1, epoch=1, issued_at_ms=now_ms,
            expires_at_ms=now_ms + _YEAR_MS, root_threshold=1, bus_key=z85.decode(bus_key))
        anna = SigningKey()
        for role, key, person in ((trust_pb2.ROLE_ROOT, anna, "anna"), (trust_pb2.ROLE_OPERATOR, SigningKey(), "anna"),
                                  (trust_pb2.ROLE_CONTROLLER, SigningKey(), "")):
            document.keys.add(role=role, public_key=key.public, person=person, not_before_ms=now_ms,
                              not_after_ms=document.expires_at_ms)
        return sign(ROOT, document.SerializeToString(), anna)

    def join(self, socket_keys: tuple[bytes, bytes], root: bytes, named_key: bytes | None) -> Process:
        """Lets an agent join at a socket with these keys, and answers with `root`. `named_key`: the join answer also
        names this key."""
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        socket = sockets.listen(endpoint, socket_keys[1])
        self.addCleanup(socket.close)
        token = agent_pb2.JoinToken(
            node="db-1", endpoint=endpoint, server_key=z85.decode(socket_keys[0]), secret=bytes(32),
            root_hash=hashlib.sha256(trust_pb2.Envelope.FromString(root).payload).digest(),
            expires_at_ms=int(1000 * time.time()) + 900_000)
        (self.directory / "token").write_text(token_text(token))
        joining = self.new_agent().start("join", "--token-file", str(self.directory / "token"),
                                         log=self.directory / "join.log")
        route, _ = sockets.receive(socket, 30, "a join request")
        answer = agent_pb2.JoinAnswer(incarnation=1, root=root, endpoint=endpoint, version="0.1.0")
        if named_key is not None:
            add_unknown(answer, _JOIN_ANSWER_SERVER_KEY, z85.decode(named_key))
        socket.send_multipart([route, answer.SerializeToString()])
        return joining

    def test_a_join_answer_cannot_replace_the_bus_key_of_the_root_document(self) -> None:
        keys = sockets.new_keys()
        mallory = sockets.new_keys()

        joining = self.join(keys, self.root_document(keys[0]), mallory[0])

        self.assertNotEqual(joining.wait(), 0)
        self.assertFalse((self.directory / "db-1" / "state" / "identity").exists())

    def test_a_token_cannot_replace_the_bus_key_of_the_root_document(self) -> None:
        mallory = sockets.new_keys()

        joining = self.join(mallory, self.root_document(sockets.new_keys()[0]), None)

        self.assertNotEqual(joining.wait(), 0)
        self.assertIn("the token's bus key differs", " ".join(joining.tail().split()))

    # --- a controller that does not have the key of the root document

    def test_a_controller_with_another_bus_key_does_not_start(self) -> None:
        """Without this check, an attacker who replaces the file gets tokens for the attacker's own key."""
        cluster = Cluster(self.directory).start()
        cluster.controller.stop()
        (cluster.config.parent / "bus.curve").write_bytes(sockets.new_keys()[1] + b"\n")

        controller = cluster.launch_controller()

        self.assertNotEqual(controller.wait(), 0)
        self.assertIn("bus key", controller.tail())

    # --- the former key, after a rotation

    def rotated(self) -> Cluster:
        """A cluster whose bus key was rotated, with an agent and an operator who have used the new one. `self.stolen`
        is the former secret key."""
        cluster = Cluster(self.directory).start()
        cluster.add("db-1", [])
        secret = cluster.config.parent / "bus.curve"
        self.stolen = secret.read_bytes()
        public, new = sockets.new_keys()
        public_file = self.directory / "new.pub"
        public_file.write_bytes(public + b"\n")
        cluster.rotate("--bus-key", str(public_file))
        wait_until("the agent's second root document", lambda: cluster.state_of("db-1")["root_version"] == 2)
        cluster.controller.stop()
        secret.write_bytes(new + b"\n")
        cluster.start()
        cluster.wait_for("db-1")
        cluster.call("agent", "list", operator=True)
        return cluster

    def test_an_agent_that_has_used_the_new_bus_key_refuses_the_former_one(self) -> None:
        cluster = self.rotated()
        cluster.controller.kill()
        (cluster.config.parent / "bus.curve").write_bytes(self.stolen)

        thief = ControllerClient(cluster.config.parent, self.endpoint(cluster, "bus"), {})
        self.addCleanup(thief.close)
        cluster.restart_agent("db-1")  # what it knows survives a restart

        wait_until("a refused connection", lambda: "refuses this agent" in cluster.agents["db-1"].tail())
        with self.assertRaisesRegex(AssertionError, "waited"):
            thief.hello_of("db-1", seconds=1)

    def test_an_operator_who_has_used_the_new_bus_key_refuses_the_former_one(self) -> None:
        cluster = self.rotated()
        cluster.controller.kill()
        thief = sockets.listen(self.endpoint(cluster, "admin", "listen").replace("*", "127.0.0.1"), self.stolen.strip())
        self.addCleanup(thief.close)

        done = cluster.call("agent", "list", operator=True, expect=None)

        self.assertNotEqual(done.code, 0)
        self.assertEqual(thief.poll(0), 0)

    def test_a_forged_root_document_cannot_be_pinned_from_a_file(self) -> None:
        cluster = Cluster(self.directory).start()
        cluster.add("db-1", [])
        cluster.agents["db-1"].stop()
        pin = cluster.operator.parent / "root.holdfast"
        first = pin.read_bytes()
        document = trust_pb2.RootDocument.FromString(trust_pb2.Envelope.FromString(first).payload)
        mallory = SigningKey()
        document.bus_key = z85.decode(sockets.new_keys()[0])
        document.keys.add(role=trust_pb2.ROLE_ROOT, public_key=mallory.public, person="mallory",
                          not_before_ms=document.issued_at_ms, not_after_ms=document.expires_at_ms)
        for version in (1, 2):
            document.version = version
            forged = self.directory / f"forged-{version}"
            forged.write_bytes(sign(ROOT, document.SerializeToString(), mallory))

            by_operator = cluster.call("trust", "pin", str(forged), operator=True, expect=None)
            by_agent = cluster.agent("db-1").run("trust", "pin", str(forged), expect=None)

            for done in (by_operator, by_agent):
                self.assertNotEqual(done.code, 0)
                self.assertIn("version 1", done.stderr)
            self.assertEqual(pin.read_bytes(), first)
        cluster.start_agent("db-1")

    @staticmethod
    def endpoint(cluster: Cluster, section: str, name: str = "endpoint") -> str:
        lines = cluster.config.read_text().split(f"\n{section}:\n")[1].splitlines()
        return next(line for line in lines if line.strip().startswith(f"{name}:")).split('"')[1]


main()
