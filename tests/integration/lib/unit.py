"""Runs a program with the restrictions of its installed systemd unit file, without systemd. A test can thus find rights
that the unit fails to grant.

Supported: User with its uid, AmbientCapabilities, CapabilityBoundingSet, NoNewPrivileges, ProtectSystem=strict with
ReadWritePaths, MemoryDenyWriteExecute (through prctl), SystemCallFilter with the groups of systemd-analyze and its
error number, RestrictAddressFamilies, UMask. Ignored: settings that only hide devices, /tmp, clocks or other processes.
Requires root. It uses a separate mount namespace and does not change the system's users. If the system knows the unit's
user, the program runs as that user with its groups and the unit's Group; otherwise as UID.

The second half of this file is the launcher, in two steps: as root, then as the user."""

import ctypes
import errno
import json
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

UID = 64123  # not used by any user; its name exists only in the namespace
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20000, 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _RDONLY = 442, -100, 0x8000, 1
_PR_SET_MDWE, _REFUSE_EXEC_GAIN = 65, 1


class Unit:
    """An installed unit file. `read_write`: paths that a drop-in's ReadWritePaths and StateDirectory would open."""

    def __init__(self, path: Path, read_write: list[Path]):
        self.settings: dict[str, list[str]] = {}
        for line in path.read_text().splitlines():
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith("#"):
                self.settings.setdefault(name, []).append(value)
        self.read_write = [str(one) for one in read_write]

    def one(self, name: str, default: str = "") -> str:
        return self.settings.get(name, [default])[-1]

    def argv(self, program: list[str]) -> list[str]:
        """The command that runs `program` with the unit's restrictions."""
        capabilities = self.one("CapabilityBoundingSet").lower().split()
        if not set(self.one("AmbientCapabilities").lower().split()) <= set(capabilities):
            raise AssertionError("ambient capabilities beyond the bounding set")
        task = {
            "user": self.one("User"),
            "group": self.one("Group"),
            "bounding": [name.removeprefix("cap_") for name in capabilities],
            "ambient": [name.removeprefix("cap_") for name in self.one("AmbientCapabilities").lower().split()],
            "no_new_privs": self.one("NoNewPrivileges") == "yes",
            "read_only": self.one("ProtectSystem") == "strict",
            "read_write": self.read_write,
            "no_write_and_execute": self.one("MemoryDenyWriteExecute") == "yes",
            "calls": sorted(self.calls()),
            "families": self.one("RestrictAddressFamilies").split(),
            "umask": int(self.one("UMask", "0022"), 8),
            "argv": program,
        }
        return [sys.executable, __file__, "root", json.dumps(task)]

    def calls(self) -> set[str]:
        """Allowed system calls: the SystemCallFilter lines applied in order, see systemd.exec(5)."""
        allowed: set[str] = set()
        for line in self.settings.get("SystemCallFilter", []):
            words = line.removeprefix("~").split()
            named = set().union(*(_expand(word) for word in words))
            allowed = allowed - named if line.startswith("~") else allowed | named
        return allowed | _expand("@default")

    @staticmethod
    def is_possible() -> bool:
        return os.geteuid() == 0 and _mdwe_is_known() and Path("/usr/bin/setpriv").exists()


def _mdwe_is_known() -> bool:
    return _LIBC.prctl(_PR_SET_MDWE + 1, 0, 0, 0, 0) >= 0  # PR_GET_MDWE


def _expand(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    names = [line.strip() for line in listed.splitlines()[1:]]
    return set().union(*(_expand(name) for name in names if name and not name.startswith("#")))


# ---- the launcher


def _call(name: str, *arguments) -> int:
    done = getattr(_LIBC, name)(*arguments)
    if done < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return done


def _mount_attributes(path: str, *, set_bits: int, clear_bits: int, flags: int) -> None:
    attributes = (ctypes.c_uint64 * 4)(set_bits, clear_bits, 0, 0)
    _call("syscall", ctypes.c_long(_MOUNT_SETATTR), ctypes.c_int(_AT_FDCWD), path.encode(), ctypes.c_uint(flags),
          ctypes.byref(attributes), ctypes.c_size_t(32))


def _bind(source: str, target: str) -> None:
    _call("mount", source.encode(), target.encode(), None, ctypes.c_ulong(_MS_BIND), None)


def _as_root(task: dict) -> None:
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)
    user = task["user"]
    if is_known := user in {entry.pw_name for entry in pwd.getpwall()}:
        identity = [f"--reuid={user}", f"--regid={task['group']}", "--init-groups"]
    else:
        identity = [f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    for name, line in (("passwd", f"{user}:x:{UID}:{UID}::/:/bin/false\n"), ("group", f"{user}:x:{UID}:\n")):
        if is_known:
            break
        target = f"/etc/{name}"
        file = os.memfd_create(name)
        os.write(file, Path(target).read_bytes() + line.encode())
        os.fchmod(file, 0o644)
        _bind_text(file, target)
    for path in task["read_write"]:
        _bind(path, path)
    if task["read_only"]:
        _mount_attributes("/", set_bits=_RDONLY, clear_bits=0, flags=_AT_RECURSIVE)
        for path in ("/dev", "/proc", "/sys", *task["read_write"]):
            _mount_attributes(path, set_bits=0, clear_bits=_RDONLY, flags=_AT_RECURSIVE)
    argv = ["/usr/bin/setpriv", *identity]
    argv.append("--bounding-set=" + ",".join(["-all", *(f"+{name}" for name in task["bounding"])]))
    for kind in ("inh", "ambient"):
        argv.append(f"--{kind}-caps=" + ",".join(["-all", *(f"+{name}" for name in task["ambient"])]))
    if task["no_new_privs"]:
        argv.append("--no-new-privs")
    os.execv(argv[0], [*argv, sys.executable, __file__, "user", json.dumps(task)])


def _bind_text(file: int, target: str) -> None:
    """Mounts a file with our text over `target`, from a tmpfs that is detached afterwards."""
    _call("mount", b"none", b"/mnt", b"tmpfs", ctypes.c_ulong(0), None)
    copy = f"/mnt/{os.path.basename(target)}"
    os.lseek(file, 0, os.SEEK_SET)
    with open(copy, "wb") as output, os.fdopen(file, "rb") as text:
        output.write(text.read())
    os.chmod(copy, 0o644)
    _bind(copy, target)
    _call("umount2", b"/mnt", 2)


class _Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def _as_user(task: dict) -> None:
    os.umask(task["umask"])
    if task["no_write_and_execute"]:
        _call("prctl", _PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0)
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    allow, refuse = 0x7FFF0000, 0x00050000 | errno.EPERM
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(refuse)))
    for name in task["calls"]:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0 or (name == "socket" and task["families"]):
            continue
        if seccomp.seccomp_rule_add(context, ctypes.c_uint32(allow), number, 0) != 0:
            raise OSError(f"seccomp refuses {name}")
    number = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in task["families"]:
        equal = _Compare(0, 4, getattr(socket, family), 0)
        if seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(allow), number, 1, ctypes.byref(equal)) != 0:
            raise OSError(f"seccomp refuses {family}")
    if seccomp.seccomp_load(context) != 0:
        raise OSError("seccomp does not take the filter")
    os.execv(task["argv"][0], task["argv"])


if __name__ == "__main__":
    {"root": _as_root, "user": _as_user}[sys.argv[1]](json.loads(sys.argv[2]))
