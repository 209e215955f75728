"""A repository on a real S3 service, in both directions with stock restic."""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Authority, Case, MinIO, Restic, Tree, main, scan, wait_until, write_config
from lib.minio import SECRET_KEY


class OnMinIO(Case):
    def setUp(self) -> None:
        super().setUp()
        self.minio = MinIO(self.directory / "minio", Authority(self.directory / "authority")).start()
        self.url = f"s3:{self.minio.url}/backups/some/prefix"
        self.tree = self.directory / "tree"
        tree = Tree(self.tree)
        tree.file("a/small", b"small")
        tree.file("a/empty", b"")
        tree.symlink("a/link", "small")
        tree.random_file("large", 40_000_000, seed=1)
        for number in range(300):
            tree.file(f"many/{number}", str(number).encode() * 50)
        tree.stamp()
        self.agent = Agent(self.config())
        self.restic = Restic(
            self.url, self.directory / "password", self.directory / "cache", environment=self.minio.environment,
            arguments=("--cacert", str(self.minio.authority.ca)),
        )

    def config(self, **options) -> Path:
        repository = {
            "url": self.url,
            "password_file": str(self.directory / "password"),
            "ca": str(self.minio.authority.ca),
            "credentials_file": str(self.minio.credentials_file()),
        }
        repository = {name: value for name, value in (repository | options).items() if value is not None}
        sources = [{"kind": "files", "name": "app", "paths": [str(self.tree)]}]
        return write_config(self.directory, sources, repositories={"main": repository})

    def require_restored(self, top: Path) -> None:
        self.assertEqual(scan(top / str(self.tree)[1:]), scan(self.tree))

    def restore_by_us(self, snapshot: str) -> Path:
        target = self.directory / "by us"
        shutil.rmtree(target, ignore_errors=True)
        self.agent.run("restore", snapshot, "--to", str(target))
        return target

    def restore_by_restic(self, snapshot: str) -> Path:
        target = self.directory / "by restic"
        shutil.rmtree(target, ignore_errors=True)
        self.restic.restore(snapshot, target)
        return target

    def find_tree(self, top: Path) -> Path:
        """Where a restored directory holds the tree's own path."""
        wanted = str(self.tree)[1:]
        return next(path for path in [top, *top.rglob("*")] if (path / wanted).is_dir())

    def test_a_repository_of_ours(self) -> None:
        self.agent.run("repository", "init")  # makes the bucket, too
        self.agent.run("backup")
        self.agent.run("check", "--read-data")
        self.restic.check()
        ours = self.restic.snapshots()[0]["id"]
        self.require_restored(self.find_tree(self.restore_by_restic(ours)))

        theirs = self.restic.backup(str(self.tree))["snapshot_id"]
        self.agent.run("check", "--read-data")
        self.require_restored(self.find_tree(self.restore_by_us(theirs)))
        self.require_restored(self.find_tree(self.restore_by_us("latest:files/app")))

        # What restic removes and repacks stays whole for us, and the next backup finds its way.
        self.restic.run("forget", "--prune", theirs)
        (self.tree / "a" / "small").write_bytes(b"changed")
        self.agent.run("backup")
        self.agent.run("check", "--read-data")
        self.restic.check()
        self.assertEqual([key for key in self.minio.files("backups") if "locks" in key.parts], [])

    def test_a_repository_of_restic(self) -> None:
        (self.directory / "password").write_text("a password\n")
        self.restic.init()
        self.restic.backup(str(self.tree))
        self.agent.run("backup")
        self.agent.run("check", "--read-data")
        self.restic.check()
        for snapshot in self.restic.snapshots():
            self.require_restored(self.find_tree(self.restore_by_us(snapshot["id"])))
            self.require_restored(self.find_tree(self.restore_by_restic(snapshot["id"])))

    def test_what_is_refused_is_said_without_secrets(self) -> None:
        self.agent.run("repository", "init")
        wrong = self.directory / "wrong"
        wrong.write_text("[default]\naws_access_key_id = holdfast-test\naws_secret_access_key = hush-hush\n")
        done = Agent(self.config(credentials_file=str(wrong))).run("list", expect=4)
        self.assertIn("SignatureDoesNotMatch", done.stderr)
        self.assertNotIn("hush-hush", done.stderr)
        wrong.write_text(f"[default]\naws_access_key_id = nobody\naws_secret_access_key = {SECRET_KEY}\n")
        done = Agent(self.config(credentials_file=str(wrong))).run("list", expect=4)
        self.assertIn("InvalidAccessKeyId", done.stderr)
        self.assertNotIn(SECRET_KEY, done.stderr)
        done = Agent(self.config(ca=None)).run("list", expect=4)
        self.assertIn("certificate", done.stderr)
        done = Agent(self.config()).run("repository", "init", expect=1)  # it is there

    def test_a_server_that_goes_and_comes_back(self) -> None:
        self.agent.run("repository", "init")
        Tree(self.tree).random_file("larger", 300_000_000, seed=2)
        Tree(self.tree).stamp()
        backup = self.agent.start("backup", log=self.directory / "backup.log")
        wait_until("some packs", lambda: sum("data" in key.parts for key in self.minio.files("backups")) > 2)
        self.minio.kill()
        wait_until("a try that fails", lambda: "again in" in backup.log.read_text())
        self.minio.start()
        self.assertEqual(backup.wait(120), 0, backup.tail())
        self.agent.run("check", "--read-data")
        self.restic.check()
        self.require_restored(self.find_tree(self.restore_by_us("latest:files/app")))

    def test_credentials_of_the_environment_and_a_url_alone(self) -> None:
        # A configuration file is not needed; the system does not trust our authority, so this is plain HTTP.
        plain = MinIO(self.directory / "plain").start()
        agent = Agent(self.config(url=f"s3:{plain.url}/bucket", ca=None, credentials_file=None))
        environment = plain.environment
        agent.run("repository", "init", env=environment)
        agent.run("backup", env=environment)
        url = ["--repository-url", f"s3:{plain.url}/bucket", "--password-file", str(self.directory / "password")]
        done = agent.run("check", "--read-data", *url, config=False, env=environment)
        self.assertEqual(done.code, 0)
        empty = {"HOME": str(self.directory), "AWS_EC2_METADATA_DISABLED": "true"}
        done = agent.run("list", expect=2, env=empty)
        self.assertIn("no S3 credentials in the environment", done.stderr)


if __name__ == "__main__":
    main("minio", "restic")
