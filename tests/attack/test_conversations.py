"""Today's programs work with programs of earlier versions. The test plays one side of a recorded conversation against
the real program on the other side. record.py makes the recordings."""

import hashlib
import json
import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import zmq.utils.z85 as z85
from client import REPORT, SigningKey, agent_pb2, open_envelope, plan_pb2, read_token, sockets, token_text, trust_pb2, wire
from client.agent import join_mac
from client.conversation import Player, Step, name_of, payload_of, read, read_schema, schema_of_today, singles
from lib import Agent, Case, Process, free_port, main, wait_until, write_config
from lib.cluster import Cluster, program
from lib.etcd import EtcdCluster
from record import DB_2_JOINS, add_second_agent

_DIRECTORY = Path(__file__).resolve().parent / "conversations"
_RECORDINGS = sorted(path.stem for path in _DIRECTORY.glob("*.txt"))


def schema_of(name: str) -> set[tuple[str, int]]:
    return {(message, number) for message, number, _, _ in read_schema(_DIRECTORY / f"{name}.schema")}


# A plan of a later version, whose order today's agents do not know.
_NEWER_ORDER = Step("controller", "plan forget", wire.parse("""
3: {
  1: signed "application/vnd.holdfast.plan.v1" by controller {
    1: $plan_99
    2: $cluster_id
    3: "db-1"
    4: 1
    5: $sequence
    6: $now-1
    7: $now-1
    8: $now+600000
    9: 2
    10: $run_99
    11: "test"
    13: "forget"
    40: {
    }
  }
}"""))


class Listener:
    """Messages from the party under test. They may arrive in a different order than they were recorded in; each is
    used once."""

    def __init__(self, socket, kind):
        self._socket = socket
        self._kind = kind
        self._pending: list = []
        self._seen: set[bytes] = set()
        self.route: list[bytes] = []

    def next(self, what: str, seconds: float = 60):
        deadline = sockets.Deadline(seconds)
        while True:
            for number, message in enumerate(self._pending):
                if name_of(message) == what:
                    return self._pending.pop(number)
            *route, frame = sockets.receive(self._socket, deadline.left, what)
            self.route = route
            for one in singles(self._kind.FromString(frame)):
                key = one.SerializeToString()
                if key not in self._seen or what == "hello":
                    self._seen.add(key)
                    self._pending.append(one)


class Conversations(Case):
    def test_recordings_exist(self) -> None:
        self.assertTrue(_RECORDINGS)

    def test_no_field_of_a_recorded_protocol_has_changed(self) -> None:
        """No field changes its number, type or name, and no number is reused."""
        today = {(message, number): (kind, name) for message, number, kind, name in schema_of_today()}
        for recording in _RECORDINGS:
            for message, number, kind, name in read_schema(_DIRECTORY / f"{recording}.schema"):
                self.assertEqual(today.get((message, number)), (kind, name), f"{message}, field {number}")

    def test_a_recorded_agent_works_with_the_controller(self) -> None:
        for recording in _RECORDINGS:
            with self.subTest(recording):
                self.play_agent(recording)

    def test_a_recorded_controller_works_with_the_agent(self) -> None:
        for recording in _RECORDINGS:
            with self.subTest(recording):
                self.play_controller(recording)

    def test_every_recorded_message_round_trips(self) -> None:
        """The unit tests of common/protocol read them with the product's code."""
        for recording in _RECORDINGS:
            lines = (_DIRECTORY / f"{recording}.messages").read_text().splitlines()
            self.assertGreater(len(lines), 70)
            for line in lines:
                name, text = line.split()
                kind = next(getattr(file, name) for file in (agent_pb2, plan_pb2, trust_pb2) if hasattr(file, name))
                message = kind.FromString(bytes.fromhex(text))
                self.assertEqual(message.SerializeToString(deterministic=True).hex(), text, name)
                message.DiscardUnknownFields()
                self.assertEqual(message.SerializeToString(deterministic=True).hex(), text, name)

    # --- the recorded agent

    def play_agent(self, recording: str) -> None:
        cluster = Cluster(self.directory / f"{recording}-agent").start()
        source = {"kind": "etcd", "name": "main", "endpoints": [f"http://127.0.0.1:{free_port()}"]}
        cluster.write_config("db-1", [source])
        cluster.agent("db-1").run("repository", "init")
        agent_key = SigningKey()
        public, secret = sockets.new_keys()
        player = Player({"signing_key_1": agent_key.public, "curve_key_1": z85.decode(public)},
                        {"agent": agent_key}, schema_of(recording))
        token = read_token(cluster.call("agent", "token", "db-1", operator=True).stdout)
        for step in read(_DIRECTORY / f"{recording}.txt"):
            match step.speaker, step.what:
                case "operator", "token":
                    player.hear(step, token)
                case "operator", what if what == DB_2_JOINS:
                    add_second_agent(cluster, source)
                case "operator", command:
                    self.command(cluster, command)
                case "agent", "join":
                    # The mac covers this session's keys.
                    request = agent_pb2.JoinRequest(node=token.node, signing_key=agent_key.public,
                                                    curve_key=z85.decode(public))
                    player.values["mac_1"] = join_mac(token.secret, request)
                    joining = sockets.dial(token.endpoint, z85.encode(token.server_key), secret)
                    joining.send(player.say(step))
                    (frame,) = sockets.receive(joining, 30, "the answer to the join request")
                    joining.close()
                    answer = agent_pb2.JoinAnswer.FromString(frame)
                    self.assertFalse(answer.refused)
                    socket = sockets.dial(answer.endpoint, z85.encode(token.server_key), secret)
                    self.addCleanup(socket.close)
                    listener = Listener(socket, agent_pb2.ControllerMessage)
                case "controller", "join answer":
                    player.hear(step, answer)
                case "agent", what:
                    socket.send(player.say(step))
                case "controller", what:
                    player.hear(step, listener.next(what))
        self.check_runs(cluster)

    def command(self, cluster: Cluster, command: str) -> None:
        """Starts an operator's command in the background; it ends when the agent has answered."""
        snapshots = cluster.json("snapshot", "list")["snapshots"]
        words = command.format(snapshot=snapshots[0]["id"] if snapshots else "", root_key=cluster.root_key).split()
        Process([program("holdfast"), *words, "--config", str(cluster.operator)], cluster.directory / "commands.log",
                env={"HOME": str(cluster.directory)})

    def check_runs(self, cluster: Cluster) -> None:
        def states() -> list[tuple[str, str]]:
            return [(run["kind"], run["state"]) for run in reversed(cluster.json("run", "list")["runs"])]

        expected = [("backup", "done"), ("verify", "done"), ("restore", "done"), ("restore", "failed"),
                    ("inventory", "done"), ("backup", "done"), ("backup", "partly done")]
        wait_until("the end of all runs", lambda: not cluster.status()["running"])
        self.assertEqual(states(), expected)
        with sqlite3.connect(f"file:{cluster.directory}/controller-state/catalog.db?mode=ro", uri=True) as catalog:
            ((refused,),) = catalog.execute("SELECT count(*) FROM audit WHERE type = 'report.refused'")
        self.assertEqual(refused, 0)

    # --- the recorded controller

    def play_controller(self, recording: str) -> None:
        directory = self.directory / f"{recording}-controller"
        directory.mkdir()
        keys = {name: SigningKey() for name in ("controller", "root", "operator")}
        public, secret = sockets.new_keys()
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        player = Player({f"{name}_key": key.public for name, key in keys.items()} |
                        {"cluster_id": b"01HF7777777777777777777777", "server_key_1": z85.decode(public),
                         "endpoint_1": endpoint.encode()}, keys, schema_of(recording))
        socket = sockets.listen(endpoint, secret)
        self.addCleanup(socket.close)
        listener = Listener(socket, agent_pb2.AgentMessage)
        agent, staged = self.new_agent(directory)
        steps = read(_DIRECTORY / f"{recording}.txt")
        # A token has the hash of the first root document.
        (welcome,) = [player.say(step) for step in steps if step.what == "join answer"]
        envelope = trust_pb2.Envelope.FromString(agent_pb2.JoinAnswer.FromString(welcome).root)
        player.values["root_hash_1"] = hashlib.sha256(envelope.payload).digest()
        reports = []
        for step in steps:
            match step.speaker, step.what:
                case "operator", "token":
                    token = directory / "token"
                    token.write_text(token_text(agent_pb2.JoinToken.FromString(player.say(step))))
                    joining = agent.start("join", "--token-file", str(token), log=directory / "join.log")
                case "operator", _:
                    pass  # the recorded controller did what its operator asked for
                case "agent", "join":
                    route, frame = sockets.receive(socket, 30, "a join request")
                    player.hear(step, agent_pb2.JoinRequest.FromString(frame))
                case "controller", "join answer":
                    socket.send_multipart([route, welcome])
                    self.assertEqual(joining.wait(), 0, joining.tail())
                    agent.start("run", log=directory / "agent.log")
                case "agent", what:
                    message = listener.next(what)
                    player.hear(step, message)
                    if what.startswith("report"):
                        reports.append(message.reports.envelopes[0])
                case "controller", _:
                    socket.send_multipart([*listener.route, player.say(step)])
        socket.send_multipart([*listener.route, player.say(_NEWER_ORDER)])
        message = listener.next("report refused")
        reports.append(message.reports.envelopes[0])
        refused = payload_of(reports[-1], plan_pb2.Report).refused
        self.assertEqual(refused.check, "order")
        self.assertIn('"forget"', refused.message)
        self.check_reports(reports, player.values["signing_key_1"])
        self.assertEqual([path.read_text() for path in staged.rglob("a")], ["data\n"])

    def new_agent(self, directory: Path) -> tuple[Agent, Path]:
        """An agent that has not joined yet, and its restore root."""
        data, staged = directory / "data", directory / "staged"
        data.mkdir()
        (data / "a").write_text("data\n")
        password = self.secret("password", "secret\n")
        etcd = EtcdCluster(directory / "etcd").start()
        self.addCleanup(etcd.stop)
        sources = [{"kind": "files", "name": "app", "paths": [str(data)]},
                   {"kind": "etcd", "name": "main", "endpoints": etcd.endpoints}]
        config = write_config(
            directory / "db-1", sources, node="db-1",
            repositories={"main": {"url": f"file:{directory / 'repository'}", "password_file": str(password)}})
        policy = {"restore": "staging", "restore_roots": {"staging": str(staged)}}
        (config.parent / "policy.yaml").write_text(json.dumps(policy))
        agent = Agent(config)
        agent.run("repository", "init")
        return agent, staged

    def check_reports(self, envelopes: list[bytes], key: bytes) -> None:
        """The agent's reports are signed and chained."""
        by_number = {}
        for envelope in envelopes:
            payload = open_envelope(REPORT, envelope, key)
            by_number[plan_pb2.Report.FromString(payload).report_sequence] = payload
        self.assertEqual(sorted(by_number), list(range(1, len(by_number) + 1)))
        previous = b""
        for _, payload in sorted(by_number.items()):
            self.assertEqual(plan_pb2.Report.FromString(payload).previous, previous)
            previous = hashlib.sha256(payload).digest()


main()
