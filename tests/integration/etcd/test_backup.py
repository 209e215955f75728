"""Backups of a real cluster with TLS and authentication, and restores with restic and etcd's own tools."""

import json
import re
import shutil

from rig import KEYS, SERVICE, fresh_cluster, make_agent, run_tests, secured_cluster, source_of, tools_path
from lib import Case, EtcdCluster, ExitPage, Restic, Writer, run
from lib.counts import assert_counts
from lib.places import ROOT, SERVICES, service_version


class Backup(Case):
    @classmethod
    def setUpClass(cls) -> None:
        cls.shared = cls.shared_directory()
        cls.cluster = secured_cluster(cls.shared / "cluster")
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.fill(KEYS)

    def setUp(self) -> None:
        super().setUp()
        self.agent = make_agent(self.directory / "agent", source_of(self.cluster, self.directory))
        self.restic = Restic(
            self.directory / "agent" / "repository",
            self.directory / "agent" / "password",
            self.directory / "cache",
        )

    def backup(self) -> dict:
        return self.agent.json("backup", "etcd/main")["sources"][0]

    def test_restic_and_etcd_restore_the_recorded_revision(self) -> None:
        with Writer(self.cluster, keys=1000):
            report = self.backup()
        revision = int(report["position"]["revision"])
        self.assertLessEqual(revision, self.cluster.revision())
        self.assertEqual((report["missing"], report["warnings"]), ([], []))
        assert_counts(self, self.agent, report)

        self.restic.check()
        target = self.directory / "restored"
        self.restic.restore(report["snapshot"], target)
        snapshot = target / "etcd" / "main" / "data" / "snapshot.db"
        fresh = fresh_cluster(self.directory / "fresh", self.cluster)
        for member in fresh.members:
            fresh.restore_by_etcd(snapshot, member)
        self.addCleanup(fresh.stop)
        fresh.start(auth_is_enabled=True)

        expected = self.cluster.state(revision)
        self.assertGreaterEqual(len(expected), KEYS)
        self.assertTrue(fresh.state() == expected, "keys differ from the live ones at that revision")

    def test_small_changes_add_little(self) -> None:
        first = self.backup()
        changed = range(0, KEYS, 100)
        self.cluster.put_many({f"key/{n:07d}": f"changed {n} {self.id()}" for n in changed})
        second = self.backup()

        self.assertGreater(int(second["position"]["revision"]), int(first["position"]["revision"]))
        self.assertLessEqual(second["bytes_added"], 0.03 * first["bytes_added"])

    def test_manifest_describes_the_snapshot(self) -> None:
        report = self.backup()
        target = self.directory / "restored"
        self.agent.run("restore", report["snapshot"], "--to", str(target))
        manifest = json.loads((target / "manifest.json").read_text())

        self.assertEqual({member["name"] for member in manifest["members"]}, {"m1", "m2", "m3"})
        self.assertEqual(
            {member["peer_urls"] for member in manifest["members"]},
            {member.peer_url for member in self.cluster.members},
        )
        self.assertEqual(manifest["identity"]["server_version"], service_version(SERVICE))
        self.assertEqual(manifest["endpoint"], self.cluster.endpoints[0])
        self.assertEqual(manifest["consistency"], "exact")
        self.assertEqual(manifest["details"]["auth"], ["on"])
        file = target / "data" / "snapshot.db"
        self.assertEqual(
            manifest["checksums"]["data/snapshot.db"], "sha256:" + file.read_bytes()[-32:].hex()
        )
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        state = self.cluster.state(int(manifest["position"]["revision"]))
        self.assertEqual(manifest["details"]["keys"], [str(len(state))])

    def test_exit_script_restores_each_member(self) -> None:
        self.backup()
        fresh = fresh_cluster(self.directory / "fresh", self.cluster)
        script = str(ROOT / "scripts" / "exit" / "etcd")
        environment = {"PATH": tools_path(), "RESTIC_CACHE_DIR": str(self.directory / "cache")}
        arguments = ["--repository", str(self.restic.repository)]
        arguments += ["--password-file", str(self.restic.password_file)]
        arguments += ["--initial-cluster", fresh.initial_cluster]
        for member in fresh.members:
            mine = ["--member", member.name, "--data-dir", str(member.data_dir)]
            run([script, *arguments, *mine, "main"], env=environment)
        again = run([script, *arguments, *mine, "main"], env=environment, expect=1)
        self.assertIn("already exists", again.stderr)
        self.addCleanup(fresh.stop)
        fresh.start(auth_is_enabled=True)

        self.assertEqual(fresh.revision(), self.cluster.revision())

    def test_member_files_and_control_plane_are_saved(self) -> None:
        kubernetes = self.directory / "kubernetes"
        (kubernetes / "pki" / "etcd").mkdir(parents=True)
        (kubernetes / "pki" / "sa.key").write_text("key\n")
        (kubernetes / "manifests").mkdir()
        encryption = self.directory / "enc.yaml"
        (kubernetes / "manifests" / "kube-apiserver.yaml").write_text(
            f"spec:\n  containers:\n  - command:\n    - --encryption-provider-config={encryption}\n"
        )
        own = self.directory / "own.conf"
        own.write_text("own\n")
        source = source_of(
            self.cluster,
            self.directory,
            kubeadm=True,
            kubernetes_dir=str(kubernetes),
            kubelet_dir=str(self.directory / "kubelet"),
            files=[str(own)],
        )
        shutil.rmtree(self.directory / "agent")
        agent = make_agent(self.directory / "agent", source)

        report = agent.json("backup", "etcd/main", expect=3)["sources"][0]
        missing = {entry["what"]: entry for entry in report["missing"]}
        self.assertIn(str(encryption), missing)
        self.assertIn(str(kubernetes / "pki" / "ca.key"), missing)
        self.assertIn(str(self.directory / "kubelet" / "config.yaml"), missing)
        self.assertNotIn(str(kubernetes / "pki" / "sa.key"), missing)

        target = self.directory / "restored"
        agent.run("restore", report["snapshot"], "--to", str(target))
        files = target / "members" / "test-1" / "files"
        self.assertEqual((files / str(own).lstrip("/")).read_text(), "own\n")
        saved_key = files / str(kubernetes).lstrip("/") / "pki" / "sa.key"
        self.assertEqual(saved_key.read_text(), "key\n")

    def test_probe_reports_versions_members_and_health(self) -> None:
        report = self.agent.json("source", "list")["sources"][0]

        self.assertTrue(report["healthy"], report)
        self.assertEqual(report["health"], "3 of 3 endpoints can be read")
        self.assertEqual(report["identity"]["server_version"], service_version(SERVICE))
        members = {member["name"]: member for member in report["members"]}
        self.assertEqual(set(members), {"m1", "m2", "m3"})
        self.assertEqual(sum(member.get("leader") == "true" for member in members.values()), 1)
        self.assertIn("data/snapshot.db", report["would_save"])

    def test_down_member_is_passed_over_and_named(self) -> None:
        first = self.cluster.members[0]
        first.process.stop()
        self.addCleanup(self.cluster.start)
        report = self.backup()

        self.assertEqual(report["endpoint"], self.cluster.endpoints[1])
        self.assertIn(first.client_url, " ".join(report["warnings"]))


class ByHand(Case):
    def test_exit_page_works_as_written(self) -> None:
        live = EtcdCluster(self.directory / "live", SERVICE, 3)
        self.addCleanup(live.stop)
        live.start()
        live.fill(500)
        expected = live.state()
        conf = self.directory / "etcd.conf"
        conf.write_text("own\n")
        agent = make_agent(self.directory / "by-hand", live.source(files=[str(conf)]))
        agent.run("backup")
        live.stop()
        fresh = fresh_cluster(self.directory / "by-hand" / "fresh", live)
        self.addCleanup(fresh.stop)
        scratch = self.directory / "scratch"
        scratch.mkdir()
        urls = ",".join(f"db-{number}=https://10.0.0.{number}:2380" for number in (1, 2, 3))
        page = ExitPage("etcd", self.directory / "by-hand", self.directory / "by-hand" / "repository",
                        {"/tmp/etcd-restore": str(self.directory / "restored"), urls: fresh.initial_cluster,
                         "restored-1": fresh.token, "NODE": "test-1", "-C / ": f"-C {scratch} ",
                         # The page says this for etcd 3.4.
                         "etcdutl": "ETCDCTL_API=3 etcdctl" if live.is_3_4 else "etcdutl"})
        for tool in ("etcdctl", "etcdutl"):
            servers = f"ETCDCTL_API=3 ETCDCTL_ENDPOINTS={fresh.endpoints[0]} " if tool == "etcdctl" else ""
            page.program(tool, f'{servers}exec {SERVICES}/{SERVICE}/bin/{tool} "$@"')

        self.assertIn("etcd/main", page.run(0))
        saved, counted = re.findall(r"[0-9a-f]{64}", page.run(1))
        self.assertEqual(saved, counted)
        files = self.directory / "restored" / "etcd" / "main"
        for number, member in enumerate(fresh.members, 1):
            copied = self.directory / "by-hand" / f"copied-{number}"
            copied.mkdir()
            shutil.copy(files / "data" / "snapshot.db", copied)
            page.shell(f"cd {copied}")
            page.run(2, {"/var/lib/etcd": str(member.data_dir), "--name db-1": f"--name {member.name}",
                         "--initial-advertise-peer-urls https://10.0.0.1:2380":
                         f"--initial-advertise-peer-urls {member.peer_url}"})
        page.shell(f"cd {files}")
        page.run(3)
        self.assertEqual((scratch / str(conf)[1:]).read_text(), "own\n")
        fresh.start()
        self.assertEqual(fresh.state(), expected)
        self.assertIn("OK", page.run(4))
        page.run(5)

        self.assertEqual(page.end(), [f"-R etcd:etcd {member.data_dir}" for member in fresh.members])
        self.assertEqual(fresh.ctl("get", "restored", "--print-value-only").strip(), "ok")


if __name__ == "__main__":
    run_tests("restic")
