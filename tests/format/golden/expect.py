"""The entries that a restored directory must have, one per line, sorted by path:

    TYPE MODE MTIME SIZE CONTENT PATH

TYPE is file, dir, link or fifo. MTIME is in nanoseconds. CONTENT is the SHA-256 of a file, the target of a link, or
"-". Targets and paths are percent-encoded. A link has the mode "-"; only files have a size other than 0.
"""

import hashlib
import os
import stat
from pathlib import Path
from urllib.parse import quote_from_bytes


def describe(root: Path) -> str:
    lines = []
    top = os.fsencode(root)
    for directory, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            kind, size, content = "fifo", 0, "-"
            mode = f"{stat.S_IMODE(status.st_mode):o}"
            if stat.S_ISDIR(status.st_mode):
                kind = "dir"
            elif stat.S_ISLNK(status.st_mode):
                kind, mode, content = "link", "-", quote_from_bytes(os.readlink(path))
            elif stat.S_ISREG(status.st_mode):
                kind, size = "file", status.st_size
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            shown = quote_from_bytes(os.path.relpath(path, top))
            lines.append((os.path.relpath(path, top), f"{kind} {mode} {status.st_mtime_ns} {size} {content} {shown}\n"))
    return "".join(line for _, line in sorted(lines))
