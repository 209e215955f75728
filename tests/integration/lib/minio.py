"""A real MinIO on loopback, for S3's semantics and signatures."""

import os
import shutil
import ssl
import urllib.request
from pathlib import Path

from .certificates import Authority
from .places import service_program
from .processes import Process, free_port, wait_until

ACCESS_KEY = "holdfast-test"
SECRET_KEY = "correct/horse+battery=staple"


class MinIO:
    """One server with one directory. With `authority` it uses TLS."""

    def __init__(self, directory: Path, authority: Authority | None = None):
        directory.mkdir(parents=True, exist_ok=True)
        self.authority = authority
        self._directory = directory
        self._address = f"127.0.0.1:{free_port()}"
        self.url = f"{'https' if authority else 'http'}://{self._address}"
        self._arguments: list[str] = []
        if authority:
            issued = authority.issue("minio")
            certificates = directory / "certificates"
            certificates.mkdir()
            issued.cert.rename(certificates / "public.crt")
            issued.key.rename(certificates / "private.key")
            self._arguments = ["--certs-dir", str(certificates)]
        self.credentials_file = directory / "credentials"
        self.credentials_file.touch(0o600)
        self.credentials_file.write_text(
            f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        )
        self.process: Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment that stock restic needs."""
        return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

    def start(self) -> "MinIO":
        self.process = Process(
            [service_program("minio", "minio"), "server", str(self._directory / "data"), "--quiet"]
            + ["--address", self._address, "--console-address", f"127.0.0.1:{free_port()}", *self._arguments],
            self._directory / "minio.log",
            env={"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "HOME": str(self._directory)},
        )
        wait_until("MinIO's answer", self._is_ready, 60)
        return self

    def kill(self) -> None:
        """Kills the server, as a power cut would."""
        self.process.kill()

    def files(self, bucket: str) -> list[Path]:
        """The keys in a bucket, as MinIO stores them on disk."""
        top = self._directory / "data" / bucket
        # Unlike rglob(), os.walk() tolerates directories that disappear.
        return sorted(Path(at).relative_to(top) for at, _, files in os.walk(top) if "xl.meta" in files)

    def size(self, bucket: str, key: Path) -> int:
        """Bytes that the object takes on disk."""
        top = self._directory / "data" / bucket / key
        return sum(file.stat().st_size for file in top.rglob("*") if file.is_file())

    def remove(self, bucket: str, key: Path) -> None:
        """Removes an object's files, as disk damage would."""
        shutil.rmtree(self._directory / "data" / bucket / key)

    def _is_ready(self) -> bool:
        self.process.require_running()
        context = ssl.create_default_context(cafile=str(self.authority.ca)) if self.authority else None
        with urllib.request.urlopen(f"{self.url}/minio/health/live", timeout=5, context=context) as answer:
            return answer.status == 200
