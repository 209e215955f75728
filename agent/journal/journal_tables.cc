#include "agent/journal/journal_tables.h"

#include <string>
#include <utility>

namespace holdfast::agent {
namespace {

constexpr std::uint32_t kApplicationId = 0x48464a6f;  // "HFJo"

// Kinds and states are numbered as in agent/core/records.h. Released migrations never change.
constexpr std::string_view kVersion1 = R"sql(
CREATE TABLE identity(
  id              INT     NOT NULL PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  cluster_id      TEXT    NOT NULL,
  cluster         TEXT    NOT NULL,
  node            TEXT    NOT NULL,
  incarnation     INTEGER NOT NULL,
  root_version    INTEGER NOT NULL,
  root            BLOB    NOT NULL,
  epoch           INTEGER NOT NULL,
  t_max_ms        INTEGER NOT NULL,
  report_sequence INTEGER NOT NULL,
  report_hash     BLOB    NOT NULL CHECK (length(report_hash) IN (0, 32)),
  former_bus_key  BLOB    NOT NULL CHECK (length(former_bus_key) IN (0, 32))
) STRICT;

CREATE TABLE floor(
  key_id   BLOB    NOT NULL PRIMARY KEY CHECK (length(key_id) = 32),
  sequence INTEGER NOT NULL
) STRICT;

CREATE TABLE plan(
  plan_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(plan_id) = 16),
  key_id      BLOB    NOT NULL CHECK (length(key_id) = 32),
  sequence    INTEGER NOT NULL,
  hash        BLOB    NOT NULL CHECK (length(hash) = 32),
  kind        INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 9),
  state       INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
  run         TEXT    NOT NULL,
  accepted_ms INTEGER NOT NULL,
  expires_ms  INTEGER NOT NULL,
  envelope    BLOB    NOT NULL
) STRICT;

CREATE TABLE task(
  plan_id         BLOB    NOT NULL CHECK (length(plan_id) = 16),
  task            INTEGER NOT NULL,
  state           INTEGER NOT NULL CHECK (state BETWEEN 2 AND 12),
  report_sequence INTEGER NOT NULL,
  PRIMARY KEY (plan_id, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE part(
  plan_id    BLOB    NOT NULL CHECK (length(plan_id) = 16),
  task       INTEGER NOT NULL,
  run        TEXT    NOT NULL,
  source     TEXT    NOT NULL,
  repository TEXT    NOT NULL,
  expires_ms INTEGER NOT NULL,
  part       BLOB    NOT NULL,
  PRIMARY KEY (plan_id, task)
) STRICT;

CREATE TABLE sealed(
  run        TEXT    NOT NULL,
  source     TEXT    NOT NULL,
  repository TEXT    NOT NULL,
  snapshot   BLOB    NOT NULL CHECK (length(snapshot) = 32),
  expires_ms INTEGER NOT NULL,
  sealed     BLOB    NOT NULL,
  composed   BLOB    NOT NULL,
  PRIMARY KEY (run, source, repository)
) STRICT;

CREATE TABLE report(
  sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
  plan_id  BLOB    NOT NULL CHECK (length(plan_id) IN (0, 16)),
  task     INTEGER NOT NULL,
  time_ms  INTEGER NOT NULL,
  hash     BLOB    NOT NULL CHECK (length(hash) = 32),
  envelope BLOB    NOT NULL
) STRICT;

CREATE TABLE reports_taken(
  id       INT     NOT NULL PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  sequence INTEGER NOT NULL
) STRICT;

CREATE TABLE ended_run(
  run        TEXT    NOT NULL PRIMARY KEY,
  cancelled  INTEGER NOT NULL CHECK (cancelled IN (0, 1)),
  expires_ms INTEGER NOT NULL
) STRICT;
)sql";

constexpr std::array kMigrations = {
    Migration{"first tables", kVersion1},
};

}  // namespace

std::span<const Migration> JournalMigrations() { return kMigrations; }

DatabaseOptions JournalOptions(std::string path) {
  return {.path = std::move(path),
          .what = "journal",
          .application_id = kApplicationId,
          .corrupt_hint =
              "stop the agent, move the journal away and join the cluster again with a new token: "
              "an older copy does not know which plans were carried out",
          .holder = "holdfast-agent"};
}

}  // namespace holdfast::agent
