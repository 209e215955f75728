#include "agent/jobs/init_job.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <utility>

#include "common/base/format.h"
#include "common/io/fd.h"
#include "common/io/host.h"

namespace holdfast::jobs {
namespace {

// False when the file is there already.
Result<bool> MakePasswordFile(const std::string& path, Random& random) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  HF_TRY(MakeDirectories(directory, 0700));
  Result<Fd> fd = OpenFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd) {
    if (fd.error().code() == ErrorCode::kAlreadyExists) return false;
    return Fail(std::move(fd).error());
  }
  std::array<std::uint8_t, 32> password{};
  random.Fill(password);
  Secret text(HexEncode(password) + "\n");
  // The password must outlive whatever it seals, so it is durable first.
  HF_TRY(WriteAll(fd->get(), AsBytes(text.Reveal()), path));
  HF_TRY(SyncFile(fd->get(), path));
  HF_TRY(SyncDirectory(directory));
  return true;
}

}  // namespace

Result<InitReport> RunInit(const JobContext& context, const RepositoryAddress& address) {
  InitReport report;
  report.repository = address.name;
  report.url = address.url;
  report.password_file = address.password_file;
  std::string what = fmt::format("make repository {}", Quote(address.label()));
  Result<std::unique_ptr<Storage>> storage = context.open_storage(address.url);
  if (!storage) return Fail(std::move(storage).error().While(what));
  Result<bool> made = MakePasswordFile(address.password_file, *context.random);
  if (!made) return Fail(std::move(made).error().While(what));
  report.password_made = *made;
  HF_ASSIGN(Secret password, ReadPassword(address));
  repository::InitOptions options;
  options.user = context.user;
  options.host = HostName();
  Result<repository::Config> config =
      repository::Repository::Init(**storage, password, options, *context.random, *context.clock);
  if (!config) {
    // A fresh password opens nothing that was there before. After any other error it may be the one
    // that a key was just sealed with, and stays.
    if (report.password_made && config.error().code() == ErrorCode::kAlreadyExists) {
      (void)::unlink(address.password_file.c_str());  // at worst an unused password stays
    }
    return Fail(std::move(config).error().While(what));
  }
  report.id = config->id;
  struct stat status {};
  if (::stat(address.password_file.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    report.warnings.push_back(
        fmt::format("password file {} can be read by others; its mode should "
                    "be 0600",
                    Quote(address.password_file)));
  }
  return report;
}

}  // namespace holdfast::jobs
