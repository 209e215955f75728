#include "agent/sources/haproxy/file_space.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <deque>

#include "agent/sources/host/paths.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

namespace {

// The kernel's limit.
constexpr int kSymlinksMax = 40;

std::string RealPath(const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  if (::realpath(path.c_str(), buffer.data()) == nullptr) return path;
  return buffer.data();
}

std::deque<std::string> Components(std::string_view path) {
  std::deque<std::string> components;
  std::size_t at = 0;
  while (at < path.size()) {
    std::size_t slash = std::min(path.find('/', at), path.size());
    if (slash > at) components.emplace_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  return components;
}

}  // namespace

FileType LiveFiles::Type(const std::string& path) const {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return FileType::kNone;
  if (S_ISREG(status.st_mode)) return FileType::kFile;
  if (S_ISDIR(status.st_mode)) return FileType::kDirectory;
  return FileType::kOther;
}

Result<std::string> LiveFiles::Read(const std::string& path) const {
  HF_ASSIGN(Bytes bytes, ReadWholeFile(path));
  return std::string(AsText(bytes));
}

Result<std::vector<std::string>> LiveFiles::List(const std::string& path) const {
  HF_ASSIGN(std::vector<std::string> names, NamesIn(path));
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
  return names;
}

std::string OverlaidFiles::Physical(const std::string& path) const {
  std::string mirrored = mirror_ + path;
  return host::Exists(mirrored) ? mirrored : path;
}

FileType OverlaidFiles::Type(const std::string& path) const {
  if (removed_.contains(path)) return FileType::kNone;
  return live_.Type(Physical(path));
}

Result<std::string> OverlaidFiles::Read(const std::string& path) const {
  if (removed_.contains(path)) {
    return Fail(ErrorCode::kNotFound, fmt::format("{} is to be removed", Quote(path)));
  }
  return live_.Read(Physical(path));
}

Result<std::vector<std::string>> OverlaidFiles::List(const std::string& path) const {
  std::set<std::string> names;
  bool found = false;
  for (const std::string& directory : {mirror_ + path, path}) {
    if (live_.Type(directory) != FileType::kDirectory) continue;
    HF_ASSIGN(std::vector<std::string> some, live_.List(directory));
    names.insert(some.begin(), some.end());
    found = true;
  }
  if (!found) {
    return Fail(ErrorCode::kNotFound, fmt::format("list the directory {}: not there", Quote(path)));
  }
  std::erase_if(names, [&](const std::string& name) {
    return removed_.contains(fmt::format("{}/{}", path, name));
  });
  return std::vector<std::string>(names.begin(), names.end());
}

std::string AbsolutePath(std::string_view directory, std::string_view path) {
  std::string whole =
      path.starts_with('/') ? std::string(path) : fmt::format("{}/{}", directory, path);
  std::string absolute;
  for (const std::string& component : Components(whole)) {
    if (component == ".") continue;
    if (component == "..") {
      if (absolute.empty()) continue;
      absolute = ParentPath(RealPath(absolute));
      if (absolute == "/") absolute.clear();
    } else {
      absolute += '/';
      absolute += component;
    }
  }
  return absolute.empty() ? "/" : absolute;
}

std::vector<std::string> ResolvedPaths(const std::string& path) {
  std::vector<std::string> paths;
  std::deque<std::string> rest = Components(path);
  std::string here;  // without symlinks or a trailing slash
  int links = 0;
  while (!rest.empty()) {
    std::string component = std::move(rest.front());
    rest.pop_front();
    if (component == ".") continue;
    if (component == "..") {
      here.resize(PathAbove(here).size());
      continue;
    }
    std::string next = fmt::format("{}/{}", here, component);
    struct stat status {};
    if (::lstat(next.c_str(), &status) != 0) return {path};
    if (!S_ISLNK(status.st_mode)) {
      here = std::move(next);
      continue;
    }
    std::array<char, PATH_MAX> target{};
    ssize_t length = ::readlink(next.c_str(), target.data(), target.size());
    if (length <= 0 || ++links > kSymlinksMax) return {path};
    paths.push_back(next);
    std::string_view text(target.data(), static_cast<std::size_t>(length));
    if (text.starts_with('/')) here.clear();
    std::deque<std::string> components = Components(text);
    rest.insert(rest.begin(), components.begin(), components.end());
  }
  paths.push_back(here.empty() ? "/" : here);
  return paths;
}

}  // namespace holdfast::haproxy
