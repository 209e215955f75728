"""Every script in scripts/exit reports a source without a snapshot."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, main, run, write_config
from lib.places import ROOT, service_program

SCRIPTS = ROOT / "scripts" / "exit"


class ExitScripts(Case):
    def test_source_without_a_snapshot_is_named(self) -> None:
        agent = Agent(write_config(self.directory, [{"kind": "files", "name": "app", "paths": [str(self.directory)]}]))
        agent.run("repository", "init")
        restic = Path(service_program("restic", "restic")).parent
        env = {"PATH": f"{restic}:{os.environ['PATH']}", "RESTIC_CACHE_DIR": str(self.directory / "cache")}
        repository = ["--repository", str(self.directory / "repository")]
        repository += ["--password-file", str(self.directory / "password")]
        needed = {
            "alertmanager": ["--storage", "{out}"],
            "etcd": ["--member", "a", "--data-dir", "{out}", "--initial-cluster", "a=http://127.0.0.1:1", "--tool", "true"],
            "files": ["--to", "{out}"],
            "haproxy": [],
            "kafka": ["prepare", "--to", "{out}"],
            "prometheus": ["--data-dir", "{out}"],
            "zookeeper": ["--data-dir", "{out}", "--id", "1"],
        }
        self.assertEqual(sorted(needed), sorted(script.name for script in SCRIPTS.iterdir()))
        for kind, arguments in needed.items():
            with self.subTest(kind):
                arguments = [argument.format(out=self.directory / f"out-{kind}") for argument in arguments]
                done = run([str(SCRIPTS / kind), *arguments, *repository, "nobody"], env=env, expect=1)
                self.assertIn(f"exit/{kind}: ", done.stderr)
                self.assertIn(f"{kind}/nobody", done.stderr)


if __name__ == "__main__":
    main("restic")
