"""Creates and compares file trees with everything that a file system can hold."""

import hashlib
import os
import random
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 20


# More sources, with longer names, than fit on a screen of 80x24.
LONG_NAMES = [f"data-of-a-service-with-quite-a-name-{number:04}" for number in range(200)]


def long_named_sources(directory: Path) -> list[dict]:
    """One source for each of LONG_NAMES, with one small file below `directory`."""
    sources = []
    for name in LONG_NAMES:
        path = directory / name
        path.mkdir(parents=True)
        (path / "file").write_text(name)
        sources.append({"kind": "files", "name": name, "paths": [str(path)]})
    return sources


class Tree:
    """Writes files below `root`. Names are bytes, as in the file system."""

    def __init__(self, root: Path):
        self.root = os.fsencode(root)
        os.makedirs(self.root, exist_ok=True)

    def path(self, name: str | bytes) -> bytes:
        return os.path.join(self.root, os.fsencode(name))

    def directory(self, name: str | bytes, mode: int = 0o755) -> bytes:
        os.makedirs(self.path(name), exist_ok=True)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def file(self, name: str | bytes, content: bytes = b"", mode: int = 0o644) -> bytes:
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as output:
            output.write(content)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def random_file(self, name: str | bytes, size: int, seed: int = 0) -> bytes:
        """A file of `size` incompressible bytes, the same for the same seed."""
        generator = random.Random(seed)
        path = self.file(name)
        with open(path, "wb") as output:
            while size > 0:
                output.write(generator.randbytes(min(size, _CHUNK)))
                size -= min(size, _CHUNK)
        return path

    def holes(self, name: str | bytes, size: int, pieces: dict[int, bytes]) -> bytes:
        """A sparse file of `size` bytes with data only at `pieces` (offset -> bytes)."""
        path = self.file(name)
        with open(path, "r+b") as output:
            output.truncate(size)
            for offset, content in pieces.items():
                output.seek(offset)
                output.write(content)
        return path

    def symlink(self, name: str | bytes, target: str | bytes) -> bytes:
        os.symlink(os.fsencode(target), self.path(name))
        return self.path(name)

    def hard_link(self, name: str | bytes, existing: str | bytes) -> bytes:
        os.link(self.path(existing), self.path(name), follow_symlinks=False)
        return self.path(name)

    def fifo(self, name: str | bytes, mode: int = 0o640) -> bytes:
        os.mkfifo(self.path(name), mode)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def socket(self, name: str | bytes) -> bytes:
        here = os.getcwd()
        os.chdir(os.path.dirname(self.path(name)))  # the path of a socket is limited to 107 bytes
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.path.basename(self.path(name)))
        finally:
            os.chdir(here)
        return self.path(name)

    def stamp(self, seconds: int = 1_600_000_000) -> None:
        """Gives every entry a different time with nanoseconds, so that no restored time is right by chance."""
        number = 0
        for directory, _, names in os.walk(self.root, topdown=False):
            for name in [*sorted(names), b""]:
                number += 1
                path = os.path.join(directory, name) if name else directory
                time_ns = (seconds + number) * 10**9 + 123_456_789
                os.utime(path, ns=(time_ns, time_ns), follow_symlinks=False)
            for name in os.listdir(directory):  # os.walk() lists symlinks to directories as directories
                path = os.path.join(directory, name)
                if os.path.islink(path) and os.path.isdir(path):
                    os.utime(path, ns=(seconds * 10**9 + 5, seconds * 10**9 + 5), follow_symlinks=False)
        os.utime(self.root, ns=(seconds * 10**9, seconds * 10**9))


@dataclass
class Entry:
    """Everything about one file that a restore must bring back."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    size: int = 0
    sha256: str = ""
    target: bytes = b""
    device: int = 0
    xattrs: dict[str, bytes] = field(default_factory=dict)
    linked_with: frozenset[bytes] = frozenset()
    holes: tuple[tuple[int, int], ...] = ()


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISREG, "file"),
        (stat.S_ISDIR, "directory"),
        (stat.S_ISLNK, "symlink"),
        (stat.S_ISFIFO, "fifo"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "character device"),
        (stat.S_ISBLK, "block device"),
    ):
        if test(mode):
            return name
    return "unknown"


def _content(path: bytes) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        while piece := source.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _holes(path: bytes, size: int) -> tuple[tuple[int, int], ...]:
    found, offset = [], 0
    handle = os.open(path, os.O_RDONLY)
    try:
        while offset < size:
            start = os.lseek(handle, offset, os.SEEK_HOLE)
            if start >= size:
                break
            try:
                end = os.lseek(handle, start, os.SEEK_DATA)
            except OSError:  # no data up to the end
                end = size
            found.append((start, end))
            offset = end
    finally:
        os.close(handle)
    return tuple(found)


def scan(root: str | bytes | Path, *, skip: frozenset[bytes] = frozenset()) -> dict[bytes, Entry]:
    """`root` (as b".") and every entry below it, by relative path. `skip` excludes names and everything below them."""
    root = os.fsencode(root)
    entries: dict[bytes, Entry] = {}
    inodes: dict[tuple[int, int], list[bytes]] = {}

    def visit(path: bytes, name: bytes) -> None:
        status = os.lstat(path)
        kind = _kind(status.st_mode)
        entry = Entry(
            kind, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), status.st_mtime_ns
        )
        for attribute in os.listxattr(path, follow_symlinks=False):
            entry.xattrs[attribute] = os.getxattr(path, attribute, follow_symlinks=False)
        if kind == "file":
            entry.size = status.st_size
            entry.sha256 = _content(path)
            if status.st_blocks * 512 < status.st_size:
                entry.holes = _holes(path, status.st_size)
        elif kind == "symlink":
            entry.target = os.readlink(path)
        elif kind.endswith("device"):
            entry.device = status.st_rdev
        if kind != "directory" and status.st_nlink > 1:
            inodes.setdefault((status.st_dev, status.st_ino), []).append(name)
        entries[name] = entry
        if kind == "directory":
            for child in sorted(os.listdir(path)):
                if child not in skip:
                    visit(os.path.join(path, child), os.path.join(name, child) if name != b"." else child)

    visit(root, b".")
    for names in inodes.values():
        for name in names:
            entries[name].linked_with = frozenset(names)
    return entries


def differences(
    expected: dict[bytes, Entry], actual: dict[bytes, Entry], *, ignore: frozenset[str] = frozenset()
) -> list[str]:
    """The differences in words; empty if the trees are equal. `ignore` names fields of Entry."""
    found = []
    for name in sorted(expected.keys() | actual.keys()):
        if name not in actual:
            found.append(f"{name!r} is missing")
        elif name not in expected:
            found.append(f"{name!r} should not be there")
        else:
            for part in Entry.__dataclass_fields__:
                want, have = getattr(expected[name], part), getattr(actual[name], part)
                if part not in ignore and want != have:
                    found.append(f"{name!r}: {part} is {have!r}, not {want!r}")
    return found
