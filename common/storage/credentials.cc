#include "common/storage/credentials.h"

#include "common/base/format.h"

namespace holdfast::s3 {

bool IsSame(const Credentials& a, const Credentials& b) {
  return a.access_key_id == b.access_key_id &&
         a.secret_access_key.Reveal() == b.secret_access_key.Reveal() &&
         a.session_token.Reveal() == b.session_token.Reveal();
}

Result<Credentials> CredentialCache::Get(std::stop_token stop) {
  constexpr std::chrono::seconds kBetweenRenewals{30};
  std::lock_guard lock(mutex_);
  const WallTime now = clock_.Now();
  const bool is_good =
      current_ && !is_refused_ && (!current_->expires_at || now < *current_->expires_at);
  if (is_good && (!current_->expires_at || now < *current_->expires_at - kRenewBefore ||
                  now < renew_not_before_)) {
    return *current_;
  }
  Result<Credentials> loaded = Load(std::move(stop));
  if (!loaded && is_good) {
    renew_not_before_ = now + kBetweenRenewals;
    return *current_;
  }
  if (!loaded) return loaded;
  current_ = *std::move(loaded);
  is_refused_ = false;
  renew_not_before_ = {};
  // If a source returns credentials that are about to expire, do not load them for every request.
  if (current_->expires_at && *current_->expires_at - kRenewBefore <= now) {
    renew_not_before_ = now + kBetweenRenewals;
  }
  return *current_;
}

void CredentialCache::Invalidate(const Credentials& refused) {
  std::lock_guard lock(mutex_);
  if (current_ && IsSame(*current_, refused)) is_refused_ = true;
}

Result<Credentials> CredentialCache::Load(std::stop_token stop) {
  std::string asked;
  for (const std::unique_ptr<CredentialSource>& source : sources_) {
    Result<std::optional<Credentials>> found = source->Load(stop);
    if (!found) return Fail(std::move(found).error().While("credentials of " + source->name()));
    if (*found) return **std::move(found);
    asked += (asked.empty() ? "" : ", ") + source->name();
  }
  return Fail(ErrorCode::kInvalidArgument, fmt::format("no S3 credentials in {}", asked),
              "name them in the repository's block of agent.yaml: credentials_file, or "
              "access_key_id and secret_access_key_file");
}

}  // namespace holdfast::s3
