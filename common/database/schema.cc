#include "common/database/schema.h"

#include <unistd.h>

#include <cerrno>

#include "common/base/format.h"
#include "common/database/backup.h"
#include "common/database/handle.h"

namespace holdfast {
namespace {

Result<int> VersionOf(Database& connection) { return connection.Value<int>("PRAGMA user_version"); }

std::unexpected<Error> IsNewer(const DatabaseOptions& options, int found, std::size_t known) {
  return Fail(ErrorCode::kUnsupported,
              fmt::format("{} {} has schema version {}, but this program supports {}", options.what,
                          Quote(options.path), found, known),
              fmt::format("use the program that wrote it, or restore the copy that it created "
                          "before it changed the schema, \"{}.v{}\"",
                          options.path, known));
}

// An earlier attempt may have left the same copy: nothing was committed since.
Result<std::string> KeepCopy(Database& writer, int version) {
  std::string path = fmt::format("{}.v{}", writer.options().path, version);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Fail(ErrnoError(errno, "remove " + Quote(path)));
  }
  HF_TRY(CopyDatabase(writer, path));
  return path;
}

Result<void> Apply(Database& writer, const Migration& migration, int version) {
  HF_ASSIGN(Transaction transaction, Transaction::Begin(writer));
  HF_TRY(writer.Execute(std::string(migration.script)));
  HF_ASSIGN(std::int64_t dangling,
            writer.Value<std::int64_t>("SELECT count(*) FROM pragma_foreign_key_check"));
  if (dangling != 0) {
    return Fail(DamagedDatabase(
        writer.options(), fmt::format("has {} with a dangling reference",
                                      FormatCount(static_cast<std::uint64_t>(dangling), "row"))));
  }
  HF_TRY(writer.Execute(fmt::format("PRAGMA user_version = {}; PRAGMA application_id = {};",
                                    version, writer.options().application_id)));
  return transaction.Commit();
}

Result<void> ApplyAll(Database& writer, std::span<const Migration> migrations, int from) {
  for (std::size_t i = static_cast<std::size_t>(from); i < migrations.size(); ++i) {
    Result<void> applied = Apply(writer, migrations[i], static_cast<int>(i) + 1);
    if (!applied) {
      return Fail(std::move(applied).error().While(fmt::format(
          "upgrade the {} to version {} ({})", writer.options().what, i + 1, migrations[i].name)));
    }
  }
  return {};
}

}  // namespace

Result<MigrationOutcome> Migrate(Database& writer, std::span<const Migration> migrations) {
  HF_CHECK(!writer.is_read_only() && !writer.is_in_transaction());
  HF_ASSIGN(int from, VersionOf(writer));
  MigrationOutcome outcome{.from = from, .to = static_cast<int>(migrations.size()), .copy = ""};
  if (from > outcome.to) return IsNewer(writer.options(), from, migrations.size());
  if (from < 0) return Fail(DamagedDatabase(writer.options(), "has a negative version"));
  if (from == outcome.to) return outcome;
  if (from > 0) {
    HF_ASSIGN(outcome.copy, KeepCopy(writer, from));
  }
  // Otherwise a step that rebuilds a table would lose the rows that refer to the old one. The check
  // in its transaction replaces this. The setting has no effect inside a transaction.
  HF_TRY(writer.Execute("PRAGMA foreign_keys = OFF"));
  Result<void> applied = ApplyAll(writer, migrations, from);
  HF_TRY(writer.Execute("PRAGMA foreign_keys = ON"));
  if (!applied) return Fail(std::move(applied).error());
  return outcome;
}

Result<void> CheckVersion(Database& connection, std::span<const Migration> migrations) {
  HF_ASSIGN(int found, VersionOf(connection));
  int known = static_cast<int>(migrations.size());
  if (found == known) return {};
  if (found > known) return IsNewer(connection.options(), found, migrations.size());
  return Fail(
      ErrorCode::kUnsupported,
      fmt::format("{} {} has schema version {}, but this program supports {}",
                  connection.options().what, Quote(connection.options().path), found, known),
      fmt::format("start this version of {} once: it upgrades the file",
                  connection.options().holder));
}

}  // namespace holdfast
