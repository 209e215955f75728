"""Banned calls, each with its replacement and the files that may use it nevertheless."""

import re
from dataclasses import dataclass, field

from tree import Tree, code_only


@dataclass
class Ban:
    pattern: str
    instead: str
    # File or folder (ending in "/") -> why it may use the call.
    exceptions: dict[str, str] = field(default_factory=dict)

    def applies_to(self, name: str) -> bool:
        return not any(
            name == place or (place.endswith("/") and name.startswith(place)) for place in self.exceptions
        )


BANS = [
    Ban(
        r"\b(system_clock|steady_clock|high_resolution_clock)::now\b",
        "take a Clock (common/base/clock.h), so that tests control the time",
        {
            "common/base/clock.cc": "the system's Clock",
            "common/io/subprocess.cc": "waits for a real process, which no test clock controls",
        },
    ),
    Ban(
        r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|\bsleep\s*\(",
        "wait for the condition, with a deadline and a stop token",
    ),
    Ban(
        r"\b(rand|srand|drand48)\s*\(|\bstd::(random_device|mt19937|mt19937_64|rand)\b",
        "take a Random (common/base/random.h)",
        {
            "common/bus/socket.cc": "seeds libzmq's routing ids, which come from rand()",
            "tests/": "tests generate data from a seed",
        },
    ),
    Ban(
        r"\b(secure_)?getenv\b",
        "settings come from agent/settings, which reads HOLDFAST_* in one place",
        {
            "common/base/crash_point.cc": "only in builds for tests, before any setting is read",
            "agent/settings/": "the one place that reads HOLDFAST_*",
            "agent/cli/": "NO_COLOR, COLUMNS: the form of the output",
            "controller/cli/": "HOLDFAST_CONFIG, HOLDFAST_CONTROLLER, HOME: where an operator's controller is",
            "common/service/": "systemd passes sockets and credentials in the environment",
            "common/io/subprocess.cc": "the environment that a child inherits",
            "common/io/atomic_file.cc": "TMPDIR, the directory for temporary files",
            "tests/": "tests get the paths of programs",
        },
    ),
    Ban(r"\bthrow\b", "return Fail(code, text); only bugs abort (HF_CHECK)", {}),
    Ban(r"(?<!operator )\bnew\b(?!\s*\()", "std::make_unique, or a container"),
    Ban(r"(?<!= )(?<!=)(?<!operator )\bdelete\b", "let std::unique_ptr own the object"),
    Ban(r"\.detach\s*\(", "std::jthread as a member, joined by its owner"),
    Ban(r"\bstd::thread\b(?!::)", "std::jthread, which joins", {"tests/": "joined in the test itself"}),
    Ban(
        r"\b(?:std::)?(sprintf|vsprintf|snprintf|printf|fprintf|puts|fputs)\s*\(",
        "Format (common/base/format.h); Terminal in common/cli",
        {
            "common/base/result.cc": "CheckFailed prints while the program aborts",
            "common/cli/": "writes to the terminal",
        },
    ),
    Ban(
        r"\bstd::(cout|cerr|clog)\b",
        "log (common/base/log.h), or return the text",
        {"common/cli/": "writes to the terminal", "tests/": "tests print"},
    ),
    Ban(r"\b(strcpy|strcat|strncpy|strncat|gets|strtok|atoi|atol|atof|alloca)\s*\(", "std::string, std::from_chars"),
    Ban(r"\b(system|popen|vfork)\s*\(", "io::RunProgram (common/io/subprocess.h): no shell, with a time limit"),
    Ban(r"\b(tmpnam|mktemp|tempnam)\s*\(", "mkstemp, or a name beside the target"),
    Ban(r"(?<!static_)\bassert\s*\(", "HF_CHECK, which also holds in release builds"),
    Ban(r"\bgoto\b", "a separate function, and RAII"),
    Ban(r"\busing\s+namespace\s+(?!std::(literals|chrono_literals|string_literals|string_view_literals))",
        "name each symbol", {"tests/": "a test may open the namespace that it tests"}),
    Ban(r"\bshared_ptr\b|\bmake_shared\b", "own with unique_ptr, borrow by reference",
        {"common/base/log.cc": "spdlog stores its loggers in shared_ptr",
         **dict.fromkeys(
             ("common/repository/archive/archive_reader.cc", "common/repository/store/blob_memory.cc",
              "common/repository/store/blob_writer.cc", "common/repository/store/blob_writer.h",
              "common/repository/tree/content_saver.cc", "common/repository/tree/content_saver.h",
              "common/repository/snapshot/part_writer.cc", "tests/unit/repository/blob_writer_test.cc"),
             "a read buffer is freed with its last blob (docs/decisions/0009)")}),
]


def check(tree: Tree) -> list[str]:
    findings = []
    for name in tree.sources():
        for number, line in enumerate(code_only(tree.texts[name]).splitlines(), 1):
            if re.match(r"\s*#\s*include", line):
                continue
            for ban in BANS:
                match = re.search(ban.pattern, line)
                if match and ban.applies_to(name):
                    findings.append(f'{name}:{number}: "{match[0].strip()}": {ban.instead}')
    return findings
