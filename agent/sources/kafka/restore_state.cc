#include "agent/sources/kafka/restore_state.h"

#include <unistd.h>

#include "common/base/format.h"
#include "common/base/json.h"
#include "common/crypto/sha256.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::kafka {
namespace {

using Json = nlohmann::ordered_json;
using Stage = RestoreState::Stage;

constexpr std::string_view kStages[] = {"planned", "ours", "spoilt"};
constexpr std::size_t kStateBytesMax = 256U << 20;

std::unexpected<Error> Malformed() {
  return Fail(ErrorCode::kCorrupt, "it is malformed",
              "remove it; a new restore then does not recognise what the former one wrote");
}

}  // namespace

std::string EncodeRestoreState(const RestoreState& state) {
  Json json = {
      {"format_version", 1},     {"written", state.is_written}, {"configured", state.is_configured},
      {"groups", Json::array()}, {"offsets", Json::array()},    {"things", Json::object()}};
  for (const std::string& group : state.groups) json["groups"].push_back(HexEncode(AsBytes(group)));
  for (const auto& [partition, offsets] : state.offsets)
    json["offsets"].push_back(
        {partition.topic, partition.partition, std::vector(offsets.begin(), offsets.end())});
  for (const auto& [name, target] : state.targets) {
    Json entry = {{"stage", kStages[static_cast<std::size_t>(target.stage)]}};
    if (target.existed) entry["had"] = target.previous_configs;
    if (target.end != 0) entry["end"] = target.end;
    json["things"][name] = std::move(entry);
  }
  return DumpJson(json, 1) + "\n";
}

Result<RestoreState> DecodeRestoreState(std::string_view text) {
  const Json json = ParseOrderedJson(text);
  try {
    if (json.at("format_version") != 1) return Malformed();
    RestoreState state;
    state.is_written = json.at("written").get<bool>();
    state.is_configured = json.at("configured").get<bool>();
    for (const Json& entry : json.at("groups")) {
      HF_ASSIGN(const Bytes name, HexDecode(entry.get<std::string>()));
      state.groups.emplace(AsText(name));
    }
    for (const Json& entry : json.at("offsets")) {
      auto& offsets = state.offsets[{entry.at(0).get<std::string>(), entry.at(1).get<int>()}];
      for (const Json& pair : entry.at(2))
        offsets.emplace(pair.at(0).get<std::int64_t>(), pair.at(1).get<std::int64_t>());
    }
    for (const auto& [name, entry] : json.at("things").items()) {
      RestoreState::Target& target = state.targets[name];
      const auto stage = std::ranges::find(kStages, entry.at("stage").get<std::string>());
      if (stage == std::end(kStages)) return Malformed();
      target.stage = static_cast<Stage>(stage - std::begin(kStages));
      target.existed = entry.contains("had");
      if (target.existed) target.previous_configs = entry.at("had").get<Configs>();
      target.end = entry.value("end", std::int64_t{0});
    }
    return state;
  } catch (const Json::exception&) {
    return Malformed();
  }
}

Result<RestoreStateFile> RestoreStateFile::Open(const std::string& directory,
                                                const std::string& what, Use use) {
  RestoreStateFile file;
  if (directory.empty()) return file;
  const std::string name = HexEncode(crypto::Sha256Of(AsBytes(what))).substr(0, 16);
  file.path_ = fmt::format("{}/restore-{}.json", directory, name);
  if (use == Use::kRestore) {
    HF_TRY(MakeDirectories(directory, 0700));
    auto lock = FileLock::Acquire(fmt::format("{}/restore-{}.lock", directory, name),
                                  fmt::format("holdfast-agent restore, pid {}", ::getpid()));
    if (!lock) return Fail(std::move(lock).error().While("the same restore is running"));
    file.lock_ = *std::move(lock);
  }
  const auto content = ReadWholeFile(file.path_, kStateBytesMax);
  if (!content && content.error().code() == ErrorCode::kNotFound) return file;
  if (!content) return Fail(content.error());
  auto state = DecodeRestoreState(AsText(*content));
  if (!state) return Fail(std::move(state).error().While(Quote(file.path_)));
  file.found_ = *std::move(state);
  return file;
}

Result<void> RestoreStateFile::Save(const RestoreState& state) {
  if (!is_kept()) return {};
  HF_CHECK(lock_.has_value());
  return WriteFileAtomic(path_, AsBytes(EncodeRestoreState(state)), 0600);
}

Result<void> RestoreStateFile::Remove() {
  if (!is_kept() || ::unlink(path_.c_str()) == 0 || errno == ENOENT) return {};
  return Fail(ErrnoError(errno, "remove " + Quote(path_)));
}

}  // namespace holdfast::kafka
