#include "agent/sources/alertmanager/survey.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/base/format.h"
#include "common/base/json.h"

namespace holdfast::alertmanager {
namespace {

using Json = nlohmann::json;

std::string TextIn(const Json& object, const char* name) {
  if (!object.is_object()) return "";
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& ObjectIn(const Json& object, const char* name) {
  static const Json kNothing = Json::object();
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? *found : kNothing;
}

Result<void> AskStatus(Member& member, const HttpAccess& access, const std::stop_token& stop) {
  HF_ASSIGN(member.api, HttpApi::Open(member.endpoint, access));
  HF_ASSIGN(const std::string text, member.api->Get("/api/v2/status", stop));
  auto status = ParseStatus(text);
  if (!status) return Fail(std::move(status).error().While(Quote(member.endpoint)));
  member.status = *std::move(status);
  return {};
}

Result<void> AskOne(Member& member, const std::stop_token& stop) {
  HF_ASSIGN(const std::string text, member.api->Get("/api/v2/silences", stop));
  auto silences = ParseSilences(text);
  if (!silences) return Fail(std::move(silences).error().While(Quote(member.endpoint)));
  member.silences = *std::move(silences);
  return {};
}

}  // namespace

Result<Status> ParseStatus(std::string_view text) {
  const Json json = ParseJson(text);
  const std::string version =
      json.is_object() ? TextIn(ObjectIn(json, "versionInfo"), "version") : std::string();
  if (version.empty())
    return Fail(ErrorCode::kCorrupt, "not the status of an Alertmanager: it has no version",
                "check that the URL is that of an Alertmanager 0.16 or newer, and not of a proxy");
  Status status;
  status.version = version;
  const Json& cluster = ObjectIn(json, "cluster");
  status.cluster_status = TextIn(cluster, "status");
  const auto peers = cluster.find("peers");
  if (peers != cluster.end() && peers->is_array())
    for (const Json& peer : *peers)
      status.peers.push_back({.name = TextIn(peer, "name"), .address = TextIn(peer, "address")});
  std::ranges::sort(status.peers, {}, &Status::Peer::name);
  status.json = DumpJson(json, 1) + "\n";
  return status;
}

Result<std::vector<Member>> SurveyMembers(const Settings& settings, std::stop_token stop) {
  HF_ASSIGN(const HttpAccess access, OpenHttpAccess(settings));
  std::vector<Member> members;
  for (const std::string& endpoint : settings.endpoints) {
    Member& member = members.emplace_back();
    member.endpoint = endpoint;
    auto asked = AskStatus(member, access, stop);
    if (asked) continue;
    if (asked.error().code() == ErrorCode::kCancelled) return Fail(std::move(asked).error());
    member.failure = std::move(asked).error();
  }
  return members;
}

Result<void> QuerySilences(std::vector<Member>& members, const std::stop_token& stop) {
  for (Member& member : members) {
    if (member.failure) continue;
    auto asked = AskOne(member, stop);
    if (asked) continue;
    if (asked.error().code() == ErrorCode::kCancelled) return Fail(std::move(asked).error());
    member.failure = std::move(asked).error();
  }
  return {};
}

std::vector<Silence> MergeSilences(const std::vector<Member>& members) {
  std::map<std::string, const Silence*> newest;
  for (const Member& member : members) {
    if (member.failure) continue;
    for (const Silence& silence : member.silences) {
      const Silence*& known = newest[silence.id];
      if (known == nullptr || known->updated < silence.updated) known = &silence;
    }
  }
  std::vector<Silence> silences;
  silences.reserve(newest.size());
  for (const auto& [id, silence] : newest) silences.push_back(*silence);
  return silences;
}

std::vector<std::string> Disagreements(const std::vector<Member>& members) {
  std::vector<std::string> differences;
  const std::vector<Silence> merged = MergeSilences(members);
  for (const Member& member : members) {
    if (member.failure) continue;
    std::map<std::string, UnixTime> known;
    for (const Silence& silence : member.silences) known[silence.id] = silence.updated;
    std::size_t lacking = 0;
    std::size_t older = 0;
    for (const Silence& silence : merged) {
      const auto found = known.find(silence.id);
      const bool is_expired = silence.state == "expired";
      if (found == known.end()) {
        lacking += is_expired ? 0 : 1;
      } else if (found->second < silence.updated) {
        ++older;
      }
    }
    if (lacking == 0 && older == 0) continue;
    differences.push_back(fmt::format("{} differs from its peers: missing here: {}, older here: {}",
                                      Quote(member.endpoint), FormatCount(lacking, "silence"),
                                      older));
  }
  return differences;
}

}  // namespace holdfast::alertmanager
