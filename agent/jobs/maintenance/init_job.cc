#include "agent/jobs/maintenance/init_job.h"

#include <unistd.h>

#include <utility>

#include "agent/jobs/session/mount_check.h"
#include "agent/jobs/session/password_file.h"
#include "common/base/format.h"
#include "common/io/host.h"

namespace holdfast::jobs {

Result<InitReport> RunInit(const JobContext& context, const RepositoryAddress& address) {
  InitReport report;
  report.repository = address.name;
  report.url = address.url;
  report.password_file = address.password_file;
  std::string what = fmt::format("create repository {}", Quote(address.label()));
  Result<std::unique_ptr<Storage>> storage = context.open_storage(
      {.url = address.url, .s3 = address.s3, .first_answer_within = context.first_answer_within});
  if (!storage) return Fail(std::move(storage).error().While(what));
  // Otherwise the repository would be created below the mount point and hidden by the next mount.
  if (auto unmounted = UnmountedRepository(context, address.url); unmounted)
    return Fail(std::move(*unmounted).While(what));
  Result<bool> made = MakePasswordFile(address.password_file, *context.random);
  if (!made) return Fail(std::move(made).error().While(what));
  report.password_generated = *made;
  HF_ASSIGN(Secret password, ReadPassword(address));
  repository::InitOptions options;
  options.user = context.user;
  options.host = HostName();
  options.scrypt = context.ScryptOf(report.password_generated);
  Result<repository::Config> config =
      repository::Repository::Init(**storage, password, options, *context.random, *context.clock);
  if (!config) {
    // The repository existed, so the new password opens nothing. After any other error, a key may
    // already be sealed with the password, so it stays.
    if (report.password_generated && config.error().code() == ErrorCode::kAlreadyExists) {
      (void)::unlink(address.password_file.c_str());  // at worst an unused password remains
    }
    return Fail(std::move(config).error().While(what));
  }
  report.id = config->id;
  return report;
}

}  // namespace holdfast::jobs
