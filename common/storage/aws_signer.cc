#include "common/storage/aws_signer.h"

#include <algorithm>
#include <chrono>

#include "common/base/bytes.h"
#include "common/base/format.h"

namespace holdfast::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string Encode(std::string_view text, bool slash_stays) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (char c : text) {
    if (IsUnreserved(c) || (slash_stays && c == '/')) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

// Trims spaces and collapses runs of them.
std::string CanonicalValue(std::string_view value) {
  std::string text;
  for (char c : value) {
    const bool is_space = c == ' ' || c == '\t';
    if (is_space && (text.empty() || text.back() == ' ')) continue;
    text += is_space ? ' ' : c;
  }
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

struct CanonicalHeaders {
  std::string lines;  // "host:example.com\n..."
  std::string names;  // "host;x-amz-date"
};

CanonicalHeaders Canonical(const HttpHeaders& headers) {
  HttpHeaders sorted;
  for (const auto& [name, value] : headers) {
    std::string lower = name;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    sorted.emplace_back(std::move(lower), CanonicalValue(value));
  }
  // Values of the same name stay in the order in which they are sent.
  std::ranges::stable_sort(sorted, {}, &HttpHeaders::value_type::first);
  CanonicalHeaders canonical;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && sorted[i].first == sorted[i - 1].first) {
      canonical.lines.back() = ',';
      canonical.lines += sorted[i].second + "\n";
      continue;
    }
    canonical.lines += sorted[i].first + ":" + sorted[i].second + "\n";
    canonical.names += (canonical.names.empty() ? "" : ";") + sorted[i].first;
  }
  return canonical;
}

crypto::Digest Hmac(ByteView key, std::string_view text) {
  return crypto::HmacSha256(key, AsBytes(text));
}

}  // namespace

std::string EncodeComponent(std::string_view text) { return Encode(text, false); }

std::string EncodePath(std::string_view path) { return Encode(path, true); }

std::string EncodeQuery(const Query& query) {
  Query encoded;
  for (const auto& [name, value] : query) {
    encoded.emplace_back(EncodeComponent(name), EncodeComponent(value));
  }
  std::ranges::sort(encoded);
  std::string text;
  for (const auto& [name, value] : encoded) {
    text += (text.empty() ? "" : "&") + name + "=" + value;
  }
  return text;
}

std::string AmzDate(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto days = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(seconds - days);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

crypto::Digest AwsSigner::KeyOf(const Credentials& credentials, std::string_view day) {
  std::lock_guard lock(mutex_);
  if (key_day_ == day && key_secret_.Reveal() == credentials.secret_access_key.Reveal()) {
    return key_;
  }
  const Secret start("AWS4" + std::string(credentials.secret_access_key.Reveal()));
  const crypto::Digest of_day = Hmac(AsBytes(start.Reveal()), day);
  const crypto::Digest of_region = Hmac(of_day, region_);
  const crypto::Digest of_service = Hmac(of_region, service_);
  key_ = Hmac(of_service, "aws4_request");
  key_day_ = day;
  key_secret_ = credentials.secret_access_key;
  return key_;
}

HttpHeaders AwsSigner::Sign(const SignedRequest& request, const Credentials& credentials,
                            WallTime now) {
  const std::string date = AmzDate(now);
  const std::string day = date.substr(0, 8);
  HttpHeaders added = {{"x-amz-date", date}};
  if (!credentials.session_token.empty()) {
    added.emplace_back("x-amz-security-token", credentials.session_token.Reveal());
  }
  HttpHeaders all = request.headers;
  all.insert(all.end(), added.begin(), added.end());
  const CanonicalHeaders headers = Canonical(all);
  const std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, EncodePath(request.path),
                  EncodeQuery(request.query), headers.lines, headers.names, request.payload_hash);
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, region_, service_);
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, date, scope,
                                          HexEncode(crypto::Sha256Of(AsBytes(canonical))));
  added.emplace_back("authorization",
                     fmt::format("{} Credential={}/{},SignedHeaders={},Signature={}", kAlgorithm,
                                 credentials.access_key_id, scope, headers.names,
                                 HexEncode(Hmac(KeyOf(credentials, day), to_sign))));
  return added;
}

}  // namespace holdfast::s3
