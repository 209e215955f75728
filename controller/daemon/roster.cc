#include "controller/daemon/roster.h"

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "common/base/format.h"
#include "common/base/number.h"
#include "common/crypto/sha256.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/trust/orders.h"
#include "common/trust/root_document.h"

namespace holdfast::controller {
namespace {

constexpr std::string_view kAgentExtension = ".agent";
constexpr std::string_view kRootExtension = ".holdfast";
constexpr std::size_t kAgentBytesMax = 4096;
constexpr std::string_view kHashWord = "sha256 ";

// The files of a directory with this extension, by their names without it.
Result<std::map<std::string, std::string>> FilesIn(const std::string& directory,
                                                   std::string_view extension) {
  std::map<std::string, std::string> files;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(directory, failure)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(extension)) continue;  // half-written, left by a crash
    files[name.substr(0, name.size() - extension.size())] = entry.path().string();
  }
  if (failure) return Fail(ErrnoError(failure.value(), "list " + Quote(directory)));
  return files;
}

std::string HashLine(std::string_view text) {
  return fmt::format("{}{}\n", kHashWord, HexEncode(crypto::Sha256Of(AsBytes(text))));
}

// Removes the next line "word VALUE" and returns the value; nullopt if it is another line.
std::optional<std::string_view> TakeLine(std::string_view& text, std::string_view word) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(word) || end <= word.size() ||
      text[word.size()] != ' ') {
    return std::nullopt;
  }
  const std::string_view value = text.substr(word.size() + 1, end - word.size() - 1);
  text.remove_prefix(end + 1);
  return value;
}

Bytes KeyOf(std::optional<std::string_view> text) {
  Result<Bytes> key = HexDecode(text.value_or(""));
  return key && key->size() == 32 ? *std::move(key) : Bytes{};
}

AuditEntry Entry(WallTime now, std::string type, std::string subject,
                 std::map<std::string, std::string> facts, Bytes evidence = {}) {
  return {.time_ms = trust::UnixMilliseconds(now),
          .type = std::move(type),
          .actor = "controller",
          .subject = std::move(subject),
          .run = {},
          .facts = std::move(facts),
          .evidence = std::move(evidence)};
}

}  // namespace

Result<Roster> Roster::Open(const std::string& state_dir, const std::string& cluster_id) {
  Roster roster(state_dir, cluster_id);
  HF_TRY(MakeDirectories(state_dir + "/agents", 0700));
  HF_TRY(MakeDirectories(state_dir + "/roots", 0700));
  HF_TRY(SyncDirectory(state_dir));
  HF_TRY(roster.ReadAgents());
  HF_TRY(roster.ReadRoots());
  return roster;
}

Result<void> Roster::ReadAgents() {
  HF_ASSIGN(const auto files, FilesIn(state_dir_ + "/agents", kAgentExtension));
  for (const auto& [node, path] : files) {
    const Result<Bytes> bytes = ReadWholeFile(path, kAgentBytesMax);
    const bool is_too_long = !bytes && bytes.error().code() == ErrorCode::kInvalidArgument;
    if (!bytes && !is_too_long) return Fail(bytes.error());
    Result<Member> member = Parse(node, is_too_long ? std::string_view() : AsText(*bytes));
    if (member) {
      members_[node] = *std::move(member);
    } else if (member.error().code() == ErrorCode::kCorrupt) {
      warnings_.push_back(
          fmt::format("{} is damaged; if the catalog does not know {}, let it join "
                      "again",
                      Quote(path), Quote(node)));
    } else {
      return Fail(std::move(member).error().While(Quote(path)));
    }
  }
  return {};
}

Result<void> Roster::ReadRoots() {
  HF_ASSIGN(const auto files, FilesIn(state_dir_ + "/roots", kRootExtension));
  for (const auto& [name, path] : files) {
    HF_ASSIGN(Bytes bytes, ReadWholeFile(path));
    const Result<trust::RootDocument> root = trust::RootDocument::Load(bytes);
    if (!root || std::to_string(root->version()) != name) {
      warnings_.push_back(fmt::format("{} is not root document {}: {}", Quote(path), name,
                                      root ? "it has another version" : root.error().message()));
    } else if (root->cluster_id() != cluster_id_) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is of cluster {}, and not of {}", Quote(path), root->cluster_id(),
                              cluster_id_),
                  "give this controller the files of its cluster");
    } else {
      roots_[root->version()] = std::move(bytes);
    }
  }
  return {};
}

// --- what a catalog is missing

Result<std::vector<Change>> Roster::MissingFrom(const Loaded& known, WallTime now) const {
  std::vector<Change> changes;
  HF_TRY(AddRoots(known, now, changes));
  std::map<std::string, const AgentRecord*> agents;
  for (const AgentRecord& agent : known.agents) agents[agent.node] = &agent;
  for (const auto& [node, member] : members_) {
    const auto found = agents.find(node);
    AgentRecord agent = found == agents.end() ? AgentRecord{.node = node} : *found->second;
    const bool is_later = member.incarnation > agent.incarnation;
    const bool is_revoked = member.incarnation == agent.incarnation && member.revoked;
    if (!is_later && (!is_revoked || agent.revoked)) continue;
    if (is_later) {
      agent = {.node = node,
               .incarnation = member.incarnation,
               .signing_key = member.signing_key,
               .curve_key = member.curve_key,
               .joined_ms = member.joined_ms,
               .plan_sequence = agent.plan_sequence};
    }
    agent.revoked = member.revoked;
    // The outcome of what the former agent received will never be known.
    for (TaskRecord task : known.tasks) {
      if (task.node != node || IsFinal(task.state) || task.state == TaskState::kSaved) continue;
      task.state = TaskState::kFailed;
      task.ended_ms = trust::UnixMilliseconds(now);
      task.error = TaskError{
          .code = "denied",
          .message = member.revoked ? "the node's agent was revoked" : "the node has joined again"};
      changes.emplace_back(std::move(task));
    }
    changes.emplace_back(Entry(now, "agent.recovered", node,
                               {{"incarnation", std::to_string(agent.incarnation)},
                                {"signing_key", HexEncode(agent.signing_key)},
                                {"revoked", agent.revoked ? "true" : "false"}}));
    changes.emplace_back(std::move(agent));
  }
  return changes;
}

Result<void> Roster::AddRoots(const Loaded& known, WallTime now,
                              std::vector<Change>& changes) const {
  HF_CHECK(known.cluster.has_value());
  ClusterRecord cluster = *known.cluster;
  std::map<std::uint64_t, const Bytes*> have;
  for (const RootRecord& root : known.roots) have[root.version] = &root.envelope;
  // Later versions: each is verified by the previous one.
  HF_ASSIGN(trust::RootDocument root, trust::RootDocument::Load(cluster.root));
  for (auto next = roots_.find(root.version() + 1); next != roots_.end();
       next = roots_.find(root.version() + 1)) {
    Result<trust::RootDocument> newest = root.VerifyNext(next->second, now);
    if (!newest) {
      return Fail(std::move(newest).error().While(
          fmt::format("root document {} in {}", next->first, Quote(state_dir_ + "/roots"))));
    }
    cluster.root_version = newest->version();
    cluster.epoch = std::max(cluster.epoch, newest->epoch());
    cluster.root = newest->envelope();
    changes.emplace_back(RootRecord{newest->version(), newest->envelope()});
    changes.emplace_back(Entry(now, "trust.changed", cluster.cluster,
                               {{"root_version", std::to_string(newest->version())}},
                               newest->envelope()));
    root = *std::move(newest);
  }
  if (cluster != *known.cluster) changes.emplace_back(cluster);
  // Earlier versions: each must verify its successor.
  if (have.empty()) return {};
  Bytes later = *have.begin()->second;
  bool is_first = true;
  for (std::uint64_t version = have.begin()->first - 1; version > 0; --version) {
    const auto found = roots_.find(version);
    if (found == roots_.end()) break;
    HF_ASSIGN(const trust::RootDocument earlier, trust::RootDocument::Load(found->second));
    if (!earlier.VerifyNext(later, now)) break;
    if (std::exchange(is_first, false)) {
      changes.emplace_back(Entry(now, "trust.recovered", cluster.cluster,
                                 {{"root_version", std::to_string(version)}}));
    }
    changes.emplace_back(RootRecord{version, found->second});
    later = found->second;
  }
  return {};
}

// --- keeping

Result<void> Roster::Keep(const Loaded& known) {
  for (const RootRecord& root : known.roots) HF_TRY(Keep(root));
  for (const AgentRecord& agent : known.agents) HF_TRY(Keep(agent));
  return {};
}

Result<void> Roster::Keep(std::span<const Change> changes) {
  for (const Change& change : changes) {
    if (const auto* root = std::get_if<RootRecord>(&change)) HF_TRY(Keep(*root));
    if (const auto* agent = std::get_if<AgentRecord>(&change)) HF_TRY(Keep(*agent));
  }
  return {};
}

Result<void> Roster::Keep(const AgentRecord& agent) {
  Member member = MemberOf(agent);
  const auto found = members_.find(agent.node);
  if (found != members_.end() && found->second == member) return {};
  HF_TRY(WriteFileAtomic(PathOf(agent.node), AsBytes(TextOf(agent.node, member)), 0600));
  members_[agent.node] = std::move(member);
  return {};
}

Result<void> Roster::Keep(const RootRecord& root) {
  const auto found = roots_.find(root.version);
  if (found != roots_.end() && found->second == root.envelope) return {};
  HF_TRY(WriteFileAtomic(fmt::format("{}/roots/{}{}", state_dir_, root.version, kRootExtension),
                         root.envelope, 0600));
  roots_[root.version] = root.envelope;
  return {};
}

// The core accepts only node names that are valid file names.
std::string Roster::PathOf(const std::string& node) const {
  HF_CHECK(!node.empty() && node.find('/') == std::string::npos);
  return fmt::format("{}/agents/{}{}", state_dir_, node, kAgentExtension);
}

Roster::Member Roster::MemberOf(const AgentRecord& agent) {
  return {agent.incarnation, agent.signing_key, agent.curve_key, agent.joined_ms, agent.revoked};
}

std::string Roster::TextOf(const std::string& node, const Member& member) const {
  const std::string text = fmt::format(
      "cluster {}\nnode {}\nincarnation {}\nsigning_key {}\ncurve_key {}\njoined_ms {}\nstate "
      "{}\n",
      cluster_id_, node, member.incarnation, HexEncode(member.signing_key),
      HexEncode(member.curve_key), member.joined_ms, member.revoked ? "revoked" : "joined");
  return text + HashLine(text);
}

Result<Roster::Member> Roster::Parse(const std::string& node, std::string_view text) const {
  const std::size_t hash = text.rfind(kHashWord);
  const bool is_whole =
      hash != std::string_view::npos && text.substr(hash) == HashLine(text.substr(0, hash));
  if (!is_whole) return Fail(ErrorCode::kCorrupt, "it is malformed");
  const std::optional<std::string_view> cluster = TakeLine(text, "cluster");
  if (cluster && *cluster != cluster_id_) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("of cluster {}, and not of {}", *cluster, cluster_id_),
                "give this controller the files of its cluster");
  }
  const bool is_of_node = TakeLine(text, "node") == node;
  const auto incarnation = ParseWhole<std::uint64_t>(TakeLine(text, "incarnation").value_or(""));
  Member member;
  member.signing_key = KeyOf(TakeLine(text, "signing_key"));
  member.curve_key = KeyOf(TakeLine(text, "curve_key"));
  const auto joined_ms = ParseWhole<std::int64_t>(TakeLine(text, "joined_ms").value_or(""));
  const std::string_view state = TakeLine(text, "state").value_or("");
  if (!cluster || !is_of_node || !incarnation || !joined_ms || member.signing_key.empty() ||
      member.curve_key.empty() || (state != "joined" && state != "revoked")) {
    return Fail(ErrorCode::kCorrupt, "it is malformed");
  }
  member.incarnation = *incarnation;
  member.joined_ms = *joined_ms;
  member.revoked = state == "revoked";
  return member;
}

}  // namespace holdfast::controller
