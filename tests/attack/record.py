#!/usr/bin/python3
"""Records the conversation of a real controller and a real agent, for test_conversations.py.

    HOLDFAST_BUILD=build/release /usr/bin/python3 tests/attack/record.py NAME

writes NAME.txt, NAME.schema and NAME.messages in conversations (see its README.md). Never overwrite a recording; add a
new one. A proxy between the two programs records the messages. It listens with the controller's bus key, and joins with
its own CURVE key instead of the agent's; the programs themselves make all signatures."""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import zmq
import zmq.utils.z85 as z85
from client import SigningKey, agent_pb2, read_token, sockets, token_text, trust_pb2
from client.agent import join_mac
from client.conversation import Recorder, Step, payload_of, singles, write, write_messages, write_schema
from lib import free_port, wait_until, write_config
from lib.agent import Agent
from lib.cluster import Cluster, program
from lib.etcd import EtcdCluster
from lib.processes import run

_DIRECTORY = Path(__file__).resolve().parent / "conversations"
# Adds the agent db-2. It has the wrong repository password, so its part is missing from snapshots.
DB_2_JOINS = "db-2 joins"
# The operator's commands, in order. {snapshot} is the newest snapshot.
COMMANDS = (
    "backup files/app@db-1",
    "check --repository main",
    "restore {snapshot} --node db-1 --into staging/copy --yes",
    "restore {snapshot} --node db-1 --into elsewhere/copy --yes",
    "catalog rebuild",
    "trust rotate --raise-epoch --root-key {root_key} --send --yes",
    "backup files/app@db-1",
    DB_2_JOINS,
    "backup etcd/main",
)


class Proxy:
    """Forwards messages between one agent and the controller, and records them."""

    def __init__(self, recorder: Recorder, bus_secret: bytes):
        self.recorder = recorder
        self.public, self.secret = sockets.new_keys()
        self.port = free_port()
        self.front = sockets.listen(f"tcp://127.0.0.1:{self.port}", bus_secret)
        self.back: zmq.Socket | None = None
        self._seen: set[bytes] = set()
        self._is_over = threading.Event()

    def join(self, token: str) -> str:
        """Returns a token that directs the agent to the proxy, and answers the agent's request in a thread."""
        content = read_token(token)
        mine = agent_pb2.JoinToken()
        mine.CopyFrom(content)
        mine.endpoint = f"tcp://127.0.0.1:{self.port}"
        threading.Thread(target=self._join, args=(content,), daemon=True).start()
        self.recorder.name(content.secret, "secret")
        self.recorder.name(content.root_hash, "root_hash")
        self.recorder.name(mine.server_key, "server_key")
        self.recorder.name(mine.endpoint.encode(), "endpoint")
        self.recorder.add("operator", mine)
        return token_text(mine)

    def _join(self, token) -> None:
        route, frame = sockets.receive(self.front, 30, "the agent's join request")
        request = agent_pb2.JoinRequest.FromString(frame)
        self.recorder.name(request.signing_key, "signing_key")
        self.recorder.name(request.curve_key, "curve_key")
        self.recorder.name(request.mac, "mac")
        self.recorder.add("agent", request)
        request.curve_key = z85.decode(self.public)
        request.mac = join_mac(token.secret, request)
        socket = sockets.dial(token.endpoint, z85.encode(token.server_key), self.secret)
        socket.send(request.SerializeToString())
        (frame,) = sockets.receive(socket, 30, "the controller's answer")
        socket.close()
        answer = agent_pb2.JoinAnswer.FromString(frame)
        self.back = sockets.dial(answer.endpoint, z85.encode(token.server_key), self.secret)
        answer.endpoint = f"tcp://127.0.0.1:{self.port}"
        self.recorder.add("controller", answer)
        self.front.send_multipart([route, answer.SerializeToString()])
        self._pass_on()

    def _pass_on(self) -> None:
        route = b""
        poller = zmq.Poller()
        poller.register(self.front, zmq.POLLIN)
        poller.register(self.back, zmq.POLLIN)
        while not self._is_over.is_set():
            for socket, _ in poller.poll(100):
                if socket is self.front:
                    route, frame = self.front.recv_multipart()
                    self._record("agent", agent_pb2.AgentMessage.FromString(frame))
                    self.back.send(frame)
                else:
                    (frame,) = self.back.recv_multipart()
                    self._record("controller", agent_pb2.ControllerMessage.FromString(frame))
                    self.front.send_multipart([route, frame])

    def _record(self, speaker: str, message) -> None:
        for one in singles(message):
            kind = one.WhichOneof("message")
            is_idle = kind in ("heartbeat", "reports_taken") or (
                kind == "heartbeat_answer" and not one.heartbeat_answer.say_hello)
            if is_idle:
                continue
            # Records only the first of repeated messages.
            key = one.SerializeToString()
            if kind == "progress":
                task = one.progress.tasks[0]
                key = b"%b %d %d" % (task.plan_id, task.task, task.state)
            if key in self._seen:
                continue
            self._seen.add(key)
            if kind == "hello":
                self.recorder.name(one.hello.nonce, "nonce")
            self.recorder.add(speaker, one)

    def close(self) -> None:
        self._is_over.set()


def add_second_agent(cluster: Cluster, source: dict) -> None:
    password = cluster.directory / "wrong-password"
    password.write_text("wrong\n")
    password.chmod(0o600)
    cluster.add("db-2", [source], password=password)


def record(name: str, directory: Path) -> None:
    cluster = Cluster(directory).start()
    keys = {"controller": SigningKey(cluster.config.parent / "controller.key"),
            "root": SigningKey(cluster.root_key),
            "operator": SigningKey(cluster.operator.parent / "operator.key")}
    known = {one.public: f"{name}_key" for name, one in keys.items()}
    names = {one.id: name for name, one in keys.items()}
    etcd = EtcdCluster(directory / "etcd").start()
    source = {"kind": "etcd", "name": "main", "endpoints": etcd.endpoints}
    recorder = Recorder(known, names, {
        str(directory): "/tmp/holdfast", os.uname().nodename: "admin-1", source["endpoints"][0]: "http://127.0.0.1:2379"})
    root = (cluster.config.parent / "root.holdfast").read_bytes()
    document = payload_of(root, trust_pb2.RootDocument)
    recorder.know(document.cluster_id.encode(), "cluster_id")
    data = directory / "data"
    data.mkdir()
    (data / "a").write_text("data\n")
    state = directory / "db-1"
    config = write_config(
        state, [{"kind": "files", "name": "app", "paths": [str(data)]}, source], node="db-1",
        repositories={"main": {"url": f"file:{cluster.repository}", "password_file": str(cluster.password)}})
    policy = {"restore": "staging", "restore_roots": {"staging": str(directory / "staged")}}
    (state / "policy.yaml").write_text(json.dumps(policy))
    agent = Agent(config)
    agent.run("repository", "init")
    proxy = Proxy(recorder, (cluster.config.parent / "bus.curve").read_bytes().strip())
    token = cluster.call("agent", "token", "db-1", operator=True).stdout
    agent.run("join", "--token-file", "-", input=proxy.join(token))
    signing_key = SigningKey(state / "state" / "identity" / "agent.key")
    names[signing_key.id] = "agent"
    process = agent.start("run", log=directory / "db-1.log")
    wait_until("the agent's session", lambda: cluster.state_of("db-1")["connected"])
    for command in COMMANDS:
        recorder.steps.append(Step("operator", command, []))
        if command == DB_2_JOINS:
            add_second_agent(cluster, source)
            continue
        snapshots = cluster.json("snapshot", "list")["snapshots"]
        words = command.format(snapshot=snapshots[0]["id"] if snapshots else "", root_key=cluster.root_key).split()
        cluster.call(*words, operator=True, expect=None)
        wait_until("the end of all runs", lambda: not cluster.status()["running"])
        time.sleep(3)  # what follows the end of a run: its EndOrder and the answer
    proxy.close()
    process.stop()
    etcd.stop()
    version = run([program("holdfast"), "--version"]).stdout.strip()
    write(_DIRECTORY / f"{name}.txt",
          f"Recorded with {version}.\nNever change this file: it represents a program of that version.", recorder.steps)
    write_schema(_DIRECTORY / f"{name}.schema")
    write_messages(_DIRECTORY / f"{name}.messages")


if __name__ == "__main__":
    if (_DIRECTORY / f"{sys.argv[1]}.txt").exists():
        sys.exit(f"{sys.argv[1]} is already recorded")
    with tempfile.TemporaryDirectory(prefix="holdfast-record-") as made:
        record(sys.argv[1], Path(made))
