"""A directory of a million entries is one blob of hundreds of megabytes. Stock restic finds no errors in it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from lib import Agent, Case, Restic, main, make_directory, write_config  # noqa: E402

ENTRIES = 1_000_000


class Million(Case):
    def test_directory_of_a_million_entries_passes_our_check_and_restics(self) -> None:
        place = make_directory(self, memory=3 << 30)
        many = place / "tree" / "many"
        many.mkdir(parents=True)
        directory = os.open(many, os.O_RDONLY)
        for number in range(ENTRIES):
            os.symlink(str(number), f"link {number:07}", dir_fd=directory)
        os.close(directory)
        agent = Agent(write_config(place, [{"kind": "files", "name": "app", "paths": [str(place / "tree")]}]))
        (place / "password").touch(0o600)
        (place / "password").write_text("secret\n")
        (place / "password").chmod(0o600)
        restic = Restic(place / "repository", place / "password", place / "cache")
        restic.init_cheaply()

        source = agent.json("backup")["sources"][0]

        self.assertGreater(source["items"], ENTRIES)
        self.assertTrue(agent.json("check", "--read-data")["repositories"][0]["sound"])
        restic.check()


if __name__ == "__main__":
    main("restic")
