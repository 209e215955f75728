"""docs/exit/haproxy.md: restic, haproxy and a shell script restore HAProxy's files and its runtime state."""

import os
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from edge import Edge, LiveCase
from lib import main, run, service_program
from lib.haproxy import get
from lib.places import ROOT

# The page uses this program, which a test machine may not have.
SOCAT = """#!/usr/bin/env python3
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[2])
    connection.sendall(sys.stdin.buffer.read())
    connection.shutdown(socket.SHUT_WR)
    while piece := connection.recv(65536):
        sys.stdout.buffer.write(piece)
"""


class Files(LiveCase):
    def test_script_restores_the_files_or_keeps_the_current_ones(self) -> None:
        edge = self.made()
        before = edge.contents()
        saved = edge.backup()["snapshot"]
        edge.restic.check()

        edge.way_out("--to", str(self.directory / "only"))
        self.assertEqual(edge.contents(), before)

        shutil.rmtree(edge.etc / "certs")
        Path(self.map).write_text("version other\n")
        edge.way_out("--to", str(self.directory / "out"), "--apply")
        self.assertEqual(edge.contents(), before)
        self.assertTrue(edge.haproxy.check())

        # A snapshot that haproxy rejects changes nothing.
        (edge.etc / "certs" / "site.pem").write_text("no certificate\n")
        bad = edge.backup(expect=3)["snapshot"]
        self.assertNotEqual(bad, saved)
        edge.write("v2")
        now = edge.contents()
        done = edge.way_out("--snapshot", bad, "--to", str(self.directory / "bad"), "--apply", expect=1)
        self.assertIn("the former files are back", done.stderr)
        self.assertEqual(edge.contents(), now)


class Live(LiveCase):
    def way_out(self, edge: Edge, *arguments: str, **options):
        target = self.directory / f"out-{len(list(self.directory.glob('out-*')))}"
        return edge.way_out("--to", str(target), *arguments, **options)

    def reload(self, edge: Edge) -> list[str]:
        return ["--apply", "--reload", f"kill -USR2 $(head -n 1 {edge.haproxy.pidfile})"]

    def test_runtime_state_is_restored(self) -> None:
        edge = self.made()
        edge.haproxy.start()
        self.change(edge)
        known = self.knows(edge)
        edge.backup()
        self.write(edge, "v2")
        edge.haproxy.reload()
        self.assertNotEqual(self.knows(edge), known)

        there = ["--socket", str(edge.haproxy.admin_socket)]
        done = self.way_out(edge, *self.reload(edge), *there)
        self.assertEqual(self.knows(edge), known)
        self.assertEqual(get(edge.port)[1], "v1 changed")
        self.assertEqual(Path(self.map).read_text(), "version v1\n")
        for line in (
            "server app/s1: state drain",
            "server app/s2: weight 3",
            f"map {self.map} has its former content in memory",
            f"acl {self.acl} has its former content in memory",
            "table names: rows set: 1",
            "HAProxy was reloaded",
        ):
            self.assertIn(line, done.stdout.splitlines())
        self.assertNotIn("not restored:", done.stdout)

        # Restores into the running process, without the files. Steps that are not needed are skipped.
        self.say(edge, "set server app/s1 state ready", f"set map {self.map} version mine")
        files, workers = edge.contents(), edge.haproxy.workers()
        done = self.way_out(edge, *there)
        self.assertEqual(self.knows(edge), known)
        self.assertEqual((edge.contents(), edge.haproxy.workers()), (files, workers))
        self.assertIn("server app/s1: state drain", done.stdout)
        self.assertNotIn("server app/s2", done.stdout)
        self.assertNotIn(self.acl, done.stdout)

    def test_page_runs_as_written(self) -> None:
        """Runs each command of the page. Only paths, names and the reload are replaced."""
        edge = self.made()
        edge.haproxy.start()
        self.change(edge)
        known = self.knows(edge)
        edge.backup()
        inline = {name: self.inline(edge, name)[1:] for name in ("path_beg", "src")}
        self.write(edge, "v2")
        edge.haproxy.reload()
        self.assertNotEqual(self.knows(edge), known)

        page = (ROOT / "docs" / "exit" / "haproxy.md").read_text()
        page = page[page.index("## By hand") :]
        blocks = [re.sub("^ {0,3}", "", block, flags=re.MULTILINE) for block in re.findall("```\n(.*?)```", page, re.S)]
        self.assertEqual(len(blocks), 8)
        programs = self.directory / "programs"
        programs.mkdir()
        (programs / "socat").write_text(SOCAT)
        before = set(edge.haproxy.workers())
        (programs / "systemctl").write_text(
            f"#!/bin/sh\nkill -USR2 $(head -n 1 {edge.haproxy.pidfile})\n"
            f"until [ -S {edge.haproxy.admin_socket} ] && echo 'show info' | {programs}/socat - "
            f"{edge.haproxy.admin_socket} | grep '^Pid: ' | grep -qvw {before.pop()}; do :; done\n")
        for name in ("haproxy", "restic"):
            (programs / name).write_text(f'#!/bin/sh\nexec {service_program(name, name)} "$@"\n')
        for program in programs.iterdir():
            program.chmod(0o755)
        script = "".join(blocks)
        etc = str(edge.etc)
        for theirs, ours in (
            ("/srv/backup/main", str(edge.restic.repository)),
            ("/etc/holdfast/main.password", str(edge.restic.password_file)),
            ("/run/haproxy/admin.sock", str(edge.haproxy.admin_socket)),
            ("/etc/haproxy/maps/a.map", self.map),
            ("/etc/haproxy/lists/a.lst", self.acl),
            ("/etc/haproxy", etc),
            (" etc/haproxy", f" {etc[1:]}"),
            ("/tmp/edge", str(self.directory / "out")),
            ("/var/tmp", str(self.directory)),
        ):
            self.assertIn(theirs, script)
            script = script.replace(theirs, ours)
        put_inline = 'put acl \'#1\' "$live/inline-acls/1"\n'
        self.assertIn(put_inline, script)
        script = script.replace(put_inline, "".join(put_inline.replace("1", number) for number in inline.values()))
        # The page shows only one server, one row and one command of each kind.
        script += 'echo "set server app/s3 state maint" | ask\n'
        script += "echo 'set table names key some\\ thing data.gpc0 7' | ask\n"
        script += "echo 'set table sources key 192.0.2.1 data.conn_cnt 9' | ask\n"
        env = {"PATH": f"{programs}:{os.environ['PATH']}", "RESTIC_CACHE_DIR": str(self.directory / "cache")}
        run(["bash", "-euo", "pipefail", "-c", script], env=env)
        self.assertEqual(get(edge.port)[1], "v1 changed")
        self.assertEqual(self.knows(edge), known)

    def test_runtime_state_and_a_large_map_are_restored_through_the_master_socket(self) -> None:
        edge = self.made("master.sock")
        entries = [f"key-{number} value of {number}" for number in range(5000)]
        Path(self.map).write_text("\n".join(["version v1", *entries]) + "\n")
        edge.haproxy.start()
        self.change(edge)
        known = self.knows(edge)
        edge.backup()
        Path(self.map).write_text("version v2\n")
        edge.haproxy.reload()

        self.way_out(edge, *self.reload(edge), "--socket", str(edge.haproxy.master_socket))
        self.assertEqual(self.knows(edge), known)

    def test_commands_refused_by_the_sockets_level_are_reported(self) -> None:
        edge = self.made()
        edge.haproxy.start()
        self.change(edge)
        known = self.knows(edge)
        edge.backup()
        edge.config.write_text(edge.config.read_text().replace("level admin", "level operator"))
        edge.haproxy.reload()
        done = self.way_out(edge, "--socket", str(edge.haproxy.admin_socket))
        now = self.knows(edge)
        for part in ("map", "acl", "inline", "rows"):
            self.assertEqual(now[part], known[part])
        self.assertIn("not restored: server app/s1: state ready, was state drain: Permission denied", done.stdout)

    def test_files_are_rolled_back_if_no_new_worker_starts(self) -> None:
        edge = self.made()
        edge.haproxy.start()
        # `haproxy -c` accepts this configuration, but a start fails.
        self.write(edge, "v1", extra=f"frontend more\n    bind {self.directory}/no-such-directory/socket\n")
        edge.backup(expect=3)  # the certificate in memory is in no file
        self.write(edge, "v2")
        edge.haproxy.reload()
        files = edge.contents()
        done = self.way_out(edge, *self.reload(edge), "--socket", str(edge.haproxy.admin_socket), expect=1)
        self.assertIn("the former files are back", done.stderr)
        self.assertEqual(edge.contents(), files)
        self.assertEqual(get(edge.port)[1], "v2 v2")

    def test_unusable_sockets_and_arguments_are_refused_before_any_change(self) -> None:
        edge = self.made()
        edge.backup()
        there = ["--socket", str(edge.haproxy.admin_socket)]
        done = self.way_out(edge, *self.reload(edge), *there, expect=1)
        self.assertIn("no runtime state", done.stderr)
        edge.haproxy.start()
        edge.backup()
        edge.config.write_text(re.sub(r"\bv1\b", "v2", edge.config.read_text().replace("level admin", "level user")))
        edge.haproxy.reload()
        files, workers = edge.contents(), edge.haproxy.workers()
        for arguments, said in (
            ([*self.reload(edge), *there], "its level is 'user'"),
            ([*self.reload(edge), "--socket", str(self.directory / "none.sock")], "none.sock"),
            (["--apply", *there], "--reload COMMAND"),
        ):
            self.assertIn(said, self.way_out(edge, *arguments, expect=1).stderr)
            self.assertEqual((edge.contents(), edge.haproxy.workers()), (files, workers))


if __name__ == "__main__":
    main("haproxy", "restic")
