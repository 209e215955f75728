#include "agent/sources/member/referenced_files.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "agent/sources/host/paths.h"
#include "agent/sources/host/untrusted_file.h"
#include "common/base/format.h"
#include "common/config/yaml.h"

namespace holdfast {
namespace {

constexpr std::size_t kLinksMax = 40;  // the kernel's limit
constexpr std::size_t kConfigsMax = 10'000;
constexpr std::string_view kFileEnding = "_file";
// Keys whose values are lists of patterns.
constexpr std::array<std::string_view, 4> kListKeys = {"rule_files", "scrape_config_files",
                                                       "templates", "files"};

class Search {
 public:
  explicit Search(std::string file)
      : file_(std::move(file)), directory_(std::filesystem::path(file_).parent_path()) {}

  // ParseForeignYaml() limits the depth of the recursion.
  void Look(const config::Node& node) {
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const config::Node& item = node.items[i];
      if (node.kind == config::Node::Kind::kMap) LookAtKey(node.keys[i].name, item);
      Look(item);
    }
  }
  std::vector<ReferencedPath> Take() { return std::move(found_); }

 private:
  void LookAtKey(const std::string& key, const config::Node& value) {
    if (key.ends_with(kFileEnding)) {
      if (value.kind == config::Node::Kind::kScalar) Found(value, false, false);
      return;
    }
    if (std::ranges::find(kListKeys, key) == kListKeys.end()) return;
    const bool is_config = key == "scrape_config_files";
    if (value.kind == config::Node::Kind::kScalar) Found(value, true, is_config);
    if (value.kind != config::Node::Kind::kSequence) return;
    for (const config::Node& item : value.items)
      if (item.kind == config::Node::Kind::kScalar) Found(item, true, is_config);
  }

  void Found(const config::Node& value, bool is_list, bool is_config) {
    if (value.scalar.empty()) return;
    const std::filesystem::path path = host::AbsoluteIn(directory_, value.scalar);
    found_.push_back(
        {.path = path.lexically_normal(),
         .is_pattern = is_list && value.scalar.find_first_of("*?[\\") != std::string::npos,
         .is_config = is_config,
         .place = fmt::format("{}:{}", file_, value.location.line)});
  }

  const std::string file_;
  const std::string directory_;
  std::vector<ReferencedPath> found_;
};

struct Matches {
  std::vector<std::string> paths;  // regular files and dangling links
  struct Unlisted {
    std::string directory;
    int number;  // errno
  };
  std::vector<Unlisted> unlisted;
};

// The callback of glob() has no parameter for the caller's data.
thread_local Matches* matching = nullptr;

Matches Match(const std::string& pattern) {
  Matches matches;
  matching = &matches;
  const auto note = [](const char* directory, int number) {
    if (number != ENOENT && number != ENOTDIR) matching->unlisted.push_back({directory, number});
    return 0;
  };
  glob_t found{};
  const int outcome = ::glob(pattern.c_str(), GLOB_PERIOD, note, &found);
  if (outcome != 0 && outcome != GLOB_NOMATCH) matches.unlisted.push_back({pattern, ENOMEM});
  for (std::size_t i = 0; outcome == 0 && i < found.gl_pathc; ++i) {
    struct stat status {};
    const bool is_there = ::stat(found.gl_pathv[i], &status) == 0;
    if (!is_there || S_ISREG(status.st_mode)) matches.paths.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return matches;
}

}  // namespace

Result<std::vector<ReferencedPath>> FindReferencedPaths(std::string_view text,
                                                        const std::string& file) {
  HF_ASSIGN(const config::Node root, config::ParseForeignYaml(text, file));
  Search search(file);
  search.Look(root);
  return search.Take();
}

void ReferencedFiles::AddMissing(const std::string& path, const std::string& place,
                                 std::string reason, std::string remedy) {
  if (std::ranges::find(missing_, path, &Missing::what) != missing_.end()) return;
  missing_.push_back({path, fmt::format("named by {}: {}", place, reason), std::move(remedy)});
}

// Adds `path`, and if it is a symlink each link and the final target. False without a target.
bool ReferencedFiles::AddPath(const std::string& path) {
  std::string at = path;
  for (std::size_t links = 0; links < kLinksMax; ++links) {
    std::error_code error;
    const auto status = std::filesystem::symlink_status(at, error);
    if (error || status.type() == std::filesystem::file_type::not_found) return false;
    roots_.push_back(at);
    if (status.type() != std::filesystem::file_type::symlink) return true;
    const auto target = std::filesystem::read_symlink(at, error);
    if (error) return false;
    at = (std::filesystem::path(at).parent_path() / target).lexically_normal();
  }
  return false;
}

void ReferencedFiles::Add(const std::string& path, const std::string& place) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    const int number = errno;
    (void)AddPath(path);  // a dangling link
    AddMissing(path, place,
               number == ENOENT ? "it does not exist" : ErrnoError(number, "stat").message());
  } else if (!S_ISREG(status.st_mode)) {
    AddMissing(path, place, "it is not a regular file");
  } else if (!AddPath(path)) {
    AddMissing(path, place, "it disappeared");
  }
}

Result<void> ReferencedFiles::AddConfig(const std::string& path, const std::string& place) {
  HF_ASSIGN(const auto text, ReadUntrustedFile(path, config::kForeignYamlBytesMax));
  if (!text)
    return Fail(ErrorCode::kNotFound, fmt::format("configuration {} does not exist", Quote(path)),
                "name it in \"config\"");
  configs_.push_back(path);
  Add(path, place);
  HF_ASSIGN(const auto named, FindReferencedPaths(*text, path));
  for (const ReferencedPath& one : named) AddNamed(one);
  return {};
}

void ReferencedFiles::AddNamed(const ReferencedPath& named) {
  // A pattern without matches is no error for the server. A missing file usually is a mistake.
  std::vector<std::string> paths = {named.path};
  if (named.is_pattern) {
    Matches matches = Match(named.path);
    for (const Matches::Unlisted& one : matches.unlisted)
      AddMissing(one.directory, named.place, ErrnoError(one.number, "list").message(),
                 "let the agent read it");
    paths = std::move(matches.paths);
  }
  for (const std::string& path : paths) {
    if (named.is_config) {
      AddNested(path, named.place);
    } else {
      Add(path, named.place);
    }
  }
}

void ReferencedFiles::AddNested(const std::string& path, const std::string& place) {
  if (std::ranges::find(configs_, path) != configs_.end() || configs_.size() >= kConfigsMax) return;
  auto added = AddConfig(path, place);
  if (!added) AddMissing(path, place, added.error().message());
}

std::vector<std::string> ReferencedFiles::roots() const {
  std::vector<std::string> sorted = roots_;
  host::SortPaths(sorted);
  return sorted;
}

}  // namespace holdfast
