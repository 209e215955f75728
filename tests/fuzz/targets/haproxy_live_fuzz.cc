// Answers of a running HAProxy's runtime API, and the files that they are compared with.
#include <algorithm>

#include "agent/sources/haproxy/parse_live_texts.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(haproxy_live) {
  using namespace holdfast;
  const std::string_view text = AsText(input);
  const auto is_line = [](std::string_view part) { return part.find('\n') == part.npos; };
  const auto info = haproxy::ParseInfo(text);
  for (const auto& [name, value] : info) FUZZ_REQUIRE(!name.empty() && is_line(name + value));
  const auto workers = haproxy::ParseWorkers(text);
  if (workers) FUZZ_REQUIRE(std::ranges::all_of(*workers, [](pid_t pid) { return pid > 0; }));
  const auto sets = haproxy::ParsePatternSets(text);
  for (const haproxy::PatternSet& set : sets) {
    FUZZ_REQUIRE(is_line(set.file + set.place));
    const auto place = haproxy::ParseListPlace(set.place);
    FUZZ_REQUIRE(!place || place->line >= 0);
  }
  const auto entry = haproxy::PatternOf(text);
  FUZZ_REQUIRE(!entry || text.ends_with(*entry));
  const auto row = haproxy::RowOf(text);
  FUZZ_REQUIRE(!row || (text.ends_with(*row) && row->starts_with("key=")));
  FUZZ_REQUIRE(!row || !entry);
  const auto parsed = haproxy::ParseRow(row ? *row : text);
  if (parsed) {
    FUZZ_REQUIRE(parsed->key.size() <= text.size());
    const auto word = haproxy::EncodeCommandWord(parsed->key);
    FUZZ_REQUIRE(!word || is_line(*word));
  }
  // A loaded pattern loads as itself again.
  const auto acl = haproxy::LoadedPattern(text, false);
  FUZZ_REQUIRE(!acl || is_line(*acl));
  const auto map = haproxy::LoadedPattern(text, true);
  FUZZ_REQUIRE(map.has_value() == acl.has_value());
  if (map && !map->starts_with('#')) FUZZ_REQUIRE(haproxy::LoadedPattern(*map, true) == map);
  const auto tables = haproxy::ParseTableHeads(text);
  for (const haproxy::TableHead& head : tables)
    FUZZ_REQUIRE(!head.name.empty() && is_line(head.name + head.type));
  const auto servers = haproxy::ParseServerStates(text);
  if (servers)
    for (const haproxy::ServerState& server : *servers)
      FUZZ_REQUIRE(!server.name.empty() && is_line(server.name + server.backend));
  const haproxy::LiveCertificate certificate = haproxy::ParseCertificate(text);
  const auto files = haproxy::ParseCertificateFiles(text);
  for (const std::string& file : files) FUZZ_REQUIRE(!file.empty() && is_line(file));
  const std::string sum = haproxy::FingerprintOfPem(text);
  FUZZ_REQUIRE(sum.empty() || sum.size() == 40);
  return !info.empty() || workers || !sets.empty() || entry || row || !tables.empty() || servers ||
         !sum.empty() || !certificate.file.empty();
}
