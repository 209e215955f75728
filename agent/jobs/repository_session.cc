#include "agent/jobs/repository_session.h"

#include <utility>

#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::jobs {
namespace {

constexpr std::size_t kPasswordBytesMax = 64U << 10;

repository::Compression CompressionOf(std::string_view text) {
  if (text == "off") return repository::Compression::kOff;
  if (text == "fast") return repository::Compression::kFast;
  if (text == "max") return repository::Compression::kMax;
  return repository::Compression::kAuto;
}

// Whether a lock could not be written because nothing can be: the place is read-only or full.
bool IsUnwritable(const Error& error) {
  return error.code() == ErrorCode::kDenied || error.code() == ErrorCode::kNoSpace;
}

}  // namespace

RepositoryAddress AddressOf(const RepositorySettings& repository) {
  return {.name = repository.name,
          .url = repository.url,
          .password_file = repository.password_file,
          .password_place = repository.values.LocationOf("password_file").Text(),
          .compression = repository.compression};
}

Result<Secret> ReadPassword(const RepositoryAddress& address) {
  std::string place = address.password_place.empty() ? "" : address.password_place + ": ";
  Result<Bytes> bytes = ReadWholeFile(address.password_file, kPasswordBytesMax);
  if (!bytes) {
    bool is_missing = bytes.error().code() == ErrorCode::kNotFound;
    std::string hint =
        address.name.empty()
            ? "name the file that holds the repository's password"
            : fmt::format(
                  "`holdfast-agent repository init --repository {}` makes it for a new "
                  "repository; for one that is there bring its password back",
                  address.name);
    if (!is_missing) {
      return Fail(bytes.error().code(), place + bytes.error().message(), bytes.error().hint());
    }
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}password file {} is not there; expected a file that holds the "
                            "repository's password",
                            place, Quote(address.password_file)),
                std::move(hint));
  }
  std::string_view text = AsText(*bytes);
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}password file {} is empty; expected the repository's password",
                            place, Quote(address.password_file)));
  }
  std::size_t end = text.find_last_not_of(kSpace);
  return Secret(std::string(text.substr(begin, end - begin + 1)));
}

Result<std::unique_ptr<RepositorySession>> RepositorySession::Open(const JobContext& context,
                                                                   const RepositoryAddress& address,
                                                                   LockUse lock_use) {
  std::string what = fmt::format("open repository {}", Quote(address.label()));
  HF_ASSIGN(Secret password, ReadPassword(address));
  Result<std::unique_ptr<Storage>> storage = context.open_storage(address.url);
  if (!storage) return Fail(std::move(storage).error().While(what));
  auto session = std::make_unique<RepositorySession>(Key{});
  session->address_ = address;
  auto opened = repository::Repository::Open(*std::move(storage), password,
                                             {.compression = CompressionOf(address.compression)},
                                             *context.random, *context.clock);
  if (!opened) return Fail(std::move(opened).error().While(what));
  session->repository_ = *std::move(opened);
  if (lock_use == LockUse::kNone) return session;

  // A process of ours that died left its lock; nobody else may judge whether it is dead.
  Result<unsigned> removed =
      repository::RemoveOwnDeadLocks(*session->repository_, context.lock_options);
  if (removed && *removed > 0) {
    context.Note(address.label(), fmt::format("removed {} dead locks of this host", *removed));
  }
  if (!removed && (lock_use == LockUse::kRequired || !IsUnwritable(removed.error()))) {
    return Fail(std::move(removed).error().While(what));
  }
  auto lock = repository::Lock::AcquireShared(*session->repository_, context.lock_options);
  if (lock) {
    session->lock_ = *std::move(lock);
    return session;
  }
  if (lock_use == LockUse::kRequired || !IsUnwritable(lock.error())) {
    return Fail(
        std::move(lock).error().While(fmt::format("lock repository {}", Quote(address.label()))));
  }
  session->warnings_.push_back(fmt::format("repository {} is read without a lock: {}",
                                           Quote(address.label()), lock.error().message()));
  return session;
}

}  // namespace holdfast::jobs
