#include "common/filetree/mounts.h"

#include <cstdint>

#include "common/io/fd.h"

namespace holdfast::filetree {
namespace {

constexpr std::size_t kMountInfoMax = 64U << 20;  // hosts with very many containers
constexpr int kMountPointField = 4;               // counted from 0

// Blanks, newlines and backslashes are written as "\040": three octal digits.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 3 >= text.size()) {
      plain += text[at];
      continue;
    }
    int value = 0;
    for (std::size_t digit = 1; digit <= 3; ++digit) value = value * 8 + (text[at + digit] - '0');
    plain += static_cast<char>(value);
    at += 3;
  }
  return plain;
}

}  // namespace

Result<std::vector<std::string>> MountPoints() {
  HF_ASSIGN(Bytes content, ReadWholeFile("/proc/self/mountinfo", kMountInfoMax));
  std::vector<std::string> points;
  std::string_view left = AsText(content);
  while (!left.empty()) {
    std::size_t end = std::min(left.find('\n'), left.size());
    std::string_view line = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    for (int field = 0; field < kMountPointField && !line.empty(); ++field) {
      line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
    }
    line = line.substr(0, line.find(' '));
    if (!line.empty()) points.push_back(Unescape(line));
  }
  return points;
}

Result<std::vector<std::string>> MountPointsBelow(const std::string& path) {
  HF_ASSIGN(std::vector<std::string> points, MountPoints());
  std::string below = path == "/" ? path : path + "/";
  std::erase_if(
      points, [&](const std::string& point) { return point != path && !point.starts_with(below); });
  return points;
}

}  // namespace holdfast::filetree
