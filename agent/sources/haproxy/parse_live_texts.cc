#include "agent/sources/haproxy/parse_live_texts.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "common/base/number.h"
#include "common/base/text.h"
#include "common/crypto/sha1.h"

namespace holdfast::haproxy {
namespace {

constexpr std::string_view kBlank = " \t";

std::vector<std::string_view> SplitAtBlanks(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(kBlank); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlank, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlank, end);
  }
  return words;
}

// What follows the address "0x564eb6e46f00".
std::optional<std::string_view> AfterAddress(std::string_view line) {
  if (!line.starts_with("0x")) return std::nullopt;
  const std::size_t end = line.find_first_not_of("0123456789abcdefABCDEF", 2);
  if (end == 2 || end == std::string_view::npos) return std::nullopt;
  return line.substr(end);
}

// "value" in "..., name: value, ..." or "name:value"; empty if the field is missing.
std::string_view FieldOf(std::string_view line, std::string_view name) {
  const std::size_t at = line.find(name);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + name.size());
  return Trim(line.substr(0, line.find(',')));
}

}  // namespace

std::map<std::string, std::string> ParseInfo(std::string_view text) {
  std::map<std::string, std::string> info;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    const std::size_t colon = line.find(": ");
    if (colon != std::string_view::npos && colon > 0)
      info.try_emplace(std::string(line.substr(0, colon)), Trim(line.substr(colon + 2)));
  }
  return info;
}

std::optional<std::vector<pid_t>> ParseWorkers(std::string_view text) {
  if (!text.starts_with("#<PID>")) return std::nullopt;
  std::vector<pid_t> workers;
  bool is_current = false;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    if (line.starts_with('#')) {
      is_current = Trim(line.substr(1)) == "workers";
      continue;
    }
    const std::vector<std::string_view> words = SplitAtBlanks(line);
    if (!is_current || words.size() < 2 || words[1] != "worker") continue;
    const auto pid = ParseWhole<pid_t>(words[0]);
    if (pid && *pid > 0) workers.push_back(*pid);
  }
  return workers;
}

std::vector<PatternSet> ParsePatternSets(std::string_view text) {
  std::vector<PatternSet> sets;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    const std::size_t open = line.find(" (");
    if (open == std::string_view::npos) continue;
    const auto id = ParseWhole<std::uint64_t>(line.substr(0, open));
    // A file name may contain parentheses. Its description follows after ") ".
    constexpr std::string_view kLoaded = ") pattern loaded from file '";
    std::size_t close = line.find(kLoaded, open);
    if (close == std::string_view::npos) close = line.find(") ", open);
    if (!id || close == std::string_view::npos) continue;
    PatternSet set;
    set.id = *id;
    set.file = line.substr(open + 2, close - open - 2);
    std::string_view rest = line.substr(close + 2);
    if (const std::size_t used = rest.find("' used by "); used != std::string_view::npos)
      rest.remove_prefix(used + 10);
    set.place = Trim(rest.substr(0, rest.find(". curr_ver=")));
    sets.push_back(std::move(set));
  }
  return sets;
}

std::optional<ListPlace> ParseListPlace(std::string_view place) {
  constexpr std::string_view kBegin = "acl '";
  constexpr std::string_view kFile = "' file '";
  constexpr std::string_view kLine = "' line ";
  if (!place.starts_with(kBegin)) return std::nullopt;
  place.remove_prefix(kBegin.size());
  const std::size_t file = place.find(kFile);
  const std::size_t line = place.rfind(kLine);
  if (file == std::string_view::npos || line == std::string_view::npos ||
      line < file + kFile.size())
    return std::nullopt;
  const auto number = ParseWhole<int>(place.substr(line + kLine.size()));
  if (!number || *number < 0) return std::nullopt;
  return ListPlace{
      .criterion = std::string(place.substr(0, file)),
      .file = std::string(place.substr(file + kFile.size(), line - file - kFile.size())),
      .line = *number};
}

std::optional<std::string_view> PatternOf(std::string_view line) {
  std::optional<std::string_view> rest = AfterAddress(line);
  if (!rest || !rest->starts_with(' ')) return std::nullopt;
  rest->remove_prefix(1);
  return rest;
}

std::optional<std::string> LoadedPattern(std::string_view line, bool is_map) {
  line = line.substr(0, line.find_first_of("\r\n"));
  if (line.starts_with('#')) return std::nullopt;
  const std::size_t begin = line.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return std::nullopt;
  line.remove_prefix(begin);
  if (!is_map) return std::string(line);
  const std::size_t key_end = std::min(line.find_first_of(kBlank), line.size());
  return std::string(line.substr(0, key_end)) + " " + std::string(Trim(line.substr(key_end)));
}

std::optional<TableHead> ParseTableHead(std::string_view line) {
  constexpr std::string_view kBegin = "# table: ";
  if (!line.starts_with(kBegin)) return std::nullopt;
  TableHead head;
  head.name = FieldOf(line, kBegin);
  head.type = FieldOf(line, ", type:");
  const auto size = ParseWhole<std::uint64_t>(FieldOf(line, ", size:"));
  const auto used = ParseWhole<std::uint64_t>(FieldOf(line, ", used:"));
  if (head.name.empty() || head.type.empty() || !size || !used) return std::nullopt;
  head.size = *size;
  head.used = *used;
  return head;
}

std::vector<TableHead> ParseTableHeads(std::string_view text) {
  std::vector<TableHead> heads;
  while (!text.empty())
    if (auto head = ParseTableHead(TakeLine(text))) heads.push_back(*std::move(head));
  return heads;
}

std::optional<std::string_view> RowOf(std::string_view line) {
  std::optional<std::string_view> rest = AfterAddress(line);
  if (!rest || !rest->starts_with(": key=")) return std::nullopt;
  rest->remove_prefix(2);
  return rest;
}

std::optional<TableRow> ParseRow(std::string_view row) {
  constexpr std::string_view kKey = "key=";
  if (!row.starts_with(kKey)) return std::nullopt;
  TableRow parsed;
  std::size_t at = kKey.size();
  while (at < row.size() && row[at] != ' ') {
    char c = row[at++];
    if (c == '\\') {
      if (at == row.size()) return std::nullopt;
      c = row[at++];
      constexpr std::string_view kLetters = "tnre";
      constexpr std::string_view kMeant = "\t\n\r\x1b";
      if (const std::size_t letter = kLetters.find(c); letter != std::string_view::npos) {
        c = kMeant[letter];
      } else if (c == 'x') {
        const auto byte = HexDecode(row.substr(at, 2));
        if (!byte || byte->size() != 1) return std::nullopt;
        c = static_cast<char>(byte->front());
        at += 2;
      }
    }
    parsed.key += c;
  }
  for (const std::string_view word : SplitAtBlanks(row.substr(at))) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    parsed.fields.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return parsed;
}

bool IsStored(std::string_view field, std::string_view value) {
  return field != "use" && field != "exp" && field != "shard" &&
         field.find('(') == std::string_view::npos && ParseWhole<std::uint64_t>(value).has_value();
}

std::optional<std::string> EncodeCommandWord(std::string_view text) {
  if (text.empty() || text.find_first_of(std::string_view("\n\r\0", 3)) != std::string_view::npos)
    return std::nullopt;
  std::string word;
  for (const char c : text) {
    if (std::string_view(" \t\\;<").find(c) != std::string_view::npos) word += '\\';
    word += c;
  }
  return word;
}

std::optional<std::vector<ServerState>> ParseServerStates(std::string_view text) {
  if (TakeLine(text) != "1") return std::nullopt;
  std::string_view line = TakeLine(text);
  if (!line.starts_with("# ")) return std::nullopt;
  std::map<std::string_view, std::size_t> columns;
  for (const std::string_view name : SplitAtBlanks(line.substr(2)))
    columns.emplace(name, columns.size());
  std::vector<ServerState> servers;
  while (!text.empty()) {
    line = TakeLine(text);
    const std::vector<std::string_view> words = SplitAtBlanks(line);
    const auto text_of = [&](std::string_view name) -> std::string_view {
      const auto column = columns.find(name);
      return column == columns.end() || column->second >= words.size() ? std::string_view()
                                                                       : words[column->second];
    };
    const auto number_of = [&](std::string_view name) {
      return ParseWhole<std::uint64_t>(text_of(name)).value_or(0);
    };
    if (words.empty() || text_of("srv_name").empty()) continue;
    servers.push_back({.backend = std::string(text_of("be_name")),
                       .name = std::string(text_of("srv_name")),
                       .address = std::string(text_of("srv_addr")),
                       .port = std::string(text_of("srv_port")),
                       .admin_state = number_of("srv_admin_state"),
                       .weight = number_of("srv_uweight"),
                       .initial_weight = number_of("srv_iweight")});
  }
  return servers;
}

LiveCertificate ParseCertificate(std::string_view text) {
  std::map<std::string, std::string> fields = ParseInfo(text);
  return {.file = fields["Filename"],
          .sha1 = fields["SHA1 FingerPrint"],
          .serial = fields["Serial"],
          .not_after = fields["notAfter"],
          .subject = fields["Subject"],
          .status = fields["Status"]};
}

std::vector<std::string> ParseCertificateFiles(std::string_view text) {
  std::vector<std::string> files;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    if (!line.empty() && !line.starts_with('#') && !line.starts_with('*')) files.emplace_back(line);
  }
  return files;
}

std::string FingerprintOfPem(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  const std::size_t begin = pem.find(kBegin);
  if (begin == std::string_view::npos) return "";
  pem.remove_prefix(begin + kBegin.size());
  const std::size_t end = pem.find(kEnd);
  if (end == std::string_view::npos) return "";
  std::string base64(pem.substr(0, end));
  std::erase_if(base64, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
  const auto der = Base64Decode(base64);
  if (!der || der->empty()) return "";
  std::string text = HexEncode(crypto::Sha1Of(*der));
  std::ranges::transform(text, text.begin(), [](char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  });
  return text;
}

}  // namespace holdfast::haproxy
