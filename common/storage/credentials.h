// The credentials of one storage: found once, renewed before they expire.
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

// Safe to use from several threads: one asks, the others wait for what it gets.
class CredentialCache {
 public:
  // Renewed when they expire within this time. While that fails they are used to their end.
  static constexpr std::chrono::minutes kRenewBefore{5};

  // `clock` outlives the object.
  CredentialCache(std::vector<std::unique_ptr<CredentialSource>> sources, const Clock& clock)
      : sources_(std::move(sources)), clock_(clock) {}

  // kInvalidArgument when there are none anywhere; else errors as of CredentialSource::Load.
  Result<Credentials> Get(std::stop_token stop);
  // The server refused these: the next Get() asks for others, unless that has happened meanwhile.
  void Distrust(const Credentials& refused);

 private:
  Result<Credentials> Load(std::stop_token stop);

  const std::vector<std::unique_ptr<CredentialSource>> sources_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<Credentials> current_;
  bool is_refused_ = false;
  WallTime renew_not_before_{};  // after a renewal that failed
};

// Whether both are the same key and session.
bool IsSame(const Credentials& a, const Credentials& b);

}  // namespace holdfast::s3
