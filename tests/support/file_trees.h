// Creates, describes and compares file trees.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/filetree/walker.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::testing {

inline void WriteText(const std::string& path, std::string_view text, unsigned mode = 0644) {
  Fd file = Unwrap(OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  REQUIRE_OK(WriteAll(file.get(), AsBytes(text), path));
  REQUIRE(fchmod(file.get(), mode) == 0);
}
inline std::string ReadText(const std::string& path) {
  return std::string(AsText(Unwrap(ReadWholeFile(path))));
}
inline bool Exists(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0;
}
// Sets the file's mtime to `seconds` since 1970. Its ctime becomes the current time.
inline void SetTime(const std::string& path, std::int64_t seconds) {
  struct timespec times[2] = {{seconds, 5}, {seconds, 7}};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

// Runs `body` in a child process, as user `nobody` if this process is root, so that permissions
// apply. Returns whether it returned true. `body` must not use Catch2.
inline bool AsNobody(const std::function<bool()>& body) {
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    bool is_unprivileged = geteuid() != 0 || (setgid(kNobody) == 0 && setuid(kNobody) == 0);
    const bool is_true = is_unprivileged && body();
    // Not _exit(): the thread sanitizer would report the parent's threads as leaked.
    syscall(SYS_exit_group, is_true ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Describes everything below `path`, one line each, with all that a backup must preserve: name,
// type, mode, owner, times, links, targets, extended attributes, size. Sorted.
inline std::vector<std::string> DescribeTree(const std::string& path) {
  filetree::WalkOptions options;
  options.roots = {path};
  auto walker = Unwrap(filetree::Walker::Create(options));
  std::vector<std::string> lines;
  const std::string top = path.substr(1);
  for (;;) {
    std::optional<Item> item = Unwrap(walker->Next());
    if (!item) break;
    if (item->path != top && !item->path.starts_with(top + "/")) continue;
    const Attributes& a = item->attributes;
    std::string line = item->path.substr(top.size());
    line += " type " + std::to_string(static_cast<int>(a.type)) + " mode " + std::to_string(a.mode);
    line += " owner " + std::to_string(a.uid) + ":" + std::to_string(a.gid);
    line += " time " + FormatTime(a.mtime.seconds, a.mtime.nanoseconds);
    if (a.type != NodeType::kDirectory) line += " links " + std::to_string(a.links);
    line += " size " + std::to_string(a.size) + " device " + std::to_string(a.device);
    line += " target " + a.link_target;
    std::vector<ExtendedAttribute> extended = a.extended;
    std::ranges::sort(extended, {}, &ExtendedAttribute::name);
    for (const ExtendedAttribute& one : extended)
      line += " " + one.name + "=" + HexEncode(one.value);
    if (auto* reader = std::get_if<std::unique_ptr<ByteReader>>(&item->content)) {
      std::uint64_t sum = 14695981039346656037ULL;  // FNV-1a
      Bytes buffer(64U << 10);
      while (std::size_t count = Unwrap((*reader)->Read(buffer))) {
        for (std::uint8_t byte : std::span(buffer).first(count)) {
          sum = (sum ^ byte) * 1099511628211ULL;
        }
      }
      line += " content " + std::to_string(sum);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace holdfast::testing
