#!/usr/bin/env python3
"""Every check reports a small bad sample and passes a good one."""

import unittest
from unittest import mock

import calls
import code_wording
import cycles
import files
import layers
import messages
import type_names
import wording
from tree import Tree, code_only

ROOM = "holdfast_room(io SOURCES fd.cc LINKS base)\n"
BASE = "holdfast_room(base SOURCES clock.cc)\n"


def project(**changes: str) -> Tree:
    """A project of two rooms without findings, except for `changes`: **{"path": text}."""
    texts = {
        "common/base/CMakeLists.txt": BASE,
        "common/base/clock.h": "// Time.\n#pragma once\n",
        "common/base/clock.cc": '#include "common/base/clock.h"\nauto now = system_clock::now();\n',
        "common/io/CMakeLists.txt": ROOM,
        "common/io/fd.h": '// Files.\n#pragma once\n#include "common/base/clock.h"\n',
        "common/io/fd.cc": '#include "common/io/fd.h"\n',
    }
    texts.update(changes)
    return Tree(texts)


class Lint(unittest.TestCase):
    def assert_found(self, findings: list[str], *words: str) -> None:
        self.assertEqual(len(findings), 1, findings)
        for word in words:
            self.assertIn(word, findings[0])

    def test_a_good_project_passes(self):
        for check in (
            layers.check_includes,
            layers.check_links,
            layers.check_third_party,
            cycles.check,
            calls.check,
            type_names.check,
            files.check_words,
            files.check_headers,
            files.check_dead_files,
            files.check_references,
            files.check_named_tests,
            files.check_scripts,
            files.check_crash_points,
            wording.check,
        ):
            self.assertEqual(check(project()), [], check.__name__)

    def test_an_include_of_a_higher_rank_is_found(self):
        tree = project(**{"common/base/clock.cc": '#include "common/io/fd.h"\n'})
        self.assert_found(layers.check_includes(tree), "common/base/clock.cc:1", "not below")

    def test_a_forbidden_include_of_a_lower_rank_is_found(self):
        tree = project(
            **{
                "common/repository/pack.h": "// Packs.\n#pragma once\n",
                "agent/sources/x.cc": '\n#include "common/repository/pack.h"\n',
            }
        )
        self.assert_found(layers.check_includes(tree), "agent/sources/x.cc:2", "any repository")

    def test_a_room_without_a_rank_is_found(self):
        tree = project(**{"common/utils/x.cc": '#include "common/base/clock.h"\n'})
        self.assert_found(layers.check_includes(tree), "common/utils", "no rank")

    def test_programs_do_not_include_tests(self):
        tree = project(
            **{
                "tests/support/x.h": "// X.\n#pragma once\n",
                "common/io/fd.cc": '#include "tests/support/x.h"\n',
            }
        )
        self.assert_found(layers.check_includes(tree), "tests/support/x.h")

    def test_an_include_that_names_no_file_is_found(self):
        tree = project(**{"common/io/fd.cc": '#include "fd.h"\n'})
        self.assert_found(layers.check_includes(tree), "from the root")

    def test_a_link_to_a_higher_rank_is_found(self):
        tree = project(**{"common/base/CMakeLists.txt": BASE.replace(")", " LINKS io)")})
        self.assertTrue(any("LINKS io" in finding for finding in layers.check_links(tree)))

    def test_a_missing_link_is_found(self):
        tree = project(**{"common/io/CMakeLists.txt": "holdfast_room(io SOURCES fd.cc)\n"})
        self.assert_found(layers.check_links(tree), "includes common/base and does not link")

    def test_an_unused_link_is_found(self):
        tree = project(**{"common/io/fd.h": "// Files.\n#pragma once\n"})
        self.assert_found(layers.check_links(tree), "links common/base and includes nothing")

    def test_an_include_of_another_kind_is_found(self):
        tree = project(
            **{
                "agent/sources/etcd/wire.h": "// Wire.\n#pragma once\n",
                "agent/sources/kafka/x.cc": '\n#include "agent/sources/etcd/wire.h"\n',
            }
        )
        self.assert_found(layers.check_includes(tree), "agent/sources/kafka/x.cc:2", "agent/sources/member")

    def test_includes_follow_the_layers_inside_a_room(self):
        headers = {f"agent/sources/{folder}x.h": "// X.\n#pragma once\n"
                   for folder in ("host/", "", "member/", "etcd/", "registry/")}
        for name, header, words in (
            ("agent/sources/etcd/y.cc", "agent/sources/member/x.h", None),
            ("agent/sources/etcd/y.cc", "agent/sources/x.h", None),
            ("agent/sources/x.cc", "agent/sources/host/x.h", None),
            ("agent/sources/registry/y.cc", "agent/sources/etcd/x.h", None),
            ("agent/jobs/y.cc", "agent/sources/registry/x.h", None),
            ("agent/sources/host/y.cc", "agent/sources/x.h", "agent/sources is in a higher layer than host"),
            ("agent/sources/etcd/y.cc", "agent/sources/registry/x.h", "registry is in a higher layer than etcd"),
            ("agent/jobs/y.cc", "agent/sources/etcd/x.h", "agent/sources/etcd may be included only within agent/sources"),
        ):
            tree = project(**headers, **{name: f'#include "{header}"\n'})
            if words:
                self.assert_found(layers.check_includes(tree), f"{name}:1", words)
            else:
                self.assertEqual(layers.check_includes(tree), [], name)

    def test_folder_without_a_layer_is_found(self):
        with mock.patch.dict(layers.INNER_LAYERS, {"common/io": [(("low",), "low"), (("",), "high")]}):
            self.assertIsNone(layers.reason_within("common/io", "", "low"))
            self.assertEqual(layers.reason_within("common/io", "low", ""), "common/io is in a higher layer than low")
            self.assertIn("common/io/new has no layer yet", layers.reason_within("common/io", "new", "low"))

    def test_links_of_each_target_in_a_room_are_checked(self):
        lists = {"agent/sources/CMakeLists.txt": "holdfast_room(source_contract SOURCES x.cc)\n",
                 "agent/sources/etcd/CMakeLists.txt": "holdfast_room(source_etcd SOURCES y.cc LINKS source_contract)\n",
                 "agent/sources/kafka/CMakeLists.txt": "holdfast_room(source_kafka SOURCES y.cc)\n",
                 "agent/sources/registry/CMakeLists.txt": "holdfast_room(sources SOURCES y.cc LINKS source_etcd)\n",
                 "agent/journal/CMakeLists.txt": "holdfast_room(journal SOURCES y.cc LINKS sources)\n"}
        texts = {"agent/sources/x.h": "// X.\n#pragma once\n",
                 "agent/sources/etcd/y.cc": '#include "agent/sources/x.h"\n',
                 "agent/sources/etcd/y.h": "// Y.\n#pragma once\n",
                 "agent/sources/registry/y.cc": '#include "agent/sources/etcd/y.h"\n',
                 "agent/journal/y.cc": '#include "agent/sources/x.h"\n'}
        self.assertEqual(layers.check_links(project(**lists, **texts)), [])
        texts["agent/sources/kafka/y.cc"] = '#include "agent/sources/x.h"\n'
        self.assert_found(layers.check_links(project(**lists, **texts)), "agent/sources/kafka/CMakeLists.txt:1",
                          "source_kafka includes agent/sources and does not link source_contract")
        lists["agent/sources/kafka/CMakeLists.txt"] = (
            "holdfast_room(source_kafka SOURCES y.cc LINKS source_contract source_etcd)\n")
        findings = layers.check_links(project(**lists, **texts))
        self.assertTrue(any("LINKS source_etcd: kinds do not include" in finding for finding in findings), findings)

    def test_an_include_cycle_through_a_source_file_is_found(self):
        tree = project(
            **{
                "common/base/time.h": '// Times.\n#pragma once\n#include "common/base/clock.h"\n',
                "common/base/clock.cc": '#include "common/base/clock.h"\n#include "common/base/time.h"\n',
            }
        )
        path = "common/base/clock -> common/base/time -> common/base/clock"
        self.assert_found(cycles.check(tree), "common/base/clock.h:1", path)

    def test_a_room_without_a_description_is_found(self):
        comment = "// Results.\n//\n// This room has them.\n//\n// It knows no other.\n"
        self.assertEqual(layers.check_first_headers(Tree({"common/base/result.h": comment})), [])
        for wrong in (comment.replace("This room", "It"), "// This room is small.\n"):
            tree = Tree({"common/base/result.h": wrong})
            self.assert_found(layers.check_first_headers(tree), "common/base/result.h:1", "this room")

    def test_a_library_outside_its_room_is_found(self):
        tree = project(**{"common/io/fd.cc": "#include <openssl/evp.h>\n"})
        self.assert_found(layers.check_third_party(tree), "OpenSSL", "common/crypto")

    def test_only_base_may_include_nlohmann_json(self):
        self.assertEqual(
            layers.check_third_party(project(**{"common/base/json.h": "#include <nlohmann/json.hpp>\n"})), []
        )
        tree = project(**{"common/io/fd.h": "#include <nlohmann/json.hpp>\n"})
        self.assert_found(layers.check_third_party(tree), "nlohmann-json")

    def test_every_ban_finds_its_call(self):
        for code in (
            "std::chrono::system_clock::now()",
            "std::this_thread::sleep_for(1s)",
            "sleep(1)",
            "rand()",
            "std::random_device d",
            "std::getenv(name)",
            "throw Error()",
            "new Thing",
            "delete thing",
            "t.detach()",
            "std::thread t",
            "snprintf(b, 4, x)",
            "std::cout << 1",
            "atoi(x)",
            "system(command)",
            "mktemp(name)",
            "assert(x)",
            "goto out",
            "using namespace std",
            "std::shared_ptr<int> p",
        ):
            tree = project(**{"common/io/fd.cc": f"void F() {{\n  {code};\n}}\n"})
            self.assert_found(calls.check(tree), "common/io/fd.cc:2")

    def test_text_that_only_looks_like_a_banned_call_passes(self):
        for code in (
            "// a new file that we throw away",
            '"delete it, or rand()"',
            "/* std::cout */",
            "F(const F&) = delete;",
            "static_assert(true);",
            "repository.random();",
            'R"(throw new)"',
            "int n = 1'000'000; // new",
            "std::thread::id who",
        ):
            tree = project(**{"common/io/fd.cc": f"{code}\n"})
            self.assertEqual(calls.check(tree), [], code)

    def named(self, **files: str) -> list[str]:
        """The findings about `files` in two programs that share the room common/io."""
        rooms = {f"{room}/CMakeLists.txt": f"holdfast_room({room.replace('/', '_')} LINKS io)\n"
                 for room in ("agent/core", "agent/sources", "controller/core")}
        return type_names.check(project(**rooms, **files))

    def test_two_types_of_one_name_in_a_program_are_found(self):
        shared = {"common/io/x.h": "namespace holdfast {\nclass [[nodiscard]] Door final : Gate {};\n}\n"}
        for name, text in (
            ("agent/core/x.h", "namespace holdfast::agent {\nenum class Door : int { kOpen };\n}\n"),
            ("agent/core/x.cc", "namespace holdfast::agent {\nnamespace { struct Door {}; }\n}\n"),
            ("agent/sources/etcd/x.h", "namespace holdfast::etcd {\nstruct Door {};\n}\n"),
        ):
            self.assert_found(self.named(**shared, **{name: text}), "common/io/x.h:2", "Door", name)

    def test_private_types_and_types_of_different_programs_may_share_a_name(self):
        text = "namespace holdfast::{} {{\nstruct Door {{ struct Wood {{}}; }};\n}}\n"
        self.assertEqual(
            self.named(
                **{
                    "common/io/x.cc": "namespace holdfast {\nnamespace { struct Door {}; }\nstruct Wood;\n}\n",
                    "agent/core/x.h": text.format("agent"),
                    "controller/core/x.h": text.format("controller"),
                    "agent/sources/etcd/x.h": text.format("etcd"),
                    "agent/sources/kafka/x.h": text.format("kafka"),
                }
            ),
            [],
        )

    def test_blanking_keeps_lines(self):
        self.assertEqual(code_only('a /* b\nc */ d "e" // f\ng'), "a     \n     d         \ng")

    def test_words_are_found(self):
        for line in ("// TO" + "DO: x", "// not yet implem" + "ented", "/ho" + "me/x/y", "end  "):
            tree = project(**{"common/io/fd.cc": f"{line}\n"})
            self.assert_found(files.check_words(tree), "common/io/fd.cc:1")

    def test_a_header_without_guard_or_comment_is_found(self):
        self.assert_found(
            files.check_headers(project(**{"common/io/fd.h": "// Files.\n"})), "#pragma once"
        )
        self.assert_found(
            files.check_headers(project(**{"common/io/fd.h": "#pragma once\n"})), "begins with a comment"
        )

    def test_dead_files_are_found(self):
        for name, why in (
            ("common/io/old.cc", "no CMake target"),
            ("common/io/old.h", "no file includes it"),
            ("tests/integration/x/test_old.py", "no CMakeLists.txt runs it"),
        ):
            self.assert_found(files.check_dead_files(project(**{name: "// Old.\n#pragma once\n"})), name, why)

    def test_a_glob_names_the_sources_that_it_matches(self):
        lists = "file(GLOB VERBS CONFIGURE_DEPENDS verbs/*.cc)\n"
        tree = project(**{"agent/cli/CMakeLists.txt": lists, "agent/cli/verbs/list.cc": "// A verb.\n",
                          "agent/cli/old.cc": "// Old.\n", "agent/cli/verbs/deep/old.cc": "// Old.\n"})
        self.assertEqual([finding for finding in files.check_dead_files(tree) if "agent/cli/" in finding],
                         ["agent/cli/old.cc:1: no CMake target contains it",
                          "agent/cli/verbs/deep/old.cc:1: no CMake target contains it"])

    def test_references_without_target_are_found(self):
        tree = project(**{"common/io/fd.cc": "// see docs/gone.md\n"})
        self.assert_found(files.check_references(tree), "docs/gone.md")
        tree = project(**{"docs/a.md": "# A b\n[x](#a-b) [y](b.md)\n"})
        self.assert_found(files.check_references(tree), "docs/b.md")
        tree = project(**{"docs/a.md": "# A b\n[x](a.md#c)\n"})
        self.assert_found(files.check_references(tree), 'no heading "c"')

    def test_names_of_tests_that_do_not_exist_are_found(self):
        page = 'by "fd: opens" and `Files.test_opens` of `test_fd.py`\n'
        texts = {"tests/unit/fd_test.cc": 'TEST_CASE("fd: opens", "[fd]") {}\n',
                 "tests/integration/test_fd.py": "def test_opens(self): pass\n"}
        self.assertEqual(files.check_named_tests(project(**texts, **{"tests/README.md": page})), [])
        for wrong in (page.replace("fd: opens", "fd: shuts"), page.replace("test_opens", "test_shuts")):
            self.assert_found(files.check_named_tests(project(**texts, **{"tests/README.md": wrong})), "shuts")

    def test_scripts_that_do_not_parse_are_found(self):
        self.assert_found(files.check_scripts(project(**{"scripts/x": "#!/bin/bash\nif\n"})), "scripts/x")
        self.assert_found(files.check_scripts(project(**{"scripts/x.py": "def\n"})), "scripts/x.py:1")

    def test_unused_and_unlisted_crash_points_are_found(self):
        header = 'std::string_view("a.b"),\n'
        tree = project(**{"common/base/crash_point.h": header})
        self.assert_found(files.check_crash_points(tree), 'no code calls CrashPoint with "a.b"')
        tree = project(
            **{"common/base/crash_point.h": header, "common/io/fd.cc": 'CrashPoint("a.b"); CrashPoint("c");\n'}
        )
        self.assert_found(files.check_crash_points(tree), '"c" is not in')

    def test_every_marker_word_is_found(self):
        for text in (
            "It is made anew.",
            "The pack lies there.",
            "the words behind it",
            "a time that is none",
            "Its id comes by and by.",
            "Somebody writes meanwhile.",
            "Who has the key reads it.",
            "of who wrote it",
            "for whom it waits",
            "Nobody asks.",
            "The other does not, neither.",
            "It shall end.",
            "a file that is one such.",
            "what is to be done",
            "a key of its own",
            "the way out",
            "It goes back by itself.",
            "It runs to its end.",
            "what is taken for dead",
            "as it was told",
            "a mended pack",
            "what is there.",
            "It lacks a pack.",
        ):
            tree = project(**{"docs/a.md": f"# A\n\n{text}\n"})
            self.assert_found(wording.check(tree), "docs/a.md:3")

    def test_a_marker_that_wraps_is_found_on_the_line_where_it_begins(self):
        tree = project(**{"docs/a.md": "a key of\nits own\n"})
        self.assert_found(wording.check(tree), "docs/a.md:1", "of its own")

    def test_plain_sentences_pass(self):
        for text in (
            "The agent, who is not a person, runs on the node.",
            "An agent behind a proxy connects first.",
            "Files such as these; is there a lock?",
            "There is one snapshot. Neither file changes.",
            "The program prints `nobody is told`.",
            "```\nit lies behind\n```",
        ):
            self.assertEqual(wording.check(project(**{"docs/a.md": f"{text}\n"})), [], text)

    def test_markers_in_units_and_in_strings_are_found(self):
        tree = project(**{"packaging/systemd/a.service.in": "# Nobody asks.\n[Unit]\nDescription=Files\nUser=told\n"})
        self.assert_found(wording.check(tree), "a.service.in:1")
        tree = project(**{"common/io/fd.cc": '// told\nauto text = "told";\n'})
        self.assert_found(wording.check(tree), "common/io/fd.cc:2")

    def test_long_lines_are_found_except_in_tables_code_and_links(self):
        long = "word " * 25
        self.assert_found(wording.check(project(**{"docs/a.md": f"{long}\n"})), "docs/a.md:1", "100 columns")
        for text in (f"| {long}|", f"```\n{long}\n```", "[x](https://" + "a" * 120 + ")"):
            self.assertEqual(wording.check(project(**{"docs/a.md": f"{text}\n"})), [], text)

    def test_a_quoted_message_that_no_program_prints_is_found(self):
        table = "# A\n\n| message | remedy |\n|---|---|\n| `{}` | wait |\n"
        program = 'auto text = Format("the log of {} "\n    "lags by {}", 1);\n'
        for message in ("the log of X lags by ... entries", "the log lags"):
            tree = project(**{"docs/a.md": table.format(message), "common/io/fd.cc": program})
            self.assert_found(messages.check(tree), "docs/a.md:5")
        for message in ("the log of N lags by 7", "the log of ... lags by", "input/output error"):
            tree = project(**{"docs/a.md": table.format(message), "common/io/fd.cc": program})
            self.assertEqual(messages.check(tree), [], message)

    def test_adjacent_literals_are_one_string(self):
        program = 'auto text = "nobo"\n    "dy asks";\n'
        self.assert_found(wording.check(project(**{"common/io/fd.cc": program})), "common/io/fd.cc:1", "nobody")

    def test_markers_in_comments_and_names_are_found(self):
        for name, text in (
            ("common/io/fd.cc", "// A file of its\n// own.\n"),
            ("common/io/fd.cc", "/* Files.\n * Its id lies here. */\n"),
            ("common/io/fd.cc", "bool is_told;\n"),
            ("common/io/fd.cc", 'TEST_CASE("fd: whom it serves") {}\n'),
            ("common/io/fd.proto", "message Fd {}  // of nobody\n"),
            ("common/io/fd.py", 'def f():\n    """It begins anew."""\n'),
            ("common/io/fd.py", "x = 1  # anew\n"),
            ("common/io/fd.py", "def test_nobody_asks(self): pass\n"),
        ):
            tree = project(**{name: text})
            self.assert_found(code_wording.check(tree), f"{name}:")
            self.assertEqual({room: code_wording.count(found) for room, found in code_wording.read(tree).items()},
                             {"common/io": 1})

    def test_strings_and_quoted_words_are_not_counted(self):
        for name, text in (
            ("common/io/fd.cc", 'auto text = "nobody";\n'),
            ("common/io/fd.cc", "// Runs `who`.\nauto n = CURLOPT_NOBODY;\n"),
            ("common/io/fd.py", 'text = "anew"\n'),
        ):
            self.assertEqual(code_wording.check(project(**{name: text})), [], text)


if __name__ == "__main__":
    unittest.main()
