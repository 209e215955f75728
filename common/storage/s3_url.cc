#include "common/storage/s3_url.h"

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::s3 {
namespace {

constexpr std::string_view kAws = ".amazonaws.com";
constexpr std::string_view kUrlHint =
    "write it as \"s3:https://host/bucket/prefix\", e.g. "
    "\"s3:https://s3.eu-central-1.amazonaws.com/my-backups/prod\"";

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// A name, an IPv4 address or an IPv6 address in brackets, with an optional port.
bool IsAuthority(std::string_view text) {
  std::string_view host = text;
  const std::size_t colon = text.rfind(':');
  if (colon != text.npos && text.find(']', colon) == text.npos) {
    const std::string_view port = text.substr(colon + 1);
    const bool is_port = !port.empty() && port.size() <= 5 &&
                         std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
    if (!is_port) return false;
    host = text.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    return !host.empty() && std::ranges::all_of(host, [](char c) {
      return IsAlphanumeric(c) || c == ':' || c == '.';
    });
  }
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return IsAlphanumeric(c) || c == '-' || c == '.' || c == '_';
  });
}

bool IsBucketName(std::string_view name) {
  return !name.empty() && name.size() <= 255 && IsAlphanumeric(name.front()) &&
         std::ranges::all_of(
             name, [](char c) { return IsAlphanumeric(c) || c == '-' || c == '.' || c == '_'; });
}

bool IsHostLabel(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

// Rejects parts that servers or clients would misinterpret or cannot name.
bool IsPrefix(std::string_view prefix) {
  while (!prefix.empty()) {
    const std::size_t slash = prefix.find('/');
    const std::string_view part = prefix.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    for (char c : part) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '?' || c == '#') return false;
    }
    if (slash == prefix.npos) return true;
    prefix.remove_prefix(slash + 1);
  }
  return false;
}

// "s3.eu-central-1.amazonaws.com" contains its region.
std::string RegionOfHost(std::string_view host) {
  if (!host.ends_with(kAws)) return "";
  host.remove_suffix(kAws.size());
  if (host.starts_with("s3.dualstack.")) {
    host.remove_prefix(13);
  } else if (host.starts_with("s3.") || host.starts_with("s3-")) {
    host.remove_prefix(3);
  } else {
    return "";
  }
  return host.find('.') == host.npos ? std::string(host) : "";
}

std::string RegionOf(std::string_view host, const Settings& settings) {
  if (!settings.region.empty()) return settings.region;
  if (std::string region = RegionOfHost(host); !region.empty()) return region;
  for (std::string_view name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    const auto found = settings.credentials.variables.find(name);
    if (found != settings.credentials.variables.end() && !found->second.empty()) {
      return found->second;
    }
  }
  return "us-east-1";
}

std::unexpected<Error> BadUrl(std::string_view url, std::string_view why) {
  // The part before an "@" may be a secret.
  const bool may_show = url.find('@') == url.npos;
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} {}", may_show ? Quote(url) : "the S3 URL", why),
              std::string(kUrlHint));
}

}  // namespace

Result<Place> ParsePlace(std::string_view url, const Settings& settings) {
  std::string_view rest = url;
  if (!rest.starts_with("s3:")) return BadUrl(url, "is not an S3 URL");
  rest.remove_prefix(3);
  std::string_view scheme = "https";
  if (rest.starts_with("//")) return BadUrl(url, "names no host");
  if (const std::size_t end = rest.find("://"); end != rest.npos) {
    scheme = rest.substr(0, end);
    rest.remove_prefix(end + 3);
  }
  if (scheme != "https" && scheme != "http") return BadUrl(url, "is neither https nor http");
  const std::size_t slash = rest.find('/');
  std::string authority(rest.substr(0, slash));
  if (!IsAuthority(authority)) return BadUrl(url, "names no host");
  std::string_view path = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
  if (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t bucket_end = path.find('/');
  const std::string bucket(path.substr(0, bucket_end));
  if (!IsBucketName(bucket)) return BadUrl(url, "names no bucket");
  std::string prefix;
  if (bucket_end != path.npos) {
    prefix = path.substr(bucket_end + 1);
    if (!IsPrefix(prefix)) return BadUrl(url, "has a prefix with an empty or invalid component");
    prefix += '/';
  }

  // Clients omit the default port, so the signed host must omit it too.
  const std::string usual_port = scheme == "https" ? ":443" : ":80";
  if (authority.ends_with(usual_port)) authority.resize(authority.size() - usual_port.size());
  const std::string host = authority.substr(0, authority.rfind(':'));
  Place place;
  place.location = "s3:" + std::string(scheme) + "://" + authority + "/" + std::string(path);
  place.bucket = bucket;
  place.prefix = std::move(prefix);
  place.region = RegionOf(host, settings);
  // A wildcard certificate covers one level of names, so a bucket with a dot does not match.
  const bool can_be_host =
      IsHostLabel(bucket) && (scheme == "http" || bucket.find('.') == bucket.npos);
  bool is_virtual = settings.style == Style::kVirtualHost;
  if (settings.style == Style::kAuto) is_virtual = host.ends_with(kAws) && can_be_host;
  if (is_virtual && !can_be_host) {
    return BadUrl(url, "names a bucket that cannot be part of a host's name; use `style: path`");
  }
  place.host = is_virtual ? bucket + "." + authority : authority;
  place.base_path = is_virtual ? "" : "/" + bucket;
  place.endpoint = std::string(scheme) + "://" + place.host;
  return place;
}

}  // namespace holdfast::s3
