// Parses what HAProxy prints on its runtime API, and files that it loads into memory.
//
// Source: HAProxy management guide 2.6, section 9.3 (commands) and 9.4 (master CLI), and answers of
// 2.6.12. This is untrusted input: the agent may have more rights than HAProxy's user, so no number
// or size is believed. Malformed parts are skipped. A function fails as a whole only if its comment
// says so.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.h"

namespace holdfast::haproxy {

// Size limits of answers: for lists of names, and for `show servers state`.
inline constexpr std::size_t kListBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kStateBytesMax = std::size_t{64} << 20;

// `show info`: "Name: value" lines.
std::map<std::string, std::string> ParseInfo(std::string_view text);

// `show proc` of the master: its current workers, without those that only finish old connections.
// Nullopt if the answer is not such a list, so not the master's.
std::optional<std::vector<pid_t>> ParseWorkers(std::string_view text);

// A map or an ACL in `show map` or `show acl`.
struct PatternSet {
  std::uint64_t id = 0;
  std::string file;   // as the configuration names it; empty for an inline list
  std::string place;  // "map at file 'h.cfg' line 27", which distinguishes those without a file
  bool operator==(const PatternSet&) const = default;
};
std::vector<PatternSet> ParsePatternSets(std::string_view text);

// A parsed PatternSet::place, such as "acl 'hdr' file 'h.cfg' line 23".
struct ListPlace {
  std::string criterion;
  std::string file;
  int line = 0;
  bool operator==(const ListPlace&) const = default;
};
std::optional<ListPlace> ParseListPlace(std::string_view place);

// "a 1" for "0x564eb6e46f00 a 1", an entry in `show map` or `show acl`; nullopt if `line` is not an
// entry.
std::optional<std::string_view> PatternOf(std::string_view line);
// The same for a line of the map's or list's file, as HAProxy loads it: key and value of a map are
// separated by one blank, with no blanks around them. Nullopt for a line that HAProxy skips.
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
// "key=::1 use=0 exp=3599736 gpc0=2" for a row, which begins with an address in memory; nullopt if
// `line` is not a row.
std::optional<std::string_view> RowOf(std::string_view line);

struct TableRow {
  std::string key;                                          // decoded bytes
  std::vector<std::pair<std::string, std::string>> fields;  // "use", "exp" and stored data
  bool operator==(const TableRow&) const = default;
};
std::optional<TableRow> ParseRow(std::string_view row);
// Whether a field can be set again: a plain number that HAProxy does not manage itself. Rates
// cannot: they cover only the last seconds.
bool IsStored(std::string_view field, std::string_view value);
// `text` encoded as one word of a command; nullopt if no command can contain it.
std::optional<std::string> EncodeCommandWord(std::string_view text);

// A row of `show servers state`, as far as it is used here.
struct ServerState {
  std::string backend;
  std::string name;
  std::string address;  // "-" for none
  std::string port;
  std::uint64_t admin_state = 0;  // a bit mask
  std::uint64_t weight = 0;
  std::uint64_t initial_weight = 0;
  bool operator==(const ServerState&) const = default;

  bool IsInMaintenance() const { return (admin_state & 0x01U) != 0; }
  bool IsDisabledByConfiguration() const { return (admin_state & 0x04U) != 0; }
  bool IsDrained() const { return (admin_state & 0x08U) != 0; }
};
// Finds columns by the names in the second line. Nullopt if the format's version is not 1.
std::optional<std::vector<ServerState>> ParseServerStates(std::string_view text);

// `show ssl cert FILE`.
struct LiveCertificate {
  std::string file;
  std::string sha1;  // upper-case hexadecimal; empty if not shown, e.g. for an empty certificate
  std::string serial;
  std::string not_after;
  std::string subject;
  std::string status;
  bool operator==(const LiveCertificate&) const = default;
};
LiveCertificate ParseCertificate(std::string_view text);
// File names in `show ssl cert`, without uncommitted transactions.
std::vector<std::string> ParseCertificateFiles(std::string_view text);

// SHA-1 of the first certificate in a PEM file, as HAProxy prints it; empty without one.
std::string FingerprintOfPem(std::string_view pem);

}  // namespace holdfast::haproxy
