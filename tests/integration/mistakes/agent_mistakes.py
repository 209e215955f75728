"""Mistakes with holdfast-agent alone, on one node with files, etcd and HAProxy."""

import contextlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from transcript import SRV, Transcript, covered, edited, mounted, moved_away

from lib import Authority, EtcdCluster, HAProxy, Process, WebServer, agent_program, free_port, run, service_program, wait_until

CONFIG = SRV / "etc" / "agent.yaml"
PASSWORD = SRV / "etc" / "password"
REPOSITORY = SRV / "backup"
APP = SRV / "app"
_NOBODY = 65534


class Node:
    """A node's sources, repository and agent configuration."""

    def __init__(self) -> None:
        for name in ("etc", "app/conf", "logs", "pki"):
            (SRV / name).mkdir(parents=True)
        (APP / "app.conf").write_text("port = 8080\n")
        (APP / "conf" / "users").write_text("anna\n")
        (SRV / "logs" / "app.log").write_text("started\n")
        (SRV / "notes.txt").write_text("not a directory\n")
        self.etcd = EtcdCluster(SRV / "etcd", authority=Authority(SRV / "pki")).start()
        self.etcd.fill(20)
        self.haproxy_config = SRV / "haproxy" / "haproxy.cfg"
        self.haproxy_config.parent.mkdir()
        self.haproxy_config.write_text(
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 10s\n    timeout server 10s\n"
            f"frontend web\n    bind 127.0.0.1:{free_port()}\n    http-request return status 200\n")
        self.haproxy = HAProxy(self.haproxy_config.parent, [self.haproxy_config]).start()
        self.web = WebServer()
        client = self.etcd.client
        CONFIG.write_text(f"""\
node: web-1
state_dir: /srv/state
repositories:
  main:
    url: file:/srv/backup
    password_file: password
sources:
  - kind: files
    name: app
    paths: [/srv/app]
  - {{kind: files, name: logs, paths: [/srv/logs]}}
  - kind: etcd
    name: main
    endpoints: ["{self.etcd.endpoints[0]}"]
    ca: {self.etcd.authority.ca}
    cert: {client.cert}
    key: {client.key}
  - kind: haproxy
    name: edge
    config: [{self.haproxy_config}]
    binary: {service_program("haproxy", "haproxy")}
    reload: pidfile:{self.haproxy.pidfile}
""")

    @property
    def port(self) -> str:
        return self.etcd.endpoints[0].rpartition(":")[2]

    def agent(self, *arguments: str) -> str:
        return run([agent_program(), *arguments, "--config", str(CONFIG)]).stdout

    @contextlib.contextmanager
    def running(self, *arguments: str, until: str) -> Iterator[Process]:
        """Runs the block while the agent's verb runs, once its progress has shown the line `until`."""
        log = SRV / "running.log"
        log.unlink(missing_ok=True)
        process = Process([agent_program(), *arguments, "--json", "--config", str(CONFIG)], log)
        try:
            wait_until(until, lambda: until in log.read_text())
            yield process
        finally:
            process.stop(60)


def make_all(transcript: Transcript) -> None:
    node = Node()
    transcript.env["HOLDFAST_AGENT_CONFIG"] = str(CONFIG)
    typing(transcript)
    configuration(transcript)
    before_init(transcript, node)
    names(transcript, node)
    passwords(transcript)
    repositories(transcript, node)
    targets(transcript, node)
    services(transcript, node)
    rights(transcript)
    at_the_same_time(transcript, node)


def typing(transcript: Transcript) -> None:
    mistake = transcript.mistake
    mistake("a typo in the verb", "holdfast-agent bakcup", 2, advice='did you mean "backup"?')
    mistake("no verb", "holdfast-agent", 2, object="command")
    mistake("half of a verb", "holdfast-agent key", 2)
    mistake("help of an unknown verb", "holdfast-agent help restroe", 2, advice='did you mean "restore"?')
    mistake("a typo in an option", "holdfast-agent backup --nota test", 2, object="--nota",
            advice='did you mean "--note"?')
    mistake("an option without its value", "holdfast-agent restore latest:files/app --to", 2)
    mistake("the option of another verb", "holdfast-agent backup files/app --to /srv/out", 2, object="--to")
    mistake("an argument too many", "holdfast-agent restore latest:files/app to /srv/out", 2, object="to")
    mistake("text where a number is expected", "holdfast-agent backup --retry-lock soon", 2)
    mistake("a typo in the configuration's path, before the verb", "holdfast-agent -c /srv/etc/agnet.yaml backup", 2,
            object="/srv/etc/agnet.yaml")
    mistake("the same after the verb", "holdfast-agent backup --config /srv/etc/agnet.yaml", 2)
    mistake("no configuration at all", "holdfast-agent backup", 2, object="/etc/holdfast/agent.yaml",
            env={"HOLDFAST_AGENT_CONFIG": ""})
    mistake("a typo in an option, and JSON to a pipe", "holdfast-agent list --jsno | head -3; exit ${PIPESTATUS[0]}", 2,
            object="--jsno", advice='did you mean "--json"?')


def configuration(transcript: Transcript) -> None:
    mistake = transcript.mistake
    check = "holdfast-agent config check"
    for title, old, new, object in (
        ("a typo in a key of the configuration", "repositories:", "repositorys:", "repositorys"),
        ("a typo in a key of a source", "    paths:", "    path:", '"path"'),
        ("an unknown kind of source", "kind: files\n", "kind: file\n", '"file"'),
        ("a tab in front of a key", "    name: app", "\tname: app", "/srv/etc/agent.yaml:9"),
        ("a key without its colon", "state_dir: /srv", "state_dir /srv", "/srv/etc/agent.yaml"),
        ("a quote that is not closed", "node: web-1", 'node: "web-1', "/srv/etc/agent.yaml"),
        ("a list that is not closed", "paths: [/srv/app]", "paths: [/srv/app", "/srv/etc/agent.yaml"),
        ("a key one level too far to the left", "    url: file:/srv/backup", "  url: file:/srv/backup", "key"),
        ("the same source twice", "name: logs", "name: app", "files/app"),
    ):
        with edited(CONFIG, old, new):
            mistake(title, check, 2, object=object)


def before_init(transcript: Transcript, node: Node) -> None:
    transcript.mistake("a backup before `init`", "holdfast-agent backup files/app", 2, object="/srv/etc/password")
    node.agent("init")
    with edited(CONFIG, "url: file:/srv/backup", "url: /srv/backup"):
        transcript.mistake("a URL without its scheme", "holdfast-agent list", 2, object="/srv/backup")
    transcript.mistake("`init` a second time", "holdfast-agent init", 1, object="main")
    transcript.mistake("`list` before the first backup", "holdfast-agent list", 0, object="no snapshots", advice="no snapshots")
    transcript.mistake("`latest:` of a source without snapshots", "holdfast-agent restore latest:files/logs --to /srv/out", 1,
                       object="files/logs", absent=[SRV / "out"])
    node.agent("backup", "files/app", "etcd/main", "haproxy/edge")


def names(transcript: Transcript, node: Node) -> None:
    mistake = transcript.mistake
    mistake("a typo in a source", "holdfast-agent backup files/ap", 2, advice='did you mean "files/app"?')
    mistake("a typo in a kind", "holdfast-agent backup file/app", 2, advice='did you mean "files/app"?')
    mistake("a source without its kind", "holdfast-agent backup app", 2)
    mistake("a pattern that matches no source", "holdfast-agent backup 'kafka/*'", 2)
    mistake("a typo in a repository", "holdfast-agent list --repository mian", 2, object="mian",
            advice='did you mean "main"?')
    mistake("a typo in a source after `latest:`", "holdfast-agent restore latest:files/ap --to /srv/out", 1,
            object="files/ap", absent=[SRV / "out"])
    mistake("an unknown snapshot", "holdfast-agent restore deadbeef --to /srv/out", 1, object="deadbeef",
            absent=[SRV / "out"])
    mistake("a word where a snapshot id is expected", "holdfast-agent restore today --to /srv/out", 2, object="today",
            absent=[SRV / "out"])
    mistake("an unknown run", "holdfast-agent restore run:01ARZ3NDEKTSV4RRFFQ69G5FAV:files/app --to /srv/out", 1,
            object="01ARZ3NDEKTSV4RRFFQ69G5FAV", absent=[SRV / "out"])
    mistake("a path that is not in the snapshot", "holdfast-agent ls latest:files/app /srv/app/app.cfg", 1, object="srv/app/app.cfg")
    mistake("`find` of a name that no snapshot has", "holdfast-agent find app.cfg", 0, object="nothing found", advice="nothing found")
    mistake("an unknown key", "holdfast-agent key remove deadbeef", 1)
    key = run([agent_program(), "key", "list", "--config", str(CONFIG)]).stdout.split("\n")[1].split()[0].strip("*")
    mistake("removing the key in use", f"holdfast-agent key remove {key}", 4)
    mistake("`forget` without a rule", "holdfast-agent forget", 2, object="forget")


def passwords(transcript: Transcript) -> None:
    mistake = transcript.mistake
    with moved_away(PASSWORD):
        mistake("the password file is missing", "holdfast-agent list", 2, object="/srv/etc/password")
        PASSWORD.write_text("wrong\n")
        PASSWORD.chmod(0o600)
        mistake("a wrong password", "holdfast-agent backup files/app files/logs", 4, object="main")
        PASSWORD.write_text("")
        mistake("an empty password file", "holdfast-agent list", 2, object="/srv/etc/password")
        PASSWORD.unlink()
    PASSWORD.chmod(0o644)
    mistake("everyone may read the password file", "holdfast-agent list", 4, object="/srv/etc/password")
    PASSWORD.chmod(0o600)


def repositories(transcript: Transcript, node: Node) -> None:
    mistake = transcript.mistake
    with moved_away(REPOSITORY):
        mistake("the repository's directory does not exist", "holdfast-agent backup files/app", 1, object="main")
        REPOSITORY.mkdir()
        with covered(Path("/etc/fstab"), f"/dev/sdb1 {REPOSITORY} ext4 defaults 0 2\n"):
            mistake("the repository is not mounted", "holdfast-agent backup files/app", 5, object="main",
                    absent=[REPOSITORY / "data"])
            mistake("and then `init`", "holdfast-agent init", 5, object="main", absent=[REPOSITORY / "data"])
        REPOSITORY.rmdir()
    full_disk(transcript)
    mistake("a wrong path of the repository, without a configuration",
            "holdfast-agent list --repository-url file:/srv/bakcup --password-file /srv/etc/password", 1,
            object="/srv/bakcup")
    mistake("a repository without its password file", "holdfast-agent list --repository-url file:/srv/backup", 2,
            object="--password-file")


def full_disk(transcript: Transcript) -> None:
    copy = SRV / "copy"
    shutil.copytree(REPOSITORY, copy)
    with mounted(REPOSITORY, "1m"):
        shutil.copytree(copy, REPOSITORY, dirs_exist_ok=True)
        (SRV / "logs" / "random").write_bytes(random.Random(1).randbytes(4 << 20))
        transcript.mistake("a full disk", "holdfast-agent backup files/logs", 1, object="/srv/backup")
        (SRV / "logs" / "random").unlink()
    shutil.rmtree(copy)
    out = SRV / "out"
    out.mkdir()
    with mounted(out, "16k"):
        transcript.mistake("no room where a restore goes", "holdfast-agent restore latest:etcd/main --to /srv/out", 1,
                           object="/srv/out", absent=[out / "data"])
    out.rmdir()


def targets(transcript: Transcript, node: Node) -> None:
    mistake, out = transcript.mistake, SRV / "out"
    mistake("`restore` without a target", "holdfast-agent restore latest:files/app", 2, object="--to")
    mistake("two targets", "holdfast-agent restore latest:files/app --to /srv/out --in-place", 2, object="--in-place",
            absent=[out])
    mistake("a directory that is not empty", "holdfast-agent restore latest:files/app --to /srv/app", 2)
    mistake("a target that is a file", "holdfast-agent restore latest:files/app --to /srv/notes.txt", 2)
    mistake("a target below a file", "holdfast-agent restore latest:files/app --to notes.txt/out", 1, advice="not a directory")
    mistake("an empty target", "holdfast-agent restore latest:files/app --to ''", 2, object="--to")
    mistake("a target where nothing can be created", "holdfast-agent restore latest:files/app --to /proc/out", 1, advice="no such file")
    mistake("a wrong --path", "holdfast-agent restore latest:files/app --to /srv/out --path /etc/app", 1, object="etc/app", absent=[out])
    mistake("an --include that matches nothing",
            "holdfast-agent restore latest:files/app --to /srv/out --include '*.yaml'", 1, absent=[out])
    mistake("--delete without --overwrite", "holdfast-agent restore latest:files/app --to /srv/out --delete", 2,
            absent=[out])
    mistake("an option of another kind", "holdfast-agent restore latest:files/app --member m1 --stage-data-dir /srv/out",
            2, object="--member", absent=[out])
    mistake("`dump` of a directory to the terminal", "holdfast-agent dump latest:files/app /srv/app", 2)
    mistake("`export` into a directory that does not exist", "holdfast-agent export latest:files/app --to /srv/exports/today", 1)
    mistake("`import` of a file that is no export", "holdfast-agent import /srv/notes.txt", 1)
    mistake("--undo before any restore in place", "holdfast-agent restore files/app --undo", 1, object="files/app")


def services(transcript: Transcript, node: Node) -> None:
    mistake = transcript.mistake
    backup = "holdfast-agent backup etcd/main"
    (SRV / "other").mkdir()
    other = Authority(SRV / "other")
    with edited(CONFIG, node.port, "2378"):
        mistake("a typo in the port of an endpoint", backup, 5)
    with edited(CONFIG, "https://127.0.0.1", "https://lokalhost"):
        mistake("a typo in the host of an endpoint", backup, 5)
    with edited(CONFIG, "https://", "http://"):
        mistake("http instead of https", backup, 2, object='"ca"', advice="https://")
    with edited(CONFIG, str(node.etcd.authority.ca), str(other.ca)):
        mistake("the CA of another cluster", backup, 4)
    with edited(CONFIG, str(node.etcd.client.cert), "/srv/pki/etcd-cleint.pem"):
        mistake("a typo in a certificate's path", backup, 2)
    for member in node.etcd.members:
        member.process.stop()
    mistake("the service is down", backup, 5)
    node.etcd.start()
    with edited(node.haproxy_config, "frontend web", "fronted web"):
        mistake("HAProxy's configuration is broken", "holdfast-agent backup haproxy/edge", 3)
        mistake("and then a restore of that backup", "holdfast-agent restore latest:haproxy/edge --to /srv/out", 0,
                object="haproxy/edge", advice="invalid")
    shutil.rmtree(SRV / "out")
    with moved_away(APP):
        mistake("the path of a source does not exist", "holdfast-agent backup files/app", 1)
        mistake("and `source list` of it", "holdfast-agent source list files/app", 0, advice="not healthy")
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for title, url, object in (
        ("a typo in the host of an S3 endpoint", "https://minoi.example:9000", "minoi.example"),
        ("a wrong port of an S3 endpoint", "https://127.0.0.1:9001", "127.0.0.1:9001"),
        ("https for an S3 service that speaks http", f"https://127.0.0.1:{node.web.port}", "127.0.0.1"),
    ):
        with edited(CONFIG, "url: file:/srv/backup", f"url: s3:{url}/backups"):
            mistake(title, "holdfast-agent list", 5, object=object, env=credentials)


def rights(transcript: Transcript) -> None:
    """The service's user owns the state; root owns everything else."""
    mistake = transcript.mistake
    state = SRV / "state"
    for path in (APP / "app.conf", CONFIG):
        path.chmod(0o600)
    mistake("an operator without root's rights", "holdfast-agent backup files/app", 2, user="nobody",
            object="/srv/etc/agent.yaml")
    CONFIG.chmod(0o644)
    PASSWORD.chmod(0o600)
    mistake("the same where the configuration can be read", "holdfast-agent backup files/app", 4, user="nobody",
            object="files/app")
    for path in (state, *state.rglob("*"), REPOSITORY, *REPOSITORY.rglob("*"), PASSWORD):
        os.chown(path, _NOBODY, _NOBODY)
    run([agent_program(), "restore-helper", "--prepare", "--config", str(CONFIG)])  # as the agent's unit does
    mistake("a file that the service may not read", "holdfast-agent backup files/app", 3, user="nobody")
    mistake("a restore in place as the service's user", "holdfast-agent restore latest:haproxy/edge --in-place", 4,
            user="nobody", object="HAProxy")
    mistake("root beside the service: it becomes the service's user", "holdfast-agent backup files/logs", 0,
            object="files/logs", advice="done")
    for path in (state, *state.rglob("*"), REPOSITORY, *REPOSITORY.rglob("*"), PASSWORD):
        os.chown(path, 0, 0)
    (APP / "app.conf").chmod(0o644)


def at_the_same_time(transcript: Transcript, node: Node) -> None:
    mistake, big = transcript.mistake, SRV / "logs" / "big"
    with open(big, "wb") as file:
        file.truncate(200 << 30)  # reading holes takes as long as reading zeros
    with node.running("backup", "files/logs", until='"phase":"save"'):
        mistake("a backup of a source that is being saved", "holdfast-agent backup files/logs", 4)
        mistake("a restore in place of it", "holdfast-agent restore latest:files/logs --in-place", 4, object="files/logs")
        mistake("`prune` while a backup writes", "holdfast-agent prune", 4, object="main")
    mistake("Ctrl-C in a backup", "holdfast-agent backup files/logs", 130, object="files/logs", advice="stopped",
            typed=[("files/logs: save", "\x03")])
    big.unlink()
    (SRV / "logs" / "random").write_bytes(random.Random(2).randbytes(24 << 20))
    node.agent("backup", "files/logs")
    slowly = "    password_file: password\n    read_mib_s: 1\n"
    with edited(CONFIG, "    password_file: password\n", slowly):
        mistake("Ctrl-C in a restore to a directory", "holdfast-agent restore latest:files/logs --to /srv/out", 130,
                object="stopped", advice="run the same command again", typed=[("extract", "\x03")])
        shutil.rmtree(SRV / "out", ignore_errors=True)
        mistake("Ctrl-C in a restore in place", "holdfast-agent restore latest:files/logs --in-place", 130,
                object="stopped", advice="rolled back", typed=[("stage", "\x03")])
        with node.running("restore", "latest:files/logs", "--to", "/srv/out", until='"phase"'):
            mistake("the same restore a second time, while it runs",
                    "holdfast-agent restore latest:files/logs --to /srv/out", 4)
            mistake("another restore to the same directory", "holdfast-agent restore latest:files/app --to /srv/out", 2)
