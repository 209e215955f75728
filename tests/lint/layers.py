"""Which room may include which. Dependencies point one way: to lower ranks, and within a rank only along the listed
arrows."""

import re

from tree import Tree, folder_in_room, includes, room_of, rooms_in_cmake, source_of

# Room -> its rank, and what it holds. docs/architecture.md has the same table; `python3 tests/lint/layers.py` prints it.
ROOMS = {
    "common/base": (0, "results and errors, time, bytes, ids, log, the names of orders and states"),
    "proto": (1, "the messages between operators, controller and agents"),
    "common/protocol": (1, "encoding of messages, which unknown fields a reader may ignore, how much an agent may send"),
    "common/io": (1, "files, locks between processes, child processes, HTTP: the operating system"),
    "common/crypto": (1, "hashes, signatures, encryption, key derivation"),
    "common/config": (1, "YAML into typed settings, with errors that name file, line and column"),
    "common/stream": (1, "the values that flow everywhere: item, attributes, manifest, snapshot view"),
    "common/storage": (1, "immutable files by name, in a directory or in S3; retries of temporary errors"),
    "common/database": (1, "SQLite: connections, statements, schema versions, copies of a live database"),
    "common/filetree": (2, "walks trees with all metadata, writes them safely, exchanges live and staged ones"),
    "common/repository": (2, "restic's format: chunks, packs, index, trees, snapshots, locks, check"),
    "common/kafka": (2, "a Kafka cluster: its brokers and topics, its configuration, reading and writing records"),
    "common/service": (2, "signals, logging set-up, systemd"),
    "common/cli": (2, "what all command lines share: terminal, tables, exit codes, progress"),
    "common/trust": (2, "who may give which orders: envelopes, the root document, the checks of a plan, "
                        "freshness, signed reports, key files"),
    "common/audit": (2, "the bytes of each audit event, and their hash as the leaf of a Merkle tree"),
    "common/bus": (2, "encrypted connections between controller, agents and operators, with limits for each peer"),
    "agent/sources": (3, "one folder per kind of service"),
    "agent/settings": (3, "`agent.yaml` and `policy.yaml`, typed"),
    "agent/kind_table": (4, "a build tool: writes what the kinds declare, for the operators' program and for "
                            "[a page](restore-methods.md)"),
    "agent/core": (4, "what an agent decides: which plans it accepts, what runs when, what it reports; no I/O"),
    "agent/journal": (4, "what must survive a crash of the agent or of its restore helper"),
    "agent/jobs": (4, "jobs that connect a source with the repository; no other room does"),
    "controller/core": (4, "what the controller decides: runs, sessions with agents, drafts, joins; no I/O"),
    "controller/catalog": (4, "the controller's durable memory, with the audit of every change"),
    "agent/cli": (5, "the agent's verbs, with text and JSON output"),
    "agent/daemon": (5, "the agent as a process, and the restore helper"),
    "controller/cli": (5, "the operators' verbs: they query the controller, and decode and compare each order "
                          "themselves before they sign it"),
    "controller/daemon": (5, "the controller as a process: files, sockets and the loop around the core"),
}
RANKS = {room: rank for room, (rank, _) in ROOMS.items()}
# Rooms with layers inside, the lowest first: (folders, what they contain). "" stands for the files directly in the
# room, and "*" for all folders that are not listed. A folder may include lower layers, but no other folder of the
# same layer. It may have its own CMake target.
INNER_LAYERS = {
    "common/repository": [
        (("format",), "encodings: ids, packs, index files, tree blobs, chunks, compression"),
        (("store",), "Repository (Keys, SealedFiles, Index, BlobStore), BlobWriter, Lock"),
        (("tree",), "saves and restores directory trees and the content of files"),
        (("snapshot",), "writes (PartWriter, Composer), lists, reads and extracts snapshots"),
        (("maintain",), "CheckRepository, prune, repairs, copies"),
        (("archive",), "a snapshot as one tar file"),
    ],
    "agent/jobs": [
        (("session",), "opens and locks a job's repository or source, and finds snapshots"),
        (("parts",), "composes one snapshot from the parts that one or several nodes have saved"),
        (("backup",), "finds, examines and backs up sources"),
        (("restore",), "browses and restores snapshots"),
        (("maintenance",), "all other operations on a repository"),
        (("",), "reports as protocol messages"),
    ],
    "agent/sources": [
        (("host",), "the processes, paths and small files of the host; all of it is untrusted input"),
        (("",), "the contract between a kind and the other rooms: source, backup session, restore method"),
        (("member",), "what several kinds share: a member's own files, its process, HTTP access, parsers"),
        (("*",), "one kind of service each"),
        (("registry",), "the lists of all kinds and of all restore methods"),
    ],
}
# Why folders of one layer do not include one another.
SAME_LAYER = {
    "agent/sources": "kinds do not include one another; what two kinds share belongs in agent/sources/member",
}
# The folders that other rooms may include, if not all.
OPEN_FOLDERS = {"agent/sources": {"", "host", "registry"}}
# The header to start with in each room, or in a large folder of one. Its first comment describes the room and says
# what it must not know.
FIRST_HEADERS = {
    "common/base": "result.h",
    "common/protocol": "messages.h",
    "common/io": "fd.h",
    "common/crypto": "seal.h",
    "common/config": "schema.h",
    "common/stream": "item.h",
    "common/storage": "storage.h",
    "common/database": "database.h",
    "common/filetree": "walker.h",
    "common/repository": "store/repository.h",
    "common/kafka": "client.h",
    "common/service": "signals.h",
    "common/cli": "terminal.h",
    "common/trust": "plan_verifier.h",
    "common/audit": "event.h",
    "common/bus": "bus_server.h",
    "agent/sources": "source.h",
    "agent/sources/host": "process.h",
    "agent/sources/member": "member_files.h",
    "agent/settings": "settings.h",
    "agent/core": "agent_core.h",
    "agent/journal": "journal.h",
    "agent/jobs": "session/job_context.h",
    "controller/core": "controller_core.h",
    "controller/catalog": "catalog.h",
    "agent/cli": "agent_verb.h",
    "agent/daemon": "agent_daemon.h",
    "controller/cli": "operator_verb.h",
    "controller/daemon": "controller_daemon.h",
}
WITHIN_A_RANK = {
    ("common/protocol", "proto"),
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
# Includes that point to a lower rank and are forbidden nevertheless, with the reason.
FORBIDDEN = {
    ("agent/sources", "common/repository"): "sources see only common/stream, so that they work with any repository",
    ("agent/sources", "common/storage"): "sources see only common/stream, so that they work with any repository",
    ("common/filetree", "common/storage"): "a file tree does not depend on a repository",
} | {
    (core, room): "a core only decides; it does no I/O"
    for core in ("agent/core", "controller/core")
    for room in ("common/io", "common/storage", "common/database", "common/bus", "common/service",
                 "common/cli", "common/filetree", "common/repository", "common/kafka")
}

# Where headers of libraries may be included: (pattern, library, rooms or folders in them, also in any .cc?).
THIRD_PARTY = [
    (r"openssl/", "OpenSSL", {"common/crypto"}, False),
    (r"curl/", "libcurl", {"common/io"}, False),
    (r"yaml-cpp/", "yaml-cpp", {"common/config"}, False),
    (r"(zstd|zstd_errors|zdict)\.h", "zstd", {"common/repository"}, False),
    (r"xxhash\.h", "xxhash", {"agent/sources/kafka"}, False),
    (r"zlib\.h", "zlib", {"agent/sources/zookeeper"}, False),
    (r"nlohmann/", "nlohmann-json", {"common/base"}, False),
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
    """Why `room` may not include `other`; None if it may."""
    if room == other:
        return None
    if other not in RANKS:
        return f"there is no room {other} (tests/lint/layers.py lists them)"
    if room not in RANKS:
        return f"the room {room} has no rank yet (tests/lint/layers.py)"
    if room.split("/")[0] + other.split("/")[0] in ("agentcontroller", "controlleragent"):
        return "agent and controller share only the protocol"
    if (room, other) in FORBIDDEN:
        return FORBIDDEN[(room, other)]
    if RANKS[other] < RANKS[room] or (room, other) in WITHIN_A_RANK:
        return None
    return f"{other} (rank {RANKS[other]}) is not below {room} (rank {RANKS[room]})"


def reason_within(room: str, folder: str, other: str) -> str | None:
    """Why the folder of `room` may not include the other one; None if it may."""
    layers = {name: layer for layer, (names, _) in enumerate(INNER_LAYERS.get(room, [])) for name in names}
    if not layers or folder == other:
        return None
    for name in (folder, other):
        if name not in layers and "*" not in layers:
            return f"the folder {room}/{name} has no layer yet (tests/lint/layers.py)"
    own, others = (layers[name] if name in layers else layers["*"] for name in (folder, other))
    if others < own:
        return None
    if others == own:
        return SAME_LAYER.get(room, f"{folder} and {other} are in the same layer")
    return f"{other or room} is in a higher layer than {folder or room}"


def reason_against_include(name: str, header: str) -> str | None:
    """Why the file `name` may not include `header`; None if it may."""
    room, other = room_of(name), room_of(header)
    if room == other:
        return reason_within(room, folder_in_room(name), folder_in_room(header))
    if reason := reason_against(room, other):
        return reason
    if folder_in_room(header) not in OPEN_FOLDERS.get(other, {folder_in_room(header)}):
        return f"{other}/{folder_in_room(header)} may be included only within {other}"
    return None


ARCHITECTURE = "docs/architecture.md"


def table() -> list[str]:
    """The rooms by rank, as Markdown. Rooms that wrap a library name it."""
    libraries: dict[str, list[str]] = {}
    for _, library, rooms, in_any_source in THIRD_PARTY:
        for room in rooms:
            if not in_any_source:
                libraries.setdefault(room_of(room), []).append(library)
    rows = ["| rank | room | holds | begin with | the only room that includes |", "|---|---|---|---|---|"]
    for room, (rank, holds) in sorted(ROOMS.items(), key=lambda item: item[1][0]):
        first = f"`{FIRST_HEADERS[room]}`" if room in FIRST_HEADERS else ""
        cells = [str(rank), f"`{room}`", holds, first, ", ".join(libraries.get(room, []))]
        rows.append("|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|")
    return rows


def inner_table() -> list[str]:
    """The layers inside rooms, as Markdown."""
    rows = ["| room | layer | folders | contents |", "|---|---|---|---|"]
    for room, layers in INNER_LAYERS.items():
        for layer, (names, holds) in enumerate(layers):
            shown = {"": "files directly in the room", "*": "every other folder"}
            folders = ", ".join(shown.get(name, f"`{name}`") for name in names)
            rows.append(f"| `{room}` | {layer} | {folders} | {holds} |")
    return rows


def check_first_headers(tree: Tree) -> list[str]:
    """Each room of C++ has a header that describes it in 5 to 16 lines, with the words "this room"."""
    findings = []
    for room in ROOMS | FIRST_HEADERS:
        if not any(name.startswith(room + "/") and name.endswith(".h") for name in tree.texts):
            continue
        header = f"{room}/{FIRST_HEADERS.get(room, '')}"
        comment = re.match(r"(?://.*\n)*", tree.texts.get(header, ""))[0]
        if not 5 <= comment.count("\n") <= 16 or "this room" not in comment.lower():
            findings.append(f"{header}:1: begins with no comment of 5 to 16 lines that describes \"this room\"")
    return findings


def check_architecture(tree: Tree) -> list[str]:
    """The page of the architecture shows the rooms as they are ranked here."""
    lines = tree.texts.get(ARCHITECTURE, "").splitlines()
    missing = [row for row in table() + inner_table() if row not in lines]
    return [f'{ARCHITECTURE}:1: has no row "{row}"; python3 tests/lint/layers.py prints the table' for row in missing]


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
                    f'{name}:{line}: "{header}" is not a file of the project; write its path from the root, or use <>'
                )
                continue
            if not _is_program(name):
                continue  # tests may include everything
            if not _is_program(header):
                findings.append(f'{name}:{line}: programs do not include "{header}"')
                continue
            if reason := reason_against_include(name, header):
                findings.append(f'{name}:{line}: may not include "{header}": {reason}')
    return findings


def check_links(tree: Tree) -> list[str]:
    """Each room is one CMake target, or one for each folder in it. A target links exactly the rooms that it includes,
    and the targets of the same room."""
    findings = []
    rooms = rooms_in_cmake(tree)
    folder_of = {target: folder for folder, (target, *_) in rooms.items()}

    def target_folder(name: str) -> str:
        inner = "/".join(name.split("/")[:3])
        return inner if inner in rooms else room_of(name)

    for folder, (target, line, links, _) in rooms.items():
        where = f"{folder}/CMakeLists.txt:{line}"
        room = room_of(folder)

        def as_seen(other: str, room: str = room) -> str:
            return other if room_of(other) == room else room_of(other)

        if room not in RANKS:
            findings.append(f"{where}: the room has no rank (tests/lint/layers.py)")
            continue
        for link in links:
            if link not in folder_of:
                findings.append(f"{where}: LINKS names {link}, which is not a room")
            elif reason := reason_against_include(f"{folder}/x", f"{folder_of[link]}/x"):
                findings.append(f"{where}: LINKS {link}: {reason}")
        own = [name for name in tree.sources() if target_folder(name) == folder]
        if not own:
            continue
        used = {
            as_seen(target_folder(header))
            for name in own
            for _, mark, header in includes(tree.texts[name])
            if mark == '"' and source_of(header) in tree.texts
        } - {folder}
        linked = {as_seen(folder_of[link]) for link in links if link in folder_of}
        for missing in sorted(used - linked):
            missing_target = rooms[missing][0] if missing in rooms else "it"
            findings.append(f"{where}: {target} includes {missing} and does not link {missing_target}")
        for idle in sorted(linked - used):
            findings.append(f"{where}: {target} links {idle} and includes nothing of it")
    return findings


def check_third_party(tree: Tree) -> list[str]:
    """Only the room that wraps a library includes its headers."""
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
                    any(name.startswith(f"{room}/") for room in rooms)
                    or (in_any_source and name.endswith(".cc"))
                    # A test may use the library to check what a room does.
                    or (is_test and name.endswith((".cc", "_contract.h")))
                )
                if not allowed:
                    where = ", ".join(sorted(rooms)) or "a .cc file"
                    findings.append(f"{name}:{line}: <{header}>: {library} belongs in {where}")
    return findings


if __name__ == "__main__":
    print("\n".join(table() + [""] + inner_table()))
