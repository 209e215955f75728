#include "agent/sources/etcd/database_facts.h"

#include <algorithm>
#include <charconv>

#include "common/base/format.h"
#include "common/base/json.h"

namespace holdfast::etcd {
namespace {

std::uint64_t BigEndian(ByteView bytes) {
  std::uint64_t value = 0;
  for (std::uint8_t byte : bytes.first(std::min<std::size_t>(bytes.size(), 8)))
    value = value << 8 | byte;
  return value;
}

// Parses a revision key: main (8 bytes), '_', sub (8 bytes), and 't' for tombstones.
Result<std::uint64_t> MainRevision(ByteView key) {
  if (key.size() < 17 || key[8] != '_')
    return Fail(ErrorCode::kCorrupt, "the database file is damaged: a key is not a revision");
  return BigEndian(key);
}

// A number or revision in the bucket `meta`; 0 if absent.
Result<std::uint64_t> MetaNumber(const BoltFile& file, std::string_view name) {
  HF_ASSIGN(auto value, file.Get("meta", name));
  return value && value->size() >= 8 ? BigEndian(*value) : 0;
}

std::vector<std::string> TextList(const nlohmann::json& value, const char* name) {
  std::vector<std::string> texts;
  auto found = value.find(name);
  if (found == value.end() || !found->is_array()) return texts;
  for (const nlohmann::json& text : *found)
    if (text.is_string()) texts.push_back(text.get<std::string>());
  return texts;
}

Result<MemberEntry> ParseMember(ByteView key, ByteView json) {
  auto value = ParseJson(AsText(json));
  if (!value.is_object())
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the database file is damaged: member {} is not described",
                            Quote(AsText(key))));
  MemberEntry member;
  std::string_view id = AsText(key);
  (void)std::from_chars(id.data(), id.data() + id.size(), member.id, 16);  // 0 if malformed
  if (auto name = value.find("name"); name != value.end() && name->is_string())
    member.name = name->get<std::string>();
  member.peer_urls = TextList(value, "peerURLs");
  member.client_urls = TextList(value, "clientURLs");
  if (auto learner = value.find("isLearner"); learner != value.end() && learner->is_boolean())
    member.is_learner = learner->get<bool>();
  return member;
}

Result<std::uint64_t> CountEntries(const BoltFile& file, std::string_view bucket) {
  std::uint64_t count = 0;
  HF_TRY(file.ForEach(bucket, [&](ByteView, ByteView) -> Result<bool> {
    ++count;
    return true;
  }));
  return count;
}

}  // namespace

Result<DatabaseFacts> ReadDatabaseFacts(const BoltFile& file) {
  DatabaseFacts facts;
  HF_ASSIGN(auto last_key, file.LastKey("key"));
  if (last_key) {
    HF_ASSIGN(facts.revision, MainRevision(*last_key));
  }
  HF_ASSIGN(facts.compacted_revision, MetaNumber(file, "finishedCompactRev"));
  HF_ASSIGN(std::uint64_t scheduled, MetaNumber(file, "scheduledCompactRev"));
  // Compaction may have removed the newest keys; the store continues after the compacted revision.
  facts.revision = std::max({facts.revision, facts.compacted_revision, scheduled});
  HF_ASSIGN(facts.raft_index, MetaNumber(file, "consistent_index"));
  HF_ASSIGN(facts.raft_term, MetaNumber(file, "term"));
  HF_TRY(file.ForEach("members", [&](ByteView key, ByteView value) -> Result<bool> {
    HF_ASSIGN(MemberEntry member, ParseMember(key, value));
    facts.members.push_back(std::move(member));
    return true;
  }));
  HF_TRY(file.ForEach("alarm", [&](ByteView key, ByteView) -> Result<bool> {
    HF_ASSIGN(AlarmEntry alarm, DecodeAlarm(key));
    facts.alarms.push_back(alarm);
    return true;
  }));
  HF_ASSIGN(auto cluster_version, file.Get("cluster", "clusterVersion"));
  if (cluster_version) facts.cluster_version = AsText(*cluster_version);
  HF_ASSIGN(auto storage_version, file.Get("meta", "storageVersion"));
  if (storage_version) facts.storage_version = AsText(*storage_version);
  HF_ASSIGN(auto auth, file.Get("auth", "authEnabled"));
  facts.is_auth_enabled = auth && !auth->empty() && auth->front() == 1;
  HF_ASSIGN(facts.users, CountEntries(file, "authUsers"));
  HF_ASSIGN(facts.roles, CountEntries(file, "authRoles"));
  HF_ASSIGN(facts.leases, CountEntries(file, "lease"));
  return facts;
}

}  // namespace holdfast::etcd
