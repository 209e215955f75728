"""A certificate authority for one test, using the openssl program."""

from dataclasses import dataclass
from pathlib import Path

from .processes import run

_EXTENSIONS = """\
basicConstraints=CA:FALSE
subjectAltName=IP:127.0.0.1,DNS:localhost
extendedKeyUsage=serverAuth,clientAuth
"""


@dataclass(frozen=True)
class Certificate:
    cert: Path
    key: Path


class Authority:
    """Issues certificates for 127.0.0.1 and localhost, valid for servers and clients."""

    def __init__(self, directory: Path, name: str = "ca"):
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.ca = directory / f"{name}.pem"
        self._key = directory / f"{name}.key"
        self._new_key(self._key)
        self._openssl(
            ["req", "-x509", "-new", "-key", str(self._key), "-days", "2", "-subj", f"/CN={name}"]
            + ["-out", str(self.ca)]
        )

    def issue(self, name: str) -> Certificate:
        cert, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        extensions.write_text(_EXTENSIONS)
        self._new_key(key)
        self._openssl(
            ["req", "-new", "-key", str(key), "-subj", f"/CN={name}", "-out", str(request)]
        )
        self._openssl(
            ["x509", "-req", "-in", str(request), "-CA", str(self.ca), "-CAkey", str(self._key)]
            + ["-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out", str(cert)]
        )
        return Certificate(cert, key)

    def _new_key(self, path: Path) -> None:
        self._openssl(["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(path)])
        path.chmod(0o600)

    @staticmethod
    def _openssl(arguments: list[str]) -> None:
        run(["openssl", *arguments])
