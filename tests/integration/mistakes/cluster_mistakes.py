"""Mistakes with a controller, its agents and operators: anna and ben, who both must sign a restore in place."""

import base64
import shutil
from pathlib import Path

from transcript import SRV, Transcript, edited

from lib import free_port
from lib.cluster import Cluster

_PASSPHRASE = "correct horse\n"
_EXPIRES_FIELD = 6  # of JoinToken; the last field of an encoded token


class Nodes:
    """A controller, web-1 and web-2 with an agent each, web-3 that has not joined; anna's and ben's homes."""

    def __init__(self) -> None:
        directory = SRV / "cluster"
        directory.mkdir()
        (directory / "passphrase").write_text(_PASSPHRASE)
        (directory / "passphrase").chmod(0o600)
        self.cluster = Cluster(directory, init=(
            "--operator", "ben", "--restore-in-place-operators", "2",
            "--passphrase-file", str(directory / "passphrase"))).start()
        for node in ("web-1", "web-2", "web-3"):
            data = SRV / f"{node}-data"
            data.mkdir()
            (data / "index.html").write_text(f"hello from {node}\n")
            sources = [{"kind": "files", "name": "site", "paths": [str(data)]}]
            if node == "web-3":
                self.cluster.write_config(node, sources)
                continue
            policy = {"restore": "in-place", "restore_roots": {"staging": str(SRV / "staging")}}
            self.cluster.add(node, sources, policy=policy if node == "web-1" else None)
        self.cluster.call("backup", "--all")
        self.homes = {}
        for person in ("anna", "ben"):
            home = SRV / "home" / person
            shutil.copytree(directory / "made" / "operators" / person, home / ".config" / "holdfast")
            text = (home / ".config" / "holdfast" / "cli.yaml").read_text()
            port = self.cluster.operator.read_text().split("127.0.0.1:")[1].split('"')[0]
            (home / ".config" / "holdfast" / "cli.yaml").write_text(text.replace(":7735", f":{port}"))
            self.homes[person] = home
        key = self.homes["anna"] / ".config" / "holdfast" / "operator.key"
        self.asked = f'Passphrase of "{key}": '
        self.signing = [(self.asked, _PASSPHRASE), ("[yes/no] ", "yes\n")]

    def agent_config(self, node: str) -> Path:
        return self.cluster.agent(node).config

    def token(self, node: str) -> str:
        return self.cluster.call("agent", "token", node, operator=True).stdout.split()[0]


def expired(token: str) -> str:
    """The same token with an expiry time in the past. The agent refuses it without asking the controller."""
    prefix, _, body = token.partition(".")
    message = base64.b64decode(body)
    end = len(message) - 1
    while message[end - 1] & 0x80:  # the time is a varint, least significant bits first
        end -= 1
    assert message[end - 1] == _EXPIRES_FIELD << 3
    return f"{prefix}.{base64.b64encode(message[:end] + bytes([1])).decode()}"


def make_all(transcript: Transcript) -> None:
    nodes = Nodes()
    transcript.env = {"HOME": str(nodes.homes["anna"])}
    typing(transcript, nodes)
    names(transcript)
    restores(transcript, nodes)
    joining(transcript, nodes)
    controller(transcript, nodes)


def typing(transcript: Transcript, nodes: Nodes) -> None:
    mistake = transcript.mistake
    mistake("a typo in the operator's verb", "holdfast statsu", 2, advice='did you mean "status"?')
    mistake("a command that only the agent has", "holdfast dump latest:files/site@web-1", 2, object="dump",
            advice="holdfast-agent")
    mistake("a backup of nothing", "holdfast backup", 2, object="--all")
    mistake("an option before the verb", "holdfast --al backup", 2, object="--al", advice='did you mean "--all"?')
    mistake("no configuration of the operator", "holdfast status", 5, object="controller", env={"HOME": "/srv"})
    mistake("a typo in its path", "holdfast status -c cli.yml", 2)
    cli = nodes.homes["anna"] / ".config" / "holdfast" / "cli.yaml"
    with edited(cli, "controller:", "controler:"):
        mistake("a typo in its keys", "holdfast status", 2, object="controler")
    mistake("`init` into a directory that exists",
            "holdfast init --dir /srv/home --cluster prod --operator anna --no-passphrase --host web-1", 1, object="/srv/home")


def names(transcript: Transcript) -> None:
    mistake = transcript.mistake
    mistake("a typo in a source", "holdfast backup files/sit@web-1", 1, advice='did you mean "files/site@web-1"?')
    mistake("a typo in a node", "holdfast backup files/site@wbe-1", 1, advice='did you mean "files/site@web-1"?')
    mistake("a typo in a node that restores",
            "holdfast restore latest:files/site@web-1 --node wbe-1 --into staging/look", 1, object="wbe-1",
            advice='did you mean "web-1"?')
    mistake("a typo in a source after `latest:`", "holdfast restore latest:files/sit@web-1 --node web-1 --into staging/look",
            1, object="files/sit@web-1")
    mistake("an unknown snapshot", "holdfast snapshot show deadbeef", 1)
    mistake("an unknown run", "holdfast run show 01ARZ3NDEK", 1)
    mistake("an unknown run to watch", "holdfast run watch 01ARZ3NDEK", 1)
    mistake("an unknown draft", "holdfast approve 01ARZ3NDEK", 1)
    mistake("an unknown node to revoke", "holdfast agent revoke wbe-1", 1, advice='did you mean "web-1"?')
    mistake("snapshots of an unknown source", "holdfast snapshot list files/sit", 1)
    mistake("new keys without a person", "holdfast trust key", 2, object="PERSON")


def restores(transcript: Transcript, nodes: Nodes) -> None:
    mistake = transcript.mistake
    restore = "holdfast restore latest:files/site@web-1 --node web-1"
    staged = [SRV / "staging"]
    mistake("a restore without a node", "holdfast restore latest:files/site@web-1 --into staging/look", 2, object="--node")
    mistake("a restore without a target", restore, 2, object="--into")
    mistake("a wrong passphrase, three times", f"{restore} --into staging/look", 4, object="passphrase",
            typed=[(nodes.asked, "wrong\n")] * 3, absent=staged)
    mistake("a typo in a restore root", f"{restore} --into stagign/look", 4, object="stagign", advice="restore_roots",
            typed=nodes.signing, absent=staged)
    mistake("a path that leaves the restore root", f"{restore} --into staging/../../etc", 2, object="staging/../../etc",
            absent=staged)
    mistake("an answer that is not yes", f"{restore} --into staging/look", 4, object="staging/look", advice="not signed",
            typed=[nodes.signing[0], ("[yes/no] ", "maybe\n")], absent=staged)
    mistake("a node whose policy allows no restore",
            "holdfast restore latest:files/site@web-2 --node web-2 --into staging/look", 4, object="web-2", advice="policy.yaml",
            typed=nodes.signing, absent=staged)
    mistake("a restore on the controller's host, where no key is",
            f"{restore} --into staging/look --controller {nodes.cluster.socket}", 2, object="key", env={"HOME": "/srv"},
            absent=staged)
    mistake("a restore that another operator must sign, too", f"{restore} --in-place", 3, object="web-1", advice="holdfast approve",
            typed=nodes.signing)
    draft = nodes.cluster.json("approval", "list")["drafts"][0]["draft"]
    mistake("signing the same again", f"holdfast approve {draft}", 1, object="web-1", advice="another operator must sign it",
            typed=nodes.signing)
    with open(SRV / "web-1-data" / "big", "wb") as file:
        file.truncate(200 << 30)  # reading holes takes as long as reading zeros
    mistake("Ctrl-C while a run is followed", "holdfast backup files/site@web-1", 130, object="holdfast",
            advice="holdfast run watch", typed=[(": saving", "\x03")])
    running = nodes.cluster.json("run", "list", expect=None)["runs"][0]["run"]
    mistake("a backup of a source that is being saved", "holdfast backup files/site@web-1", 4, object="files/site")
    nodes.cluster.call("run", "cancel", running)
    (SRV / "web-1-data" / "big").unlink()
    mistake("cancelling a run that has ended",
            f"holdfast run cancel {nodes.cluster.json('run', 'list')['runs'][-1]['run']}", 1)


def joining(transcript: Transcript, nodes: Nodes) -> None:
    mistake = transcript.mistake
    env = {"HOLDFAST_AGENT_CONFIG": str(nodes.agent_config("web-3"))}
    mistake("an agent that has not joined", "holdfast-agent run", 1, object="this node has not joined", env=env)
    token = SRV / "token"
    join = "holdfast-agent join --token-file token"
    mistake("no token file", join, 1, env=env)
    token.write_text("anna\n")
    mistake("a file that holds no token", join, 2, object="token", env=env)
    token.write_text(nodes.token("web-4") + "\n")
    mistake("the token of another node", join, 2, object="web-4", env=env)
    token.write_text(expired(nodes.token("web-3")) + "\n")
    mistake("an expired token", join, 4, object="token", env=env)
    token.write_text(nodes.token("web-3") + "\n")
    nodes.cluster.agent("web-3").run("join", "--token-file", str(token))
    mistake("a token that was used", join, 4, object="token", env=env)
    mistake("a second agent on one node", "holdfast-agent run", 4,
            env={"HOLDFAST_AGENT_CONFIG": str(nodes.agent_config("web-1"))}, object="journal")


def controller(transcript: Transcript, nodes: Nodes) -> None:
    mistake = transcript.mistake
    cli = nodes.homes["anna"] / ".config" / "holdfast" / "cli.yaml"
    port = cli.read_text().split("127.0.0.1:")[1].split('"')[0]
    mistake("a second controller", f"holdfast-controller run --config {nodes.cluster.config}", 4, object="controller")
    mistake("no configuration of the controller", "holdfast-controller run", 2, object="/etc/holdfast/controller.yaml")
    with edited(cli, f"127.0.0.1:{port}", f"contorller:{port}"):
        mistake("a typo in the controller's host", "holdfast status", 5, object="contorller")
    with edited(cli, f":{port}", f":{free_port()}"):
        mistake("a wrong port of the controller", "holdfast status", 5, object="127.0.0.1")
    bus = nodes.cluster.config.read_text().split("tcp://127.0.0.1:")[1].split('"')[0]
    with edited(cli, f":{port}", f":{bus}"):
        mistake("the port that agents use", "holdfast status", 4, object="127.0.0.1")
    nodes.cluster.agents["web-2"].stop()
    nodes.cluster.controller.stop()
    mistake("the controller does not run", "holdfast status", 5, object="127.0.0.1")
    mistake("the same by its socket", f"holdfast status --controller {nodes.cluster.socket}", 5)
    nodes.cluster.start()
