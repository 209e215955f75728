"""Real Alertmanagers, alone or as a cluster that gossips, and silences in them."""

import contextlib
import http.client
import json
import time
import urllib.parse
from datetime import datetime, timezone
from pathlib import Path

from .certificates import Authority
from .metrics_api import PASSWORD, USER, HttpApi, write_web_config
from .places import service_program
from .processes import Process, free_port, wait_until


def api_time(seconds_from_now: float) -> str:
    """As Alertmanager's API has times: to the millisecond."""
    moment = datetime.fromtimestamp(time.time() + seconds_from_now, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Alertmanager:
    """One server below `directory`: its configuration with a template and a password file, and its storage. `peers` are
    others of its cluster, started before. With `authority` it has TLS and wants a login."""

    def __init__(self, directory: Path, *, peers: list["Alertmanager"] | None = None,
                 authority: Authority | None = None, flags: tuple[str, ...] = ()):
        self.directory = directory
        self.etc = directory / "etc"
        self.storage = directory / "storage"
        self.etc.mkdir(parents=True, exist_ok=True)
        self.peers = peers
        self.flags = flags
        self.port = free_port()
        self.cluster_port = free_port()
        self.config = self.etc / "alertmanager.yml"
        self.template = self.etc / "templates" / "mail.tmpl"
        self.password_file = self.etc / "smtp.password"
        self.web_config = self.etc / "web.yml" if authority else None
        self.access: dict = {}
        self.process: Process | None = None
        if authority is not None:
            self.access = write_web_config(self.web_config, authority, f"alertmanager-{self.port}")
            password = directory / "api.password"
            password.write_text(PASSWORD + "\n")
            self.access["password_file"] = str(password)
        scheme = "https" if authority else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.api = HttpApi(self.url, authority.ca if authority else None, (USER, PASSWORD) if authority else None)
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
                f"--storage.path={self.storage}", f"--web.listen-address=127.0.0.1:{self.port}", *self.flags]
        if self.web_config is not None:
            argv.append(f"--web.config.file={self.web_config}")
        if self.peers is None:
            argv.append("--cluster.listen-address=")
        else:
            argv += [f"--cluster.listen-address=127.0.0.1:{self.cluster_port}", "--cluster.settle-timeout=2s",
                     "--cluster.pushpull-interval=1s"]
            argv += [f"--cluster.peer=127.0.0.1:{one.cluster_port}" for one in self.peers]
        self.process = Process(argv, self.directory / "alertmanager.log")

        def serves() -> bool:
            self.process.require_running()
            return self.api.ask("/-/ready")[0] == 200

        wait_until("Alertmanager to serve", serves)
        return self

    def stop(self) -> None:
        """Cleanly: it writes its files."""
        if self.process is not None:
            self.process.stop()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

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
