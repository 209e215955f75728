#include "common/config/config_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::config {
namespace {

// Variables with other purposes. They override no setting and are not typing errors.
constexpr std::array<std::string_view, 6> kOtherVariables = {
    "HOLDFAST_AGENT_CONFIG", "HOLDFAST_CONFIG",      "HOLDFAST_CONTROLLER_CONFIG",
    "HOLDFAST_CONTROLLER",   "HOLDFAST_CRASH_POINT", "HOLDFAST_TEST_"};

}  // namespace

Result<ConfigFile> LoadConfigFile(const std::string& path) {
  std::error_code failure;
  const std::filesystem::path absolute = std::filesystem::absolute(path, failure);
  if (failure) return Fail(ErrnoError(failure.value(), "find the working directory"));
  Result<Bytes> bytes = ReadWholeFile(path, kYamlBytesMax);
  if (!bytes) {
    if (bytes.error().code() == ErrorCode::kNotFound) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("configuration {} does not exist", Quote(path)),
                  "name the configuration with --config FILE");
    }
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("read the configuration: {}", bytes.error().message()),
        bytes.error().code() == ErrorCode::kDenied
            ? "run this as root or as the service's user, or name another with --config FILE"
            : bytes.error().hint());
  }
  return ParseConfigFile(AsText(*bytes), absolute.lexically_normal().string());
}

Result<ConfigFile> ParseConfigFile(std::string_view text, const std::string& path) {
  HF_ASSIGN(Node root, ParseYaml(text, path));
  if (root.kind == Node::Kind::kNull) root.kind = Node::Kind::kMap;
  HF_TRY(ExpectKind(root, Node::Kind::kMap, "the file"));
  return ConfigFile{path, std::move(root)};
}

Environment EnvironmentOfThisProcess() {
  Environment environment;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

std::vector<std::string> WarnOfUnusedVariables(const Environment& environment,
                                               const std::set<std::string>& used) {
  std::vector<std::string> warnings;
  for (auto entry = environment.lower_bound("HOLDFAST_");
       entry != environment.end() && entry->first.starts_with("HOLDFAST_"); ++entry) {
    const std::string& name = entry->first;
    const bool is_other = std::ranges::any_of(kOtherVariables, [&](std::string_view other) {
      return other.ends_with('_') ? name.starts_with(other) : name == other;
    });
    if (is_other || used.contains(name)) continue;
    warnings.push_back(fmt::format("environment variable {} overrides no setting", Quote(name)));
  }
  return warnings;
}

}  // namespace holdfast::config
