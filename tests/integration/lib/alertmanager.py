"""Real Alertmanagers, standalone or in a gossip cluster, and silences in them."""

import contextlib
import http.client
import json
import time
import urllib.parse
from datetime import datetime, timezone
from pathlib import Path

from .certificates import Authority
from .metrics_api import MetricsServer
from .places import service_program
from .processes import free_port


def api_time(seconds_from_now: float) -> str:
    """A time in the format of Alertmanager's API, with milliseconds."""
    moment = datetime.fromtimestamp(time.time() + seconds_from_now, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Alertmanager(MetricsServer):
    """An Alertmanager with a configuration, a template, a password file and storage. `peers` are members of its cluster
    that were started earlier."""

    def __init__(self, directory: Path, *, peers: list["Alertmanager"] | None = None,
                 authority: Authority | None = None, flags: tuple[str, ...] = ()):
        super().__init__(directory, "alertmanager", authority)
        self.storage = directory / "storage"
        self.peers = peers
        self.flags = flags
        self.cluster_port = free_port()
        self.config = self.etc / "alertmanager.yml"
        self.template = self.etc / "templates" / "mail.tmpl"
        self.password_file = self.etc / "smtp.password"
        self.write_config()

    def write_config(self) -> None:
        self.template.parent.mkdir(exist_ok=True)
        self.template.write_text('{{ define "mail.subject" }}x{{ end }}\n')
        self.password_file.write_text("secret\n")
        self.config.write_text(
            "# Whom to tell.\n"
            "templates: ['templates/*.tmpl']\n"
            "route: {receiver: mail}\n"
            "receivers:\n"
            "- name: mail\n"
            "  webhook_configs:\n"
            "  - url: http://127.0.0.1:9/\n"
            "    http_config:\n"
            "      basic_auth: {username: x, password_file: smtp.password}\n")

    def start(self) -> "Alertmanager":
        argv = [service_program("alertmanager", "alertmanager"), f"--config.file={self.config}",
                f"--storage.path={self.storage}", *self.flags]
        if self.peers is None:
            argv.append("--cluster.listen-address=")
        else:
            argv += [f"--cluster.listen-address=127.0.0.1:{self.cluster_port}", "--cluster.settle-timeout=2s",
                     "--cluster.pushpull-interval=1s"]
            argv += [f"--cluster.peer=127.0.0.1:{one.cluster_port}" for one in self.peers]
        self.launch(argv)
        return self

    def silences(self) -> dict[str, dict]:
        """Silences by id."""
        return {one["id"]: one for one in self.api.get("/api/v2/silences")}

    def add_silence(self, name: str = "alertname", value: str = "Down", *, comment: str = "planned", starts: float = -1,
                    ends: float = 7200, **matcher) -> str:
        """Returns the id of the silence."""
        return self.add_silences([self.silence(name, value, comment=comment, starts=starts, ends=ends, **matcher)])[0]

    @staticmethod
    def silence(name: str, value: str, *, comment: str = "planned", starts: float = -1, ends: float = 7200,
                is_regex: bool = False, is_equal: bool = True) -> dict:
        matchers = [{"name": name, "value": value, "isRegex": is_regex, "isEqual": is_equal},
                    # Alertmanager rejects a silence whose matchers all match the empty string.
                    {"name": "severity", "value": "page", "isRegex": False, "isEqual": True}]
        return {"matchers": matchers, "startsAt": api_time(starts), "endsAt": api_time(ends),
                "createdBy": "anna", "comment": comment}

    def add_silences(self, silences: list[dict]) -> list[str]:
        """Adds silences over one connection. Does not support TLS."""
        if self.web_config is not None:
            return [self.api.ask("/api/v2/silences", one)[1]["silenceID"] for one in silences]
        url = urllib.parse.urlsplit(self.url)
        ids = []
        with contextlib.closing(http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)) as connection:
            for one in silences:
                connection.request("POST", "/api/v2/silences", json.dumps(one), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    raise AssertionError(f"{one}: {answer.status} {text!r}")
                ids.append(json.loads(text)["silenceID"])
        return ids

    def expire(self, identity: str) -> None:
        status, answer = self.api.ask(f"/api/v2/silence/{identity}", method="DELETE")
        if status != 200:
            raise AssertionError(f"{identity}: {status} {answer}")

    def source(self, name: str = "main", **options) -> dict:
        """The source's entry in agent.yaml."""
        return {"kind": "alertmanager", "name": name, "endpoints": [self.url], "storage": str(self.storage),
                **self.access, **options}
