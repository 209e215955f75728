"""docs/install.md leads to a good backup, on one node and in a cluster. Every command of the page runs as written, in a
scratch root over this machine's files, with the units' users, capabilities and limits."""

import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, main
from lib.places import BUILD
from lib.unit import Unit

# A scratch root: changes go to a separate directory, and all processes end with the first one.
SCRATCH = """set -eu
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount -t sysfs sysfs "$1/root/sys"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/srv"
directory=$1 python=$2 page=$3 build=$4
"$python" -c 'import fcntl, socket, struct
with socket.socket() as one: fcntl.ioctl(one, 0x8914, struct.pack("16sH14x", b"lo", 1))'
exec chroot "$directory/root" "$python" "$page" --build "$build" --user-services
"""


@unittest.skipUnless(Unit.is_possible() and shutil.which("systemd-sysusers"),
                     "needs root, setpriv, systemd-sysusers and a kernel of 6.3")
class InstallPage(Case):
    def test_the_page_leads_to_good_backups(self) -> None:
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir()
        page = Path(__file__).with_name("install_page.py")

        done = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", SCRATCH, "sh",
             str(self.directory), sys.executable, str(page), str(BUILD)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
            env=os.environ | {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})

        self.assertEqual(done.returncode, 0, done.stdout)
        alone, cluster = done.stdout.split("holdfast init ", 1)
        self.assertRegex(alone, r"files/etc +done ")
        self.assertRegex(cluster, r"files/etc@node-1 +backup +composed")


main()
