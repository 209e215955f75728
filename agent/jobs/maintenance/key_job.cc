#include "agent/jobs/maintenance/key_job.h"

#include <unistd.h>

#include <utility>

#include "agent/jobs/session/password_file.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

constexpr const char* kNewPasswordFlag = "--new-password-file";

std::string Short(const repository::Id& key) { return key.Hex().substr(0, 8); }

Result<Secret> ReadNewPassword(const std::string& file) {
  return ReadPassword({.password_file = file, .password_place = kNewPasswordFlag});
}

repository::InitOptions Maker(const JobContext& context, bool is_random_password) {
  return {.user = context.user,
          .host = context.lock_options.holder.host,
          .scrypt = context.ScryptOf(is_random_password)};
}

Error WithBothKeys(Error error, const repository::Id& old) {
  return std::move(error).WithHint(fmt::format(
      "both passwords open the repository until you run \"holdfast-agent key remove {}\"",
      Short(old)));
}

// Handles a failed replacement of the password file. The key of the password that it now holds must
// stay; if that is unclear, both keys stay.
Error UndoAdding(RepositorySession& session, const Secret& password, const KeyChangeReport& report,
                 Error error) {
  repository::Repository& repository = session.repository();
  const Result<Secret> held = ReadPassword({.password_file = report.password_file});
  if (!held || held->Reveal() == password.Reveal()) {
    return WithBothKeys(std::move(error), repository.keys().file());
  }
  // Back to the previous state. If this fails, no one has the password of the remaining key.
  (void)repository::RemoveKey(repository.storage(), report.added);
  return error;
}

// REQUIRES: the session has an exclusive lock.
Result<void> Exchange(const JobContext& context, RepositorySession& session, const Secret& password,
                      KeyChangeReport& report) {
  repository::Repository& repository = session.repository();
  HF_ASSIGN(report.added,
            repository::AddKey(repository, password, Maker(context, report.password_generated)));
  Result<void> replaced = ReplacePasswordFile(report.password_file, password);
  if (!replaced) {
    return Fail(UndoAdding(session, password, report, std::move(replaced).error()));
  }
  CrashPoint("jobs.passwd.after_swap");
  Result<void> removed = session.lock()->StillHeld();
  if (removed) removed = repository::RemoveKey(repository.storage(), repository.keys().file());
  if (removed) {
    report.removed = repository.keys().file();
    return {};
  }
  return Fail(WithBothKeys(std::move(removed).error().While("remove the key of the old password"),
                           repository.keys().file()));
}

}  // namespace

Result<KeyListReport> RunKeyList(const JobContext& context, const RepositoryAddress& address) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kNone));
  auto keys = repository::ListKeys(session->repository());
  if (!keys) {
    return Fail(std::move(keys).error().While(
        fmt::format("list the keys of repository {}", Quote(address.label()))));
  }
  return KeyListReport{address.label(), *std::move(keys)};
}

Result<KeyChangeReport> RunKeyAdd(const JobContext& context, const RepositoryAddress& address,
                                  const std::string& password_file) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kRequired));
  const std::string what = fmt::format("add a key to repository {}", Quote(address.label()));
  KeyChangeReport report;
  report.repository = address.label();
  report.password_file = password_file;
  Result<bool> made = MakePasswordFile(password_file, *context.random);
  if (!made) return Fail(std::move(made).error().While(what));
  report.password_generated = *made;
  HF_ASSIGN(const Secret password, ReadNewPassword(password_file));
  auto added = repository::AddKey(session->repository(), password,
                                  Maker(context, report.password_generated));
  if (!added) {
    // Refused before anything was written, so the new password opens nothing. After any other
    // error, a key may already be sealed with it, so it stays.
    if (report.password_generated && added.error().code() == ErrorCode::kDenied) {
      (void)::unlink(password_file.c_str());  // at worst an unused password remains
    }
    return Fail(std::move(added).error().While(what));
  }
  report.added = *added;
  return report;
}

Result<KeyChangeReport> RunKeyPasswd(const JobContext& context, const RepositoryAddress& address,
                                     const std::string& new_password_file) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kExclusive));
  KeyChangeReport report;
  report.repository = address.label();
  report.password_file = address.password_file;
  report.password_generated = new_password_file.empty();
  Secret password = RandomPassword(*context.random);
  if (!new_password_file.empty()) {
    HF_ASSIGN(password, ReadNewPassword(new_password_file));
  }
  HF_ASSIGN(const Secret old, ReadPassword(address));
  if (password.Reveal() == old.Reveal()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} {} holds the password that is already in use", kNewPasswordFlag,
                            Quote(new_password_file)),
                "leave it out for a random one");
  }
  Result<void> done = Exchange(context, *session, password, report);
  if (!done) {
    return Fail(std::move(done).error().While(
        fmt::format("change the password of repository {}", Quote(address.label()))));
  }
  return report;
}

Result<KeyChangeReport> RunKeyRemove(const JobContext& context, const RepositoryAddress& address,
                                     const std::string& key) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kExclusive));
  KeyChangeReport report;
  report.repository = address.label();
  const auto remove = [&]() -> Result<void> {
    HF_ASSIGN(const auto keys, repository::ListKeys(session->repository()));
    HF_ASSIGN(const repository::KeyInfo found, repository::FindKey(keys, key));
    if (found.is_in_use) {
      return Fail(
          ErrorCode::kDenied,
          fmt::format("key {} is in use: the password in {} opens it", Short(found.id),
                      Quote(address.password_file)),
          "`holdfast-agent key passwd` replaces it; to remove it, open the repository with the "
          "password of another key");
    }
    HF_TRY(session->lock()->StillHeld());
    HF_TRY(repository::RemoveKey(session->repository().storage(), found.id));
    report.removed = found.id;
    return {};
  };
  if (Result<void> removed = remove(); !removed) {
    return Fail(std::move(removed).error().While(
        fmt::format("remove a key of repository {}", Quote(address.label()))));
  }
  return report;
}

}  // namespace holdfast::jobs
