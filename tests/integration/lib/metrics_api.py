"""Common to Prometheus and Alertmanager: starting, stopping and HTTP requests."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from .certificates import Authority
from .processes import Process, free_port

# User "backup", password "a secret", and its bcrypt hash of the lowest cost.
USER, PASSWORD = "backup", "a secret"
BCRYPT = "$2b$04$abcdefghijklmnopqrstuuptX35pdqP/yflhzg5TSsMy0N7LlPqh2"


class HttpApi:
    """One server. `ca` is needed for TLS; `user` is (name, password) for servers with a login."""

    def __init__(self, url: str, ca=None, user: tuple[str, str] | None = None):
        self.url = url
        self._context = ssl.create_default_context(cafile=str(ca)) if ca else None
        self._headers = {"Content-Type": "application/json"}
        if user is not None:
            self._headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()

    def ask(self, path: str, body=None, *, method: str | None = None) -> tuple[int, object]:
        """The status and the answer, decoded if it is JSON, otherwise text."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=self._headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self._context, timeout=60) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def get(self, path: str):
        """The answer to a request that must succeed."""
        status, answer = self.ask(path)
        if status != 200:
            raise AssertionError(f"{self.url}{path}: {status} {answer}")
        return answer


class MetricsServer:
    """One server below `directory`, not yet started, with its configuration in `etc`. With `authority` it uses TLS and
    requires a login; `access` holds the source's options for that."""

    def __init__(self, directory: Path, program: str, authority: Authority | None):
        self.directory = directory
        self.etc = directory / "etc"
        self.etc.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process: Process | None = None
        self.access: dict = {}
        self.web_config = self.etc / "web.yml" if authority else None
        self._program = program
        if authority is not None:
            issued = authority.issue(f"{program}-{self.port}")
            self.web_config.write_text(json.dumps({
                "tls_server_config": {"cert_file": str(issued.cert), "key_file": str(issued.key)},
                "basic_auth_users": {USER: BCRYPT},
            }, indent=1) + "\n")
            password = directory / "api.password"
            password.write_text(PASSWORD + "\n")
            self.access = {"ca": str(authority.ca), "user": USER, "password_file": str(password)}
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        self.api = HttpApi(self.url, authority.ca if authority else None, (USER, PASSWORD) if authority else None)

    def launch(self, argv: list[str]) -> None:
        """Starts the server and returns when it serves."""
        web = [f"--web.config.file={self.web_config}"] if self.web_config is not None else []
        self.process = Process([*argv, f"--web.listen-address=127.0.0.1:{self.port}", *web],
                               self.directory / f"{self._program}.log")
        self.process.wait_until_it_serves(self._program, lambda: self.api.ask("/-/ready")[0] == 200)

    def stop(self) -> None:
        """Stops the server cleanly, so that it writes its files."""
        if self.process is not None:
            self.process.stop()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
