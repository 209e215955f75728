// Credentials from any source: STS, the metadata service, a file. The first byte selects it.
#include <algorithm>

#include "common/storage/credential_sources.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

// Keys go into headers, where a line break would start another header.
bool CanBeSent(const s3::Credentials& credentials) {
  const auto is_good = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  };
  return !credentials.access_key_id.empty() && is_good(credentials.access_key_id) &&
         is_good(credentials.secret_access_key.Reveal()) &&
         is_good(credentials.session_token.Reveal());
}

bool TakeCredentials(const Result<s3::Credentials>& credentials) {
  FUZZ_REQUIRE(credentials || credentials.error().code() == ErrorCode::kCorrupt ||
               credentials.error().code() == ErrorCode::kDenied ||
               credentials.error().code() == ErrorCode::kInvalidArgument);
  if (!credentials) return false;
  FUZZ_REQUIRE(CanBeSent(*credentials));
  return true;
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(credentials) {
  using namespace holdfast;
  if (input.empty()) return false;
  const std::string_view text = AsText(input.subspan(1));
  if (input[0] == 's') return fuzz::TakeCredentials(s3::ParseStsCredentials(text));
  if (input[0] == 'm') return fuzz::TakeCredentials(s3::ParseMetadataCredentials(text));
  const auto file = s3::ParseCredentialsFile(text, "default", "file");
  FUZZ_REQUIRE(file || file.error().code() == ErrorCode::kInvalidArgument);
  if (!file || !*file) return false;
  FUZZ_REQUIRE(fuzz::CanBeSent(**file));
  return true;
}
