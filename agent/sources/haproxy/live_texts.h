// What HAProxy says of itself on its runtime API, and the files that it has in memory, as texts.
//
// Source: HAProxy management guide 2.6, section 9.3 (commands) and 9.4 (master CLI), and
// what 2.6.12 answered. Whoever runs HAProxy writes all of this, and the agent may have more rights
// than he: nothing here believes a number or a size. Parsing never fails as a whole unless it says
// so; what is not of the form is left out.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.h"

namespace holdfast::haproxy {

// `show info`: "Name: value" lines.
std::map<std::string, std::string> ParseInfo(std::string_view text);

// `show proc` of the master: its current workers, without those that only finish. Nullopt where the
// answer is no such list, so that it is not the master's.
std::optional<std::vector<pid_t>> ParseWorkers(std::string_view text);

// A map or an ACL, of `show map` or `show acl`.
struct PatternSet {
  std::uint64_t id = 0;
  std::string file;   // as the configuration names it; empty: it stands in the configuration
  std::string place;  // "map at file 'h.cfg' line 27", which tells those without a file apart
  bool operator==(const PatternSet&) const = default;
};
std::vector<PatternSet> ParsePatternSets(std::string_view text);

// "acl 'hdr' file 'h.cfg' line 23", of PatternSet::place.
struct ListPlace {
  std::string criterion;
  std::string file;
  int line = 0;
  bool operator==(const ListPlace&) const = default;
};
std::optional<ListPlace> ParseListPlace(std::string_view place);

// "a 1" of "0x564eb6e46f00 a 1", as `show map` and `show acl` list entries; nullopt for what is
// none.
std::optional<std::string_view> PatternOf(std::string_view line);
// The same of a line of the file behind it, as HAProxy loads it: one blank between key and value of
// a map, none around. Nullopt for a line that it leaves out.
std::optional<std::string> LoadedPattern(std::string_view line, bool is_map);

// "# table: st_src, type: ip, size:1048576, used:1"
struct TableHead {
  std::string name;
  std::string type;
  std::uint64_t size = 0;
  std::uint64_t used = 0;
  bool operator==(const TableHead&) const = default;
};
std::optional<TableHead> ParseTableHead(std::string_view line);
std::vector<TableHead> ParseTableHeads(std::string_view text);
// "key=::1 use=0 exp=3599736 gpc0=2" of a row that begins with an address in memory; nullopt for
// what is no row.
std::optional<std::string_view> RowOf(std::string_view line);

// Such a row, taken apart.
struct TableRow {
  std::string key;                                          // its own bytes
  std::vector<std::pair<std::string, std::string>> fields;  // "use", "exp" and what is stored
  bool operator==(const TableRow&) const = default;
};
std::optional<TableRow> ParseRow(std::string_view row);
// Whether a field may be set again: a plain number that is not HAProxy's own, and no rate, which is
// of the last seconds only.
bool IsStored(std::string_view field, std::string_view value);
// `text` as one word of a command; nullopt where no command can hold it.
std::optional<std::string> EncodeCommandWord(std::string_view text);

// A row of `show servers state`, as far as we look at it.
struct ServerState {
  std::string backend;
  std::string name;
  std::string address = {};  // "-" for none
  std::string port = {};
  std::uint64_t admin_state = 0;  // bits
  std::uint64_t weight = 0;
  std::uint64_t initial_weight = 0;
  bool operator==(const ServerState&) const = default;

  bool IsInMaintenance() const { return (admin_state & 0x01U) != 0; }
  bool IsDisabledByConfiguration() const { return (admin_state & 0x04U) != 0; }
  bool IsDrained() const { return (admin_state & 0x08U) != 0; }
};
// By the names of columns that the second line has. Nullopt where the text is of another version
// of the format than 1.
std::optional<std::vector<ServerState>> ParseServerStates(std::string_view text);

// `show ssl cert FILE`.
struct LiveCertificate {
  std::string file;
  std::string sha1;  // upper-case hexadecimal; empty: not told, e.g. of an empty one
  std::string serial;
  std::string not_after;
  std::string subject;
  std::string status;
  bool operator==(const LiveCertificate&) const = default;
};
LiveCertificate ParseCertificate(std::string_view text);
// File names of `show ssl cert`, without transactions that are not committed.
std::vector<std::string> ParseCertificateFiles(std::string_view text);

// SHA-1 of the first certificate of a PEM file, as HAProxy shows it; empty where it has none.
std::string FingerprintOfPem(std::string_view pem);

}  // namespace holdfast::haproxy
