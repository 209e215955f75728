// The credentials of one storage: loaded once, renewed before they expire.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/storage/credential_sources.h"

namespace holdfast::s3 {

// Thread-safe: one thread loads, the others wait for its result.
class CredentialCache {
 public:
  // Credentials are renewed when they expire within this time. If that fails, they are used until
  // they expire.
  static constexpr std::chrono::minutes kRenewBefore{5};

  // `clock` must outlive the object.
  CredentialCache(std::vector<std::unique_ptr<CredentialSource>> sources, const Clock& clock)
      : sources_(std::move(sources)), clock_(clock) {}

  // kInvalidArgument if no source has credentials; otherwise errors of CredentialSource::Load().
  Result<Credentials> Get(std::stop_token stop);
  // The server refused these: the next Get() loads new ones, unless they were replaced already.
  void Invalidate(const Credentials& refused);

 private:
  Result<Credentials> Load(std::stop_token stop);

  const std::vector<std::unique_ptr<CredentialSource>> sources_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<Credentials> current_;
  bool is_refused_ = false;
  WallTime renew_not_before_{};  // set after a renewal that failed or did not help
};

// Whether both have the same key and session.
bool IsSame(const Credentials& a, const Credentials& b);

}  // namespace holdfast::s3
