// Checks and copies a catalog.
#include <utility>

#include "common/audit/event.h"
#include "common/base/format.h"
#include "controller/catalog/catalog_reader.h"
#include "controller/catalog/tables.h"

namespace holdfast::controller {
namespace {

constexpr std::size_t kAuditDamageMax = 20;
constexpr std::uint64_t kEventsBetweenLooks = 1'024;

struct CopiedFields {
  std::int64_t time_ms = 0;
  std::string type;
  std::string run;
};

// What is wrong with the event in `row`; empty if nothing is.
Result<std::string> DamageOf(const Statement& row, AuditSequence& sequence) {
  std::uint64_t number = 0;
  CopiedFields copied;
  Bytes bytes;
  Bytes leaf;
  HF_TRY(row.Read(number, copied.time_ms, copied.type, copied.run, bytes, leaf));
  Result<AuditEvent> event = sequence.Take(number, bytes, leaf);
  if (!event) return event.error().message();
  if (event->time_ms == copied.time_ms && event->type == copied.type && event->run == copied.run) {
    return std::string();
  }
  return fmt::format("audit event {}: its columns differ from its bytes", number);
}

Result<void> CheckAudit(Database& connection, const std::stop_token& stop, CatalogCheck& check) {
  HF_ASSIGN(std::string origin,
            connection.Value<std::string>("SELECT coalesce((SELECT cluster_id FROM cluster), '')"));
  HF_ASSIGN(Statement row,
            connection.Query("SELECT sequence, time_ms, type, run, bytes, leaf FROM audit "
                             "ORDER BY sequence"));
  AuditSequence sequence(std::move(origin), 0);
  std::size_t found = 0;
  for (;;) {
    HF_ASSIGN(bool has_row, row.Next());
    if (!has_row) return {};
    if (++check.audit_events % kEventsBetweenLooks == 0 && stop.stop_requested()) {
      return Fail(ErrorCode::kCancelled, "check of the catalog stopped");
    }
    HF_ASSIGN(std::string damage, DamageOf(row, sequence));
    if (!damage.empty() && found++ < kAuditDamageMax) check.damage.push_back(std::move(damage));
  }
}

}  // namespace

Result<CatalogCheck> CatalogReader::Check(CheckDepth depth, const std::stop_token& stop) {
  HF_ASSIGN(Transaction moment, Transaction::Begin(connection_));
  CatalogCheck check;
  HF_ASSIGN(check.damage, FindDamage(connection_, depth));
  // If the file is damaged, what it says of its events means nothing.
  if (check.damage.empty()) HF_TRY(CheckAudit(connection_, stop, check));
  return check;
}

Result<void> CatalogReader::Save(const std::string& path, const std::stop_token& stop) {
  return CopyDatabase(connection_, path, stop);
}

}  // namespace holdfast::controller
