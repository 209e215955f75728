#include "agent/settings/policy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <span>
#include <utility>

#include "agent/settings/names.h"
#include "common/base/format.h"
#include "common/config/reader.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

using config::Node;
using config::OptionType;
using config::ReadContext;
using config::Schema;
using config::Values;
using trust::RestoreRight;

constexpr std::array<std::pair<std::string_view, RestoreRight>, 3> kRights = {{
    {"never", RestoreRight::kNever},
    {"staging", RestoreRight::kStaging},
    {"in-place", RestoreRight::kInPlace},
}};

Schema MakePolicySchema() {
  Schema schema;
  schema.options = {
      {.name = "restore",
       .type = OptionType::kString,
       .help = "what a plan may restore here",
       .choices = {"never", "staging", "in-place"}},
  };
  return schema;
}

Result<void> ReadRoots(const Node& root, const ReadContext& context, Policy& policy) {
  const Node* roots = root.Find("restore_roots");
  if (roots == nullptr || roots->kind == Node::Kind::kNull) return {};
  HF_TRY(config::ExpectKind(*roots, Node::Kind::kMap, "restore_roots"));
  for (std::size_t i = 0; i < roots->items.size(); ++i) {
    const Node::Key& key = roots->keys[i];
    const Node& value = roots->items[i];
    if (!IsName(key.name, false)) return BadName(key.location, "a restore root", key.name);
    HF_TRY(config::ExpectKind(value, Node::Kind::kScalar, key.name));
    auto path = config::AbsolutePath(value.scalar, context);
    if (!path) return Fail(std::move(path).error().While(value.location.Text()));
    if (value.scalar.empty() || *path == "/") {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: restore root {} is {}; expected a directory of its own",
                              value.location.Text(), Quote(key.name), Quote(value.scalar)));
    }
    policy.restore_roots.emplace(key.name, *std::move(path));
  }
  return {};
}

// Who could change what stands there: root, who runs this process, and nobody else.
Result<void> CheckOwner(const struct stat& status, const std::string& path) {
  const bool is_trusted_owner = status.st_uid == 0 || status.st_uid == geteuid();
  if (!is_trusted_owner) {
    return Fail(ErrorCode::kDenied,
                fmt::format("{} belongs to user {}, who could change the policy", Quote(path),
                            status.st_uid),
                fmt::format("chown root {}", path));
  }
  // In a sticky directory only owners replace files.
  const bool is_sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !is_sticky) {
    return Fail(
        ErrorCode::kDenied,
        fmt::format("{} can be written by others, who could change the policy", Quote(path)),
        fmt::format("chmod go-w {}", path));
  }
  return {};
}

Result<void> CheckPlace(int fd, const std::string& path) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return Fail(ErrnoError(errno, "look at " + Quote(path)));
  HF_TRY(CheckOwner(status, path));
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (stat(directory.c_str(), &status) != 0) {
    return Fail(ErrnoError(errno, "look at " + Quote(directory)));
  }
  return CheckOwner(status, directory);
}

Result<std::string> ReadText(int fd, const std::string& path) {
  Bytes bytes(config::kYamlBytesMax + 1);  // one more: too large shows
  std::size_t size = 0;
  for (std::size_t read = 1; read != 0 && size < bytes.size(); size += read) {
    HF_ASSIGN(read, ReadSome(fd, std::span(bytes).subspan(size), path));
  }
  return std::string(AsText(ByteView(bytes).first(size)));
}

}  // namespace

std::string_view RestoreRightText(RestoreRight right) {
  for (const auto& [text, value] : kRights) {
    if (value == right) return text;
  }
  return "never";
}

std::string PolicyPath(const Settings& settings) {
  return (std::filesystem::path(settings.file).parent_path() / "policy.yaml").string();
}

Result<Policy> LoadPolicy(const std::string& path) {
  std::error_code failure;
  const std::filesystem::path absolute = std::filesystem::absolute(path, failure);
  if (failure) return Fail(ErrnoError(failure.value(), "find the working directory"));
  const std::string file = absolute.lexically_normal().string();
  Result<Fd> fd = OpenFile(file, O_RDONLY);
  if (!fd && fd.error().code() == ErrorCode::kNotFound) {
    Policy none;
    none.file = file;
    return none;
  }
  if (!fd) return Fail(std::move(fd).error().While("read policy"));
  HF_TRY(CheckPlace(fd->get(), file));
  HF_ASSIGN(std::string text, ReadText(fd->get(), file));
  return ParsePolicy(text, file);
}

Result<Policy> ParsePolicy(std::string_view text, const std::string& path) {
  static const Schema schema = MakePolicySchema();
  HF_ASSIGN(Node root, config::ParseYaml(text, path));
  if (root.kind == Node::Kind::kNull) root.kind = Node::Kind::kMap;
  HF_TRY(config::ExpectKind(root, Node::Kind::kMap, "the file"));
  ReadContext context;  // without an environment: what it says is not root's word
  context.directory = std::filesystem::path(path).parent_path().string();
  HF_ASSIGN(Values values, config::ReadValues(root, schema, context, {"restore_roots"}));
  Policy policy;
  policy.file = path;
  policy.is_present = true;
  for (const auto& [word, right] : kRights) {
    if (values.Text("restore") == word) policy.restore = right;
  }
  HF_TRY(ReadRoots(root, context, policy));
  if (policy.restore == RestoreRight::kStaging && policy.restore_roots.empty()) {
    return values.Invalid("restore",
                          "\"restore\" is \"staging\" and there are no \"restore_roots\"; expected "
                          "at least one, e.g. {staging: /var/lib/holdfast/restore}");
  }
  return policy;
}

ConfiguredPolicy::ConfiguredPolicy(const Settings& settings, const Policy& policy)
    : policy_(policy) {
  for (const SourceSettings& source : settings.sources) {
    repository_of_.emplace(source.label(), source.repository);
  }
  for (const RepositorySettings& repository : settings.repositories) {
    repositories_.insert(repository.name);
  }
}

std::optional<std::string> ConfiguredPolicy::RepositoryOf(std::string_view source) const {
  auto found = repository_of_.find(source);
  if (found == repository_of_.end()) return std::nullopt;
  return found->second;
}

bool ConfiguredPolicy::HasRepository(std::string_view repository) const {
  return repositories_.contains(repository);
}

bool ConfiguredPolicy::HasRestoreRoot(std::string_view root) const {
  return policy_.restore_roots.contains(root);
}

}  // namespace holdfast
