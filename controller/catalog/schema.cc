#include "controller/catalog/schema.h"

#include <array>
#include <utility>

namespace holdfast::controller {
namespace {

constexpr std::uint32_t kApplicationId = 0x48464361;  // "HFCa"

// Numbers of kinds and states are those of controller/core/records.h. Lists and maps of texts are
// JSON for json_each(), but no CHECK may call a JSON function: the schema is not trusted. Never
// change what was released.
constexpr std::string_view kVersion1 = R"sql(
CREATE TABLE cluster(
  id           INT     NOT NULL PRIMARY KEY DEFAULT 1 CHECK (id = 1),  -- INTEGER would number itself
  cluster_id   TEXT    NOT NULL,
  cluster      TEXT    NOT NULL,
  epoch        INTEGER NOT NULL,
  root_version INTEGER NOT NULL,
  root         BLOB    NOT NULL
) STRICT;

CREATE TABLE root(
  version  INTEGER NOT NULL PRIMARY KEY CHECK (version > 0),
  envelope BLOB    NOT NULL
) STRICT;

CREATE TABLE agent(
  node            TEXT    NOT NULL PRIMARY KEY,
  incarnation     INTEGER NOT NULL,
  signing_key     BLOB    NOT NULL CHECK (length(signing_key) IN (0, 32)),
  curve_key       BLOB    NOT NULL CHECK (length(curve_key) IN (0, 32)),
  joined_ms       INTEGER NOT NULL,
  last_seen_ms    INTEGER NOT NULL,
  revoked         INTEGER NOT NULL CHECK (revoked IN (0, 1)),
  version         TEXT    NOT NULL,
  root_version    INTEGER NOT NULL,
  plan_sequence   INTEGER NOT NULL,
  report_sequence INTEGER NOT NULL,
  report_hash     BLOB    NOT NULL CHECK (length(report_hash) IN (0, 32))
) STRICT;

CREATE TABLE agent_source(
  node       TEXT    NOT NULL REFERENCES agent(node) ON DELETE CASCADE
                     DEFERRABLE INITIALLY DEFERRED,
  number     INTEGER NOT NULL,
  source     TEXT    NOT NULL,
  repository TEXT    NOT NULL,
  topology   INTEGER NOT NULL CHECK (topology BETWEEN 1 AND 3),
  PRIMARY KEY (node, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_source_by_source ON agent_source(source);

CREATE TABLE agent_repository(
  node       TEXT    NOT NULL REFERENCES agent(node) ON DELETE CASCADE
                     DEFERRABLE INITIALLY DEFERRED,
  number     INTEGER NOT NULL,
  repository TEXT    NOT NULL,
  PRIMARY KEY (node, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_health(
  node    TEXT    NOT NULL REFERENCES agent(node) ON DELETE CASCADE
                  DEFERRABLE INITIALLY DEFERRED,
  source  TEXT    NOT NULL,
  healthy INTEGER NOT NULL CHECK (healthy IN (0, 1)),
  PRIMARY KEY (node, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE token(
  node        TEXT    NOT NULL PRIMARY KEY,
  secret_hash BLOB    NOT NULL CHECK (length(secret_hash) = 32),
  requester   TEXT    NOT NULL,
  created_ms  INTEGER NOT NULL,
  expires_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE run(
  run           TEXT    NOT NULL PRIMARY KEY,
  kind          INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 9),
  state         INTEGER NOT NULL CHECK (state BETWEEN 1 AND 6),
  requester     TEXT    NOT NULL,
  reason        TEXT    NOT NULL,
  selectors     TEXT    NOT NULL,
  queue_if_busy INTEGER NOT NULL CHECK (queue_if_busy IN (0, 1)),
  cancelled     INTEGER NOT NULL CHECK (cancelled IN (0, 1)),
  splay_ms      INTEGER NOT NULL,
  created_ms    INTEGER NOT NULL,
  started_ms    INTEGER NOT NULL,
  deadline_ms   INTEGER NOT NULL,
  cut_ms        INTEGER NOT NULL,
  ended_ms      INTEGER NOT NULL,
  closed        INTEGER NOT NULL CHECK (closed IN (0, 1)),
  message       TEXT    NOT NULL,
  hint          TEXT    NOT NULL,
  repository    TEXT    NOT NULL,
  read_data     INTEGER NOT NULL CHECK (read_data IN (0, 1))
) STRICT;
CREATE INDEX run_open ON run(run) WHERE closed = 0;

-- The report goes last: what lists tasks need not walk through it.
CREATE TABLE task(
  run             TEXT    NOT NULL REFERENCES run(run) DEFERRABLE INITIALLY DEFERRED,
  number          INTEGER NOT NULL,
  kind            INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 9),
  state           INTEGER NOT NULL CHECK (state BETWEEN 1 AND 12),
  node            TEXT    NOT NULL,
  source          TEXT    NOT NULL,
  repository      TEXT    NOT NULL,
  topology        INTEGER NOT NULL CHECK (topology BETWEEN 1 AND 3),
  host            TEXT    NOT NULL,
  round           INTEGER NOT NULL,
  data            INTEGER NOT NULL CHECK (data IN (0, 1)),
  compose         INTEGER NOT NULL CHECK (compose IN (0, 1)),
  plan_id         BLOB    NOT NULL CHECK (length(plan_id) IN (0, 16)),
  plan_task       INTEGER NOT NULL,
  created_ms      INTEGER NOT NULL,
  ended_ms        INTEGER NOT NULL,
  late            INTEGER NOT NULL CHECK (late IN (0, 1)),
  cut_barrier_met INTEGER NOT NULL CHECK (cut_barrier_met IN (0, 1)),
  error           TEXT,
  snapshot        BLOB    NOT NULL CHECK (length(snapshot) IN (0, 32)),
  report          BLOB    NOT NULL,
  PRIMARY KEY (run, number)
) STRICT;

CREATE TABLE plan(
  plan_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(plan_id) = 16),
  run         TEXT    NOT NULL,
  node        TEXT    NOT NULL,
  incarnation INTEGER NOT NULL,
  sequence    INTEGER NOT NULL,
  kind        INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 9),
  state       INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
  issued_ms   INTEGER NOT NULL,
  expires_ms  INTEGER NOT NULL,
  hash        BLOB    NOT NULL CHECK (length(hash) = 32),
  envelope    BLOB    NOT NULL
) STRICT;
CREATE INDEX plan_by_run ON plan(run);

CREATE TABLE snapshot(
  repository      TEXT    NOT NULL,
  snapshot        BLOB    NOT NULL CHECK (length(snapshot) = 32),
  source          TEXT    NOT NULL,
  host            TEXT    NOT NULL,
  run             TEXT    NOT NULL,
  node            TEXT    NOT NULL,
  time_ms         INTEGER NOT NULL,
  recorded_ms     INTEGER NOT NULL,
  partial         INTEGER NOT NULL CHECK (partial IN (0, 1)),
  parent          BLOB    NOT NULL CHECK (length(parent) IN (0, 32)),
  items           INTEGER NOT NULL,
  bytes           INTEGER NOT NULL,
  missing_count   INTEGER NOT NULL,
  cut_barrier_met INTEGER NOT NULL CHECK (cut_barrier_met IN (0, 1)),
  position        TEXT    NOT NULL,
  note            TEXT    NOT NULL,
  PRIMARY KEY (repository, snapshot)
) STRICT;
CREATE INDEX snapshot_by_id ON snapshot(snapshot);
CREATE INDEX snapshot_by_time ON snapshot(time_ms, snapshot, repository);
CREATE INDEX snapshot_by_source ON snapshot(source, time_ms, snapshot, repository);
CREATE INDEX snapshot_by_run ON snapshot(run);

CREATE TABLE draft(
  run        TEXT    NOT NULL PRIMARY KEY,
  kind       INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 9),
  state      INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
  node       TEXT    NOT NULL,
  source     TEXT    NOT NULL,
  repository TEXT    NOT NULL,
  plan_id    BLOB    NOT NULL CHECK (length(plan_id) = 16),
  payload    BLOB    NOT NULL,
  requester  TEXT    NOT NULL,
  reason     TEXT    NOT NULL,
  operators  INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  denied_by  TEXT    NOT NULL
) STRICT;
CREATE INDEX draft_open ON draft(run) WHERE state = 1;

CREATE TABLE approval(
  run       TEXT    NOT NULL REFERENCES draft(run) ON DELETE CASCADE
                    DEFERRABLE INITIALLY DEFERRED,
  number    INTEGER NOT NULL,
  person    TEXT    NOT NULL,
  key_id    BLOB    NOT NULL CHECK (length(key_id) = 32),
  signature BLOB    NOT NULL CHECK (length(signature) = 64),
  actor     TEXT    NOT NULL,
  time_ms   INTEGER NOT NULL,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

-- The bytes are the event; the columns between are copies of some of its fields, to find it by.
CREATE TABLE audit(
  sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
  time_ms  INTEGER NOT NULL,
  type     TEXT    NOT NULL,
  run      TEXT    NOT NULL,
  bytes    BLOB    NOT NULL,
  leaf     BLOB    NOT NULL CHECK (length(leaf) = 32)
) STRICT;
CREATE INDEX audit_by_run ON audit(run, sequence) WHERE run <> '';
CREATE INDEX audit_by_type ON audit(type, sequence);
)sql";

constexpr std::string_view kVersion2 = R"sql(
ALTER TABLE task ADD COLUMN rest INTEGER NOT NULL DEFAULT 0 CHECK (rest IN (0, 1));
)sql";

// task_by_source finds the runs of a source, and the tasks of a source in one run.
constexpr std::string_view kVersion3 = R"sql(
CREATE INDEX task_by_source ON task(source, run, node);

CREATE TABLE source_run(
  source TEXT NOT NULL,
  node   TEXT NOT NULL,  -- of a local source; empty for the others
  run    TEXT NOT NULL REFERENCES run(run) DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY (source, node)
) STRICT, WITHOUT ROWID;
INSERT INTO source_run(source, node, run)
  SELECT source, iif(topology = 1, task.node, '') AS member, max(run)
  FROM task JOIN run USING (run)
  WHERE run.kind = 1 AND run.state >= 3 AND task.kind = 1 AND source <> ''
  GROUP BY source, member;
)sql";

constexpr std::string_view kVersion4 = R"sql(
ALTER TABLE snapshot ADD COLUMN invalid INTEGER NOT NULL DEFAULT 0 CHECK (invalid IN (0, 1));
ALTER TABLE snapshot ADD COLUMN safety INTEGER NOT NULL DEFAULT 0 CHECK (safety IN (0, 1));
)sql";

constexpr std::string_view kVersion5 = R"sql(
ALTER TABLE snapshot ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
)sql";

constexpr std::array kMigrations = {
    Migration{"first tables", kVersion1},
    Migration{"tasks that save the rest of a sharded source", kVersion2},
    Migration{"the last run of each source", kVersion3},
    Migration{"invalid and safety snapshots", kVersion4},
    Migration{"how many files a snapshot has", kVersion5},
};

}  // namespace

std::span<const Migration> CatalogMigrations() { return kMigrations; }

DatabaseOptions CatalogOptions(std::string path) {
  return {.path = std::move(path),
          .what = "catalog",
          .application_id = kApplicationId,
          .corrupt_hint =
              "`holdfast catalog check` shows the damage; stop the controller and restore a copy "
              "that `holdfast catalog backup` created, or recreate the catalog with `holdfast "
              "catalog rebuild`",
          .holder = "holdfast-controller"};
}

}  // namespace holdfast::controller
