#include "agent/sources/zookeeper/survey.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

// The zxid of a newly elected leader that has no transaction yet.
bool IsEpochStart(std::int64_t zxid) { return (zxid & 0xffffffff) == 0; }

bool HasPart(const ServerAnswer& answer) {
  return answer.mode == "leader" || answer.mode == "follower" || answer.mode == "observer";
}

}  // namespace

bool Survey::is_outdated() const {
  if (answer || !silence) return false;
  const bool is_out =
      silence->code() == ErrorCode::kBusy || silence->code() == ErrorCode::kUnavailable;
  return is_out &&
         std::ranges::any_of(others, [](const auto& other) { return HasPart(other.second); });
}

std::int64_t Survey::confirmed_zxid() const {
  std::int64_t zxid = answer && !IsEpochStart(answer->zxid) ? answer->zxid : 0;
  for (const auto& [address, other] : others)
    if (!IsEpochStart(other.zxid)) zxid = std::max(zxid, other.zxid);
  return zxid;
}

std::string Survey::Health() const {
  if (!config.is_ensemble())
    return answer ? fmt::format("it is serving as {}", answer->mode) : silence->message();
  std::size_t serving = answer && HasPart(*answer) ? 1 : 0;
  for (const auto& [address, other] : others) serving += HasPart(other) ? 1 : 0;
  return fmt::format("{}; {} of {} serving",
                     answer ? "this one is " + answer->mode : silence->message(), serving,
                     FormatCount(config.members.size(), "member"));
}

std::map<std::string, std::string> Survey::Identity() const {
  std::map<std::string, std::string> identity;
  std::string ensemble;
  for (const ConfiguredMember& member : config.members)
    ensemble += fmt::format("{}{}={}", ensemble.empty() ? "" : ",", member.id, member.address);
  identity["ensemble"] = config.is_ensemble() ? ensemble : "standalone";
  if (!config.my_id.empty()) identity["member_id"] = config.my_id;
  if (answer) {
    identity["server_version"] = answer->version;
  } else if (process && !process->version.empty()) {
    identity["server_version"] = process->version;
  }
  return identity;
}

std::vector<std::map<std::string, std::string>> Survey::Members() const {
  std::vector<std::map<std::string, std::string>> members;
  const auto describe = [](const ServerAnswer& said, std::map<std::string, std::string>& member) {
    member["mode"] = said.mode;
    member["version"] = said.version;
    member["zxid"] = ZxidText(said.zxid);
    if (said.mode == "leader") member["leader"] = "true";
  };
  for (const ConfiguredMember& one : config.members) {
    auto& member = members.emplace_back();
    member = {{"id", one.id}, {"address", one.address}};
    if (one.is_observer) member["role"] = "observer";
    if (one.client) member["client_address"] = one.client->Text();
    if (one.id == config.my_id) {
      if (answer) describe(*answer, member);
      continue;
    }
    for (const auto& [address, said] : others) {
      const bool is_its = one.client ? address == *one.client : address.host == one.host;
      if (is_its) describe(said, member);
    }
  }
  if (members.empty() && answer) describe(*answer, members.emplace_back());
  return members;
}

Result<Survey> SurveyServer(const Settings& settings, const std::stop_token& stop,
                            const host::Places& places) {
  Survey survey;
  HF_ASSIGN(survey.config, ReadServerConfig(settings));
  if (auto process = FindServerProcess(settings.config, survey.config.data_dir, places))
    survey.process = *std::move(process);
  HF_TRY(CheckStop(stop));
  if (!survey.config.client) {
    survey.silence = Error(ErrorCode::kUnsupported, "its client address is not known");
  } else if (auto answer = QueryServer(*survey.config.client)) {
    survey.answer = *std::move(answer);
  } else {
    survey.silence = std::move(answer).error();
  }
  std::vector<Address> others = survey.config.OtherClients();
  if (!settings.members.empty()) {
    others.clear();
    for (const std::string& member : settings.members)
      if (auto address = ParseAddress(member)) others.push_back(*std::move(address));
  }
  for (const Address& address : others) {
    HF_TRY(CheckStop(stop));
    if (auto answer = QueryServer(address)) survey.others.emplace_back(address, *std::move(answer));
  }
  return survey;
}

std::string ZxidText(std::int64_t zxid) { return fmt::format("{:#x}", zxid); }

}  // namespace holdfast::zookeeper
