#include "common/filetree/mounts.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string_view>

#include "common/base/path.h"
#include "common/io/fd.h"

namespace holdfast::filetree {
namespace {

constexpr std::size_t kMountInfoMax = 64U << 20;  // for hosts with very many containers
constexpr int kMountPointField = 4;               // counted from 0

// Blanks, newlines and backslashes are escaped as three octal digits, such as "\040".
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

constexpr std::size_t kConfigBytesMax = 1U << 20;

struct Expected {
  Unmounted mount;
  bool is_on_demand = false;
};

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  constexpr std::string_view kBlank = " \t\r";
  for (std::size_t at = line.find_first_not_of(kBlank); at < line.size();) {
    const std::size_t end = std::min(line.find_first_of(kBlank, at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlank, end);
  }
  return words;
}

// Calls `visit` with each line of a file; not at all if it cannot be read.
void ForEachLine(const std::string& path, const std::function<void(std::string_view)>& visit) {
  const Result<Bytes> content = ReadWholeFile(path, kConfigBytesMax);
  if (!content) return;
  std::string_view left = AsText(*content);
  while (!left.empty()) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    visit(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
}

void AddFromFstab(const std::string& fstab, std::vector<Expected>& expected) {
  ForEachLine(fstab, [&](std::string_view line) {
    const std::vector<std::string> words = Words(line);
    if (words.size() < 2 || words[0].starts_with('#') || !words[1].starts_with('/')) return;
    const std::string options = words.size() > 3 ? "," + words[3] + "," : "";
    expected.push_back({{WithoutSlashes(Unescape(words[1])), fstab},
                        options.find(",noauto,") != std::string::npos});
  });
}

void AddFromUnits(const std::string& directory, std::vector<Expected>& expected) {
  std::error_code failure;
  std::filesystem::directory_iterator entries(directory, failure);
  if (failure) return;
  for (const std::filesystem::directory_entry& entry : entries) {
    if (entry.path().extension() != ".mount") continue;
    constexpr std::string_view kWhere = "Where=";
    ForEachLine(entry.path().string(), [&](std::string_view line) {
      if (!line.starts_with(kWhere)) return;
      const std::vector<std::string> words = Words(line.substr(kWhere.size()));
      // Does not check whether another unit requires this one.
      if (words.size() == 1 && words[0].starts_with('/'))
        expected.push_back({{WithoutSlashes(words[0]), entry.path().string()}, true});
    });
  }
}

bool IsBelow(std::string_view path, std::string_view top) {
  return path.size() > top.size() && path.starts_with(top) &&
         (top == "/" || path[top.size()] == '/');
}

}  // namespace

std::vector<Unmounted> FindMissingMounts(const std::string& path, const MountSources& sources) {
  const Result<std::vector<std::string>> mounted = MountPoints(sources);
  if (!mounted) return {};
  std::vector<Expected> expected;
  AddFromFstab(sources.fstab, expected);
  AddFromUnits(sources.units, expected);
  std::vector<Unmounted> found;
  for (const Expected& one : expected) {
    const std::string& point = one.mount.point;
    if (std::ranges::find(*mounted, point) != mounted->end()) continue;
    const bool is_above = path == point || IsBelow(path, point);
    if (!is_above && (one.is_on_demand || !IsBelow(point, path))) continue;
    if (std::ranges::find(found, point, &Unmounted::point) == found.end())
      found.push_back(one.mount);
  }
  return found;
}

Result<std::vector<std::string>> MountPoints(const MountSources& sources) {
  HF_ASSIGN(Bytes content, ReadWholeFile(sources.mountinfo, kMountInfoMax));
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
