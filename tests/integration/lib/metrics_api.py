"""Asking Prometheus and Alertmanager over HTTP, and what their web configurations look like."""

import base64
import json
import ssl
import urllib.error
import urllib.request

# "backup" with the password "a secret", and its hash by bcrypt of the lowest cost.
USER, PASSWORD = "backup", "a secret"
BCRYPT = "$2b$04$abcdefghijklmnopqrstuuptX35pdqP/yflhzg5TSsMy0N7LlPqh2"


class HttpApi:
    """One server. `ca` where it has TLS, `user` as (name, password) where it wants a login."""

    def __init__(self, url: str, ca=None, user: tuple[str, str] | None = None):
        self.url = url
        self._context = ssl.create_default_context(cafile=str(ca)) if ca else None
        self._headers = {"Content-Type": "application/json"}
        if user is not None:
            self._headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()

    def ask(self, path: str, body=None, *, method: str | None = None) -> tuple[int, object]:
        """The status and the answer: decoded where it is JSON, else as text."""
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
        """The answer of what must go well."""
        status, answer = self.ask(path)
        if status != 200:
            raise AssertionError(f"{self.url}{path}: {status} {answer}")
        return answer


def write_web_config(path, authority, name: str) -> dict:
    """A web configuration with TLS and a login, at `path`. Returns how a source reaches such a server, but for the
    password's file."""
    issued = authority.issue(name)
    config = {
        "tls_server_config": {"cert_file": str(issued.cert), "key_file": str(issued.key)},
        "basic_auth_users": {USER: BCRYPT},
    }
    path.write_text(json.dumps(config, indent=1) + "\n")
    return {"ca": str(authority.ca), "user": USER}
