"""Parts of two or three nodes are composed into one snapshot, which stock restic reads."""

import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import Case, differences, main, run, scan
from lib.places import agent_program
from lib.ring import Ring


class Compose(Case):
    def compose(self, nodes: list[str]) -> tuple[Ring, str]:
        ring = Ring(self.directory / "-".join(nodes), nodes, self.directory / "cache")
        ring.write()
        ring.restic.init()
        return ring, ring.snapshot_of(ring.run())

    def assert_whole(self, ring: Ring, snapshot: str) -> None:
        target = self.directory / "out" / snapshot
        ring.restic.restore(snapshot, target)
        top = target / "ring" / "r"
        live = ring.directory / "live"
        self.assertEqual(sorted(path.name for path in top.iterdir()), ["data", "manifest.json", "members"])
        below = top / "data" / str(live / "data").lstrip("/")
        self.assertEqual(differences(scan(live / "data"), scan(below)), [])
        self.assertEqual(sorted(path.name for path in (top / "members").iterdir()), sorted(ring.nodes))
        for node in ring.nodes:
            own = live / "own" / node
            saved = top / "members" / node / "files" / str(own).lstrip("/")
            self.assertEqual(differences(scan(own), scan(saved)), [], node)

    def test_parts_of_several_nodes_become_one_snapshot(self) -> None:
        for nodes in (["n1", "n2"], ["n1", "n2", "n3"]):
            with self.subTest(len(nodes)):
                ring, snapshot = self.compose(nodes)
                ring.restic.check()
                (found,) = ring.restic.snapshots()
                self.assertEqual(found["id"], snapshot)
                self.assertEqual(found["hostname"], "prod")
                self.assertEqual(found["paths"], ["/ring/r"])
                self.assertEqual(found["tags"], [f"run:{Ring.RUN}", "cluster:prod", "kind:ring"])
                self.assert_whole(ring, snapshot)
                text = ring.restic.run("dump", snapshot, "/ring/r/manifest.json").stdout
                manifest = json.loads(text)
                self.assertEqual([part["node"] for part in manifest["parts"]], nodes)
                self.assertTrue(manifest["cut_barrier"])
                # The counts match the content.
                listed = ring.restic.run("ls", "--json", snapshot).stdout.splitlines()
                files = [entry for entry in map(json.loads, listed) if entry.get("type") == "file"]
                where = ("--repository-url", f"file:{ring.restic.repository}")
                password = ("--password-file", str(ring.restic.password_file))
                shown = json.loads(run([agent_program(), "list", "--json", *where, *password]).stdout)
                (entry,) = shown["repositories"][0]["snapshots"]
                self.assertEqual(entry["files"], len(files))
                self.assertEqual(entry["bytes"], sum(file["size"] for file in files))
                self.assertGreater(entry["bytes_added"], 20 * 120_000)

    def test_composing_again_gives_the_same_snapshot_and_a_new_run_another(self) -> None:
        ring, snapshot = self.compose(["n1", "n2", "n3"])
        sealed = (ring.directory / "state" / "sealed").read_bytes()
        self.assertEqual(hashlib.sha256(sealed).hexdigest(), snapshot)
        self.assertEqual(ring.run().stdout.strip(), f"{snapshot} was there")
        # A sealed snapshot that was not written is written, byte for byte.
        name = ring.directory / "repository" / "snapshots" / snapshot
        name.unlink()
        self.assertEqual(ring.run().stdout.strip(), f"{snapshot} made")
        self.assertEqual(name.read_bytes(), sealed)
        for left in ("parts", "sealed"):
            (ring.directory / "state" / left).unlink()
        second = ring.snapshot_of(ring.run(run_id="01HF7YAT000000000000000001"))
        ring.restic.check()
        self.assertEqual([s["id"] for s in ring.restic.snapshots()], [snapshot, second])
        self.assertEqual(ring.restic.snapshots()[1]["parent"], snapshot)
        self.assert_whole(ring, second)

    def test_a_part_that_lost_a_pack_is_not_composed(self) -> None:
        ring, snapshot = self.compose(["n1", "n2"])
        (ring.directory / "state" / "sealed").unlink()
        (ring.directory / "repository" / "snapshots" / snapshot).unlink()
        packs = sorted((ring.directory / "repository" / "data").rglob("?" * 64))
        largest = max(packs, key=lambda path: path.stat().st_size)
        largest.rename(self.directory / "aside")
        done = ring.run(expect=1)
        self.assertIn(f'part of node "n1": pack {largest.name} is in the index but not in the storage', done.stderr)
        self.assertEqual(ring.restic.snapshots(), [])
        (self.directory / "aside").rename(largest)
        ring.run()
        ring.restic.check()


if __name__ == "__main__":
    main("restic")
