"""docs/restore-methods.md lists what the kinds of source declare."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, main
from lib.places import BUILD, ROOT

WRITE = BUILD / "agent" / "kind_table" / "write_kind_table"
PAGE = ROOT / "docs" / "restore-methods.md"


class RestoreMethods(Case):
    def test_the_page_is_what_the_kinds_declare(self) -> None:
        written = self.directory / "page.md"
        subprocess.run([WRITE, "page", written], check=True)

        self.assertEqual(PAGE.read_text(), written.read_text(), f"run `{WRITE} page {PAGE}`")

    def test_wrong_arguments_and_paths_fail(self) -> None:
        for arguments in (["page"], ["text", self.directory / "page.md"], ["page", self.directory / "none" / "page.md"]):
            done = subprocess.run([WRITE, *arguments], stderr=subprocess.PIPE, check=False)

            self.assertNotEqual(done.returncode, 0, arguments)


main()
