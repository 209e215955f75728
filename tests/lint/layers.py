"""Who may know whom. Dependencies point one way: to lower ranks, and within a rank only along an arrow that is
listed. docs/architecture.md draws the same."""

import re

from tree import Tree, includes, room_of, rooms_in_cmake, source_of

RANKS = {
    "common/base": 0,
    "proto": 1,
    "common/io": 1,
    "common/crypto": 1,
    "common/config": 1,
    "common/stream": 1,
    "common/storage": 1,
    "common/database": 1,
    "common/filetree": 2,
    "common/repository": 2,
    "common/service": 2,
    "common/cli": 2,
    "common/trust": 2,
    "common/audit": 2,
    "common/bus": 2,
    "common/kafka": 2,
    "agent/sources": 3,
    "agent/settings": 3,
    "agent/kind_table": 4,
    "agent/core": 4,
    "agent/journal": 4,
    "agent/jobs": 4,
    "controller/core": 4,
    "controller/catalog": 4,
    "agent/cli": 5,
    "agent/daemon": 5,
    "controller/cli": 5,
    "controller/daemon": 5,
}
WITHIN_A_RANK = {
    ("common/storage", "common/io"),
    ("common/storage", "common/crypto"),
    ("common/repository", "common/filetree"),
    ("common/config", "common/io"),
    ("common/database", "common/io"),
    ("agent/cli", "agent/daemon"),
    ("agent/jobs", "agent/core"),
    ("agent/jobs", "agent/journal"),
    ("agent/journal", "agent/core"),
    ("controller/catalog", "controller/core"),
}
# Arrows that point down and are forbidden all the same, with the reason.
FORBIDDEN = {
    ("agent/sources", "common/repository"): "sources see only common/stream, so that they fit any repository",
    ("agent/sources", "common/storage"): "sources see only common/stream, so that they fit any repository",
    ("common/filetree", "common/storage"): "a file tree knows no repository",
} | {
    (core, room): "a core decides, and does nothing itself"
    for core in ("agent/core", "controller/core")
    for room in ("common/io", "common/storage", "common/database", "common/bus", "common/service",
                 "common/cli", "common/filetree", "common/repository", "common/kafka")
}

# Which headers of others may be shown where: (pattern, library, rooms, also in any .cc?).
THIRD_PARTY = [
    (r"openssl/", "OpenSSL", {"common/crypto"}, False),
    (r"curl/", "libcurl", {"common/io"}, False),
    (r"yaml-cpp/", "yaml-cpp", {"common/config"}, False),
    (r"(zstd|zstd_errors|zdict)\.h", "zstd", {"common/repository"}, False),
    (r"xxhash\.h", "xxhash", {"agent/sources"}, False),
    (r"zlib\.h", "zlib", {"agent/sources"}, False),
    (r"nlohmann/", "nlohmann-json", {"common/cli"}, True),
    (r"CLI/", "CLI11", {"common/cli"}, False),
    (r"systemd/", "libsystemd", {"common/service"}, False),
    (r"(spdlog|fmt)/", "spdlog and fmt", {"common/base"}, False),
    (r"zmq(_\w+)?\.h(pp)?$", "ZeroMQ", {"common/bus"}, False),
    (r"sqlite3", "SQLite", {"common/database"}, False),
    (r"librdkafka/", "librdkafka", {"common/kafka"}, False),
    (r"google/protobuf/", "Protobuf", set(), True),
    (r"catch2/", "Catch2", {"tests/support"}, False),
]


def reason_against(room: str, other: str) -> str | None:
    """Why `room` may not know `other`; None when it may."""
    if room == other:
        return None
    if other not in RANKS:
        return f"there is no room {other} (tests/lint/layers.py lists them)"
    if room not in RANKS:
        return f"the room {room} has no rank yet (tests/lint/layers.py)"
    if room.split("/")[0] + other.split("/")[0] in ("agentcontroller", "controlleragent"):
        return "agent and controller know each other by the protocol alone"
    if (room, other) in FORBIDDEN:
        return FORBIDDEN[(room, other)]
    if RANKS[other] < RANKS[room] or (room, other) in WITHIN_A_RANK:
        return None
    return f"{other} (rank {RANKS[other]}) is not below {room} (rank {RANKS[room]})"


def _is_program(name: str) -> bool:
    return name.startswith(("common/", "agent/", "controller/", "proto/"))


def check_includes(tree: Tree) -> list[str]:
    """Includes follow the arrows, and name files from the project's root."""
    findings = []
    for name in tree.sources():
        for line, mark, header in includes(tree.texts[name]):
            if mark == "<":
                continue
            if source_of(header) not in tree.texts:
                findings.append(
                    f'{name}:{line}: "{header}" is no file of the project; name it from the root, or use <>'
                )
                continue
            if not _is_program(name):
                continue  # tests may know everything
            if not _is_program(header):
                findings.append(f'{name}:{line}: programs do not include "{header}"')
                continue
            reason = reason_against(room_of(name), room_of(header))
            if reason:
                findings.append(f'{name}:{line}: may not include "{header}": {reason}')
    return findings


def check_links(tree: Tree) -> list[str]:
    """Each room is one CMake target that links exactly the rooms it includes."""
    findings = []
    rooms = rooms_in_cmake(tree)
    folder_of = {target: folder for folder, (target, *_) in rooms.items()}
    for folder, (target, line, links, _) in rooms.items():
        where = f"{folder}/CMakeLists.txt:{line}"
        if folder not in RANKS:
            findings.append(f"{where}: the room has no rank (tests/lint/layers.py)")
            continue
        for link in links:
            if link not in folder_of:
                findings.append(f"{where}: LINKS names {link}, which is no room")
            elif reason := reason_against(folder, folder_of[link]):
                findings.append(f"{where}: LINKS {link}: {reason}")
        own = [name for name in tree.sources() if room_of(name) == folder]
        if not own:
            continue
        used = {
            room_of(header)
            for name in own
            for _, mark, header in includes(tree.texts[name])
            if mark == '"' and source_of(header) in tree.texts
        } - {folder}
        linked = {folder_of[link] for link in links if link in folder_of}
        for missing in sorted(used - linked):
            findings.append(f"{where}: {target} includes {missing} and does not link it")
        for idle in sorted(linked - used):
            findings.append(f"{where}: {target} links {idle} and includes nothing of it")
    return findings


def check_third_party(tree: Tree) -> list[str]:
    """Types of other projects stay in the one room that wraps them."""
    findings = []
    for name in tree.sources():
        is_test = name.startswith("tests/")
        for line, mark, header in includes(tree.texts[name]):
            if mark != "<":
                continue
            for pattern, library, rooms, in_any_source in THIRD_PARTY:
                if not re.match(pattern, header):
                    continue
                allowed = (
                    room_of(name) in rooms
                    or (in_any_source and name.endswith(".cc"))
                    # A test may look at what a room does with a second pair of eyes.
                    or (is_test and name.endswith((".cc", "_contract.h")))
                )
                if not allowed:
                    where = ", ".join(sorted(rooms)) or "a .cc file"
                    findings.append(f"{name}:{line}: <{header}>: {library} belongs in {where}")
    return findings
