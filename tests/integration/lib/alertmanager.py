"""Real Alertmanagers, alone or as a cluster that gossips, and silences in them."""

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
    """As Alertmanager's API has times: to the millisecond."""
    moment = datetime.fromtimestamp(time.time() + seconds_from_now, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Alertmanager(MetricsServer):
    """Its configuration with a template and a password file, and its storage. `peers` are others of its cluster, started
    before."""

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
        """By id."""
        return {one["id"]: one for one in self.api.get("/api/v2/silences")}

    def add_silence(self, name: str = "alertname", value: str = "Down", *, comment: str = "planned", starts: float = -1,
                    ends: float = 7200, **matcher) -> str:
        """Its id."""
        return self.add_silences([self.silence(name, value, comment=comment, starts=starts, ends=ends, **matcher)])[0]

    @staticmethod
    def silence(name: str, value: str, *, comment: str = "planned", starts: float = -1, ends: float = 7200,
                is_regex: bool = False, is_equal: bool = True) -> dict:
        matchers = [{"name": name, "value": value, "isRegex": is_regex, "isEqual": is_equal},
                    # One of them has to be such that it does not match what has no such label.
                    {"name": "severity", "value": "page", "isRegex": False, "isEqual": True}]
        return {"matchers": matchers, "startsAt": api_time(starts), "endsAt": api_time(ends),
                "createdBy": "anna", "comment": comment}

    def add_silences(self, silences: list[dict]) -> list[str]:
        """Over one connection. Not with TLS."""
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
        """The source's entry for agent.yaml."""
        return {"kind": "alertmanager", "name": name, "endpoints": [self.url], "storage": str(self.storage),
                **self.access, **options}
