// What an "s3:" URL refers to: the host, and how requests to it name a file.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/storage/s3_settings.h"

namespace holdfast::s3 {

struct Place {
  std::string location;  // "s3:https://host/bucket/prefix", for messages
  std::string endpoint;  // "https://host:9000", or "https://bucket.host:9000"
  std::string host;      // as in the Host header: "bucket.host:9000"
  std::string bucket;
  std::string base_path;  // "/bucket" or "", before "/" and a key
  std::string prefix;     // prefix of all keys: "prefix/" or ""
  std::string region;

  std::string PathOf(std::string_view key) const { return base_path + "/" + std::string(key); }
};

// "s3:https://host[:port]/bucket[/prefix]"; also "s3:http://...", and "s3:host/bucket" as in stock
// restic. kInvalidArgument for anything else, and for a bucket that the style cannot name.
Result<Place> ParsePlace(std::string_view url, const Settings& settings);

}  // namespace holdfast::s3
