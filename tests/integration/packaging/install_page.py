#!/usr/bin/env python3
"""Runs the commands of docs/install.md, as root, in the current root directory.

  install_page.py --build BUILD [--user-services]

Without --user-services this needs a running systemd: use a disposable machine. It leaves configuration and state;
`scripts/install --uninstall` removes the rest. --user-services starts the units without systemd, with their users,
capabilities and limits (lib/unit.py). test_install_page.py does this in a scratch root.
"""

import argparse
import os
import pwd
import re
import shlex
import socket
import stat
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.places import ROOT
from lib.unit import Unit

PAGE = ROOT / "docs" / "install.md"
UNITS = Path("/usr/local/lib/systemd/system")
# Replacements for a single machine without a terminal.
REPLACED = {
    "--host backup-1": "--host 127.0.0.1 --no-passphrase",
    "scripts/install all": f"{ROOT}/scripts/install all --build {{build}}",
}


def commands() -> list[str]:
    found = []
    for block in re.findall(r"^ *```console\n(.*?)^ *```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        found += [line.strip().removeprefix("# ") for line in block.splitlines() if line.strip().startswith("# ")]
    return found


def script(build: str) -> str:
    lines = ["set -eu", "export HOME=/root"]
    for command in commands():
        for old, new in REPLACED.items():
            command = command.replace(old, new.format(build=build))
        lines += [f"echo {shlex.quote('+ ' + command)}", command]
    return "\n".join(lines) + "\n"


def drop_ins(unit: str) -> list[str]:
    return [path.read_text() for path in Path(f"/etc/systemd/system/{unit}.d").glob("*.conf")]


def own(path: Path, mode: int, user: pwd.struct_passwd, group: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    os.chown(path, user.pw_uid, group)


def start(name: str) -> None:
    """Like `systemctl start`: creates directories and the notification socket, then starts the restricted program."""
    unit = Unit(UNITS / name, [])
    user = pwd.getpwnam(unit.one("User"))
    group = subprocess.run(["getent", "group", unit.one("Group")], check=True, text=True, stdout=subprocess.PIPE)
    state = Path("/var/lib") / unit.one("StateDirectory")
    run = Path("/run") / unit.one("RuntimeDirectory")
    for path, mode in ((state, "StateDirectoryMode"), (run, "RuntimeDirectoryMode")):
        own(path, int(unit.one(mode), 8), user, int(group.stdout.split(":")[2]))
    opened = [line.partition("=")[2] for text in drop_ins(name) for line in text.splitlines()
              if line.startswith("ReadWritePaths=")]
    unit.read_write = [str(state), str(run), *opened]
    notify = Path(f"/run/notify.{name}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(notify))
    notify.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    listener.settimeout(60)
    for before in unit.settings.get("ExecStartPre", []):
        command = before.removeprefix("+")  # without the unit's restrictions
        assert command != before, before
        subprocess.run(command.split(), check=True, stdin=subprocess.DEVNULL)
    log = Path(f"/run/{name}.log")
    with log.open("wb") as output:
        subprocess.Popen(unit.argv(unit.one("ExecStart").split()), stdin=subprocess.DEVNULL, stdout=output,
                         stderr=output, env=os.environ | {"NOTIFY_SOCKET": str(notify)}, start_new_session=True)
    try:
        while b"READY=1" not in listener.recv(4096).splitlines():
            continue
    except TimeoutError:
        sys.exit(f"{name} is not ready:\n{log.read_text()}")


def systemctl(words: list[str]) -> None:
    for unit in [word for word in words if word.startswith("holdfast")]:
        if not unit.endswith(".path"):  # no restore on the page needs the path unit
            start(unit if unit.endswith(".service") else unit + ".service")


def main() -> int:
    if sys.argv[1:2] == ["systemctl"]:
        systemctl(sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--user-services", action="store_true")
    arguments = parser.parse_args()
    text = script(arguments.build)
    if arguments.user_services:
        text = f'systemctl() {{ "{sys.executable}" "{__file__}" systemctl "$@"; }}\n' + text
    elif not Path("/run/systemd/system").is_dir():
        sys.exit("install_page: systemd is not running on this machine")
    return subprocess.run(["bash", "-c", text], cwd="/root", check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
