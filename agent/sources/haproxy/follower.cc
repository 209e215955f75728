#include "agent/sources/haproxy/follower.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <deque>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/text.h"
#include "common/io/host.h"

namespace holdfast::haproxy {

namespace {

using Words = std::vector<Word>;

// Global directives that name one file.
constexpr std::array kSingleFiles = {
    std::string_view("51degrees-data-file"), std::string_view("deviceatlas-json-file"),
    std::string_view("h1-case-adjust-file"), std::string_view("lua-load"),
    std::string_view("lua-load-per-thread"), std::string_view("ssl-dh-param-file"),
    std::string_view("wurfl-data-file"),
};

// Rules whose action may return a file.
constexpr std::array kRuleSets = {
    std::string_view("http-request"),        std::string_view("http-response"),
    std::string_view("http-after-response"), std::string_view("http-error"),
    std::string_view("tcp-request"),         std::string_view("tcp-response"),
    std::string_view("http-check"),          std::string_view("quic-initial"),
};

constexpr std::array kSections = {
    std::string_view("global"),      std::string_view("defaults"),  std::string_view("frontend"),
    std::string_view("backend"),     std::string_view("listen"),    std::string_view("peers"),
    std::string_view("mailers"),     std::string_view("resolvers"), std::string_view("userlist"),
    std::string_view("http-errors"), std::string_view("ring"),      std::string_view("cache"),
    std::string_view("log-forward"), std::string_view("program"),   std::string_view("fcgi-app"),
    std::string_view("crt-store"),   std::string_view("traces"),    std::string_view("acme"),
    std::string_view("log-profile"),
};

constexpr char kCorrectConfig[] = "correct the source's \"config\", or recreate the file";

template <std::size_t N>
bool Contains(const std::array<std::string_view, N>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool IsIdentifier(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
}

// Reads everything in HAProxy's own order, because base directories and variables apply from the
// line that sets them onward.
class Follower {
 public:
  Follower(const FollowOptions& options, const FileSpace& space)
      : options_(options), space_(space), variables_(options.environment) {
    variables_.try_emplace("HAPROXY_LOCALPEER", HostName());
  }

  Followed Run() {
    for (const std::string& path : options_.config) {
      if (space_.Type(path) != FileType::kDirectory) {
        ReadConfig(path);
        continue;
      }
      out_.config_directories.push_back(path);
      Result<std::vector<std::string>> names = space_.List(path);
      if (!names) {
        out_.missing.push_back({path, names.error().message(), "let the agent read it"});
        continue;
      }
      std::size_t before = out_.files.size() + out_.missing.size();
      for (const std::string& name : *names) {
        std::string file = fmt::format("{}/{}", path, name);
        if (name.ends_with(".cfg") && space_.Type(file) == FileType::kFile) ReadConfig(file);
      }
      if (out_.files.size() + out_.missing.size() == before) {
        out_.missing.push_back({path, "no .cfg file in this directory", kCorrectConfig});
      }
    }
    out_.config_files = out_.files.size();
    // Certificate lists and filter files are read last; they may name more of them.
    while (!later_.empty()) {
      Later later = std::move(later_.front());
      later_.pop_front();
      if (later.is_crt_list) {
        ReadCrtList(later);
      } else {
        ReadFilter(later);
      }
    }
    return std::move(out_);
  }

 private:
  struct Bases {
    std::string crt;
    std::string ca;
    std::string key;
    std::string server_state;
    std::string directory;  // the base of relative names
  };
  struct Later {
    std::string path;
    bool is_crt_list = false;
    Bases bases;
    bool conditional = false;
  };

  // --- whole files

  std::optional<std::string> ReadFile(const std::string& path, const std::string& remedy) {
    if (space_.Type(path) == FileType::kNone) {
      out_.missing.push_back({path, "does not exist", remedy});
      return std::nullopt;
    }
    Result<std::string> content = space_.Read(path);
    if (!content) {
      out_.missing.push_back({path, content.error().message(), "let the agent read it"});
      return std::nullopt;
    }
    return *std::move(content);
  }

  void ReadConfig(const std::string& path) {
    std::optional<std::string> content = ReadFile(path, kCorrectConfig);
    if (!content) return;
    std::string outer = bases_.directory.empty() ? options_.directory : bases_.directory;
    if (default_path_ == "config" || default_path_ == "parent") {
      outer = AbsolutePath(ParentPath(path), default_path_ == "config" ? "." : "..");
    }
    bases_.directory = outer;
    ReadLines(path, *std::move(content));
  }

  void ReadFilter(const Later& later) {
    if (!MarkRead(later.path)) return;
    if (space_.Type(later.path) != FileType::kFile) return;  // CollectFiles() reports it
    Result<std::string> content = space_.Read(later.path);
    if (!content) return;
    bases_ = later.bases;
    base_depth_ = later.conditional ? 1 : 0;
    ReadLines(later.path, *std::move(content));
    base_depth_ = 0;
  }

  bool MarkRead(const std::string& path) { return read_.insert(path).second; }

  void ReadLines(const std::string& path, std::string content) {
    ConfigFile file;
    file.path = path;
    file.content = std::move(content);
    file_ = &file;
    section_.clear();
    section_name_.clear();
    depth_ = base_depth_;
    line_ = 0;
    std::string_view rest = file.content;
    while (!rest.empty()) {
      ++line_;
      ReadLine(TakePart(rest, '\n'));
    }
    file_ = nullptr;
    out_.files.push_back(std::move(file));
  }

  void ReadLine(std::string_view line) {
    variables_[".FILE"] = file_->path;
    variables_[".LINE"] = std::to_string(line_);
    variables_[".SECTION"] = section_name_.empty() ? section_ : section_name_;
    Result<Words> words = SplitWords(line, variables_);
    if (!words) {
      out_.warnings.push_back(
          fmt::format("{}:{}: {}", file_->path, line_, words.error().message()));
      return;
    }
    words_ = *std::move(words);
    if (!words_.empty()) ReadDirective();
  }

  // --- one directive

  const std::string& Text(std::size_t i) const {
    static const std::string kNone;
    return i < words_.size() ? words_[i].text : kNone;
  }

  void ReadDirective() {
    const std::string& first = Text(0);
    if (first.starts_with('.')) {
      if (first == ".if") ++depth_;
      if (first == ".endif") depth_ = std::max(base_depth_, depth_ - 1);
      return;
    }
    if (Contains(kSections, first)) return BeginSection();
    if (first == "no") return;
    if (section_ == "program" || section_ == "userlist") return;
    if (ReadSetting() || ReadBase()) return;
    ReadFileDirective();
    ReadAcls();
    for (std::size_t i = 0; i < words_.size(); ++i) ReadConverters(i);
  }

  void BeginSection() {
    section_ = Text(0);
    section_name_ = Text(1);
    if (section_ == "crt-store") store_bases_ = {bases_.crt, {}, bases_.key, {}, {}};
    if (state_is_local_ && (section_ == "backend" || section_ == "listen")) NameStateFile();
  }

  // Directives that set variables.
  bool ReadSetting() {
    const std::string& first = Text(0);
    if (first == "setenv" || first == "presetenv") {
      if (first == "setenv" || !variables_.contains(Text(1))) variables_[Text(1)] = Text(2);
      if (depth_ > 0) {
        Warn(fmt::format(
            "the variable {} is set under a condition; the backup assumes that the condition holds",
            Quote(Text(1))));
      }
      return true;
    }
    if (first == "unsetenv") {
      for (std::size_t i = 1; i < words_.size(); ++i) variables_.erase(Text(i));
      return true;
    }
    if (first == "resetenv") {
      std::set<std::string> kept;
      for (std::size_t i = 1; i < words_.size(); ++i) kept.insert(Text(i));
      std::erase_if(variables_, [&](const auto& entry) {
        return !entry.first.starts_with('.') && !kept.contains(entry.first);
      });
      return true;
    }
    return false;
  }

  // Directives that set base directories.
  bool ReadBase() {
    const std::string& first = Text(0);
    if (first == "default-path") {
      default_path_ = Text(1);
      if (default_path_ == "config") {
        bases_.directory = AbsolutePath(ParentPath(file_->path), ".");
      } else if (default_path_ == "parent") {
        bases_.directory = AbsolutePath(ParentPath(file_->path), "..");
      } else if (default_path_ == "origin") {
        bases_.directory = AbsolutePath(options_.directory, Text(2));
      } else {
        bases_.directory = options_.directory;
      }
      if (words_.size() > 1) {
        Add(Role::kDefaultPath, bases_.directory, 1, 0, Text(1).size());
      }
      return true;
    }
    Bases& bases = section_ == "crt-store" ? store_bases_ : bases_;
    std::string* base = first == "crt-base"            ? &bases.crt
                        : first == "ca-base"           ? &bases_.ca
                        : first == "key-base"          ? &bases.key
                        : first == "server-state-base" ? &bases_.server_state
                                                       : nullptr;
    if (base == nullptr) return false;
    *base = Text(1);
    return true;
  }

  void ReadFileDirective() {
    const std::string& first = Text(0);
    if (Contains(kSingleFiles, first)) {
      AddWhole(Role::kFile, 1, "");
    } else if (first == "wurfl-patch-file") {
      for (std::size_t i = 1; i < words_.size(); ++i) AddWhole(Role::kFile, i, "");
    } else if (first == "httpclient.ssl.ca-file") {
      AddAuthority(1, "");
    } else if (first == "issuers-chain-path") {
      AddWhole(Role::kDirectory, 1, "");
    } else if (first == "lua-prepend-path") {
      AddWhole(Role::kLuaPath, 1, "");
    } else if (first == "errorfile") {
      AddWhole(Role::kFile, 2, "");
    } else if (first == "backing-file") {
      AddWhole(Role::kOutput, 1, "");
    } else if (first == "account-key" && section_ == "acme") {
      AddWhole(Role::kOptional, 1, "");
    } else if (first == "load" && section_ == "crt-store") {
      ReadStoreLoad();
    } else if (first == "filter") {
      ReadFilterLine();
    } else if (first == "external-check" && Text(1) == "command") {
      AddProgram(2);
    } else if (first.starts_with("server-state-file") || first == "load-server-state-from-file") {
      ReadServerState();
    } else if (Contains(kRuleSets, first)) {
      ReadRule();
    } else {
      ReadTlsArguments();
    }
  }

  void ReadServerState() {
    if (Text(0) == "load-server-state-from-file") {
      out_.loads_state = out_.loads_state || Text(1) == "global" || Text(1) == "local";
      if (Text(1) != "local") return;
      state_is_local_ = true;
      if (section_ == "backend" || section_ == "listen") NameStateFile();
      return;
    }
    // "server-state-file-name" alone, or with "use-backend-name", means the backend's name.
    if (words_.size() < 2 || Text(1) == "use-backend-name") return;
    const std::size_t before = file_->names.size();
    AddWhole(Role::kOptional, 1, bases_.server_state);
    if (file_->names.size() == before) return;
    const bool is_local = Text(0) == "server-state-file-name";
    if (is_local && section_ == "defaults") return;
    out_.state_files.push_back({file_->names.back().path, is_local ? section_name_ : ""});
  }

  // Adds a backend's state file, which no directive names: it is called like the backend.
  void NameStateFile() {
    if (section_name_.empty() || bases_.server_state.empty()) return;
    std::string directory = AbsolutePath(bases_.directory, bases_.server_state);
    // The name is in no word of the line, so nothing can be replaced: use a position past the end.
    Add(Role::kOptional, AbsolutePath(directory, section_name_), words_.size(), 0, 0);
    out_.state_files.push_back({AbsolutePath(directory, section_name_), section_name_});
  }

  void ReadStoreLoad() {
    for (std::size_t i = 1; i + 1 < words_.size(); i += 2) {
      const std::string& keyword = Text(i);
      if (keyword == "crt") {
        AddWhole(Role::kCertificate, i + 1, store_bases_.crt);
      } else if (keyword == "key") {
        AddWhole(Role::kFile, i + 1, store_bases_.key);
      } else if (keyword == "ocsp" || keyword == "issuer" || keyword == "sctl") {
        AddWhole(Role::kFile, i + 1, store_bases_.crt);
      }
    }
  }

  void ReadFilterLine() {
    if (Text(1) != "spoe" && Text(1) != "opentracing") return;
    for (std::size_t i = 2; i + 1 < words_.size(); i += 2) {
      if (Text(i) != "config") continue;
      if (Text(1) == "spoe") {
        AddWhole(Role::kFilter, i + 1, "");
        later_.push_back({file_->names.back().path, false, bases_, depth_ > 0});
      } else {
        AddWhole(Role::kFile, i + 1, "");
        Warn(
            "files that the OpenTracing configuration names are not followed; list them in "
            "\"files\"");
      }
    }
  }

  // A script of the operator is saved, a program of the distribution is not: restoring it would
  // conflict with the package manager.
  void AddProgram(std::size_t i) {
    const std::string& path = Text(i);
    if (!path.starts_with('/')) return;
    for (std::string_view system : {"/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/lib/"}) {
      if (path.starts_with(system)) return;
    }
    AddWhole(Role::kFile, i, "");
  }

  // "... return status 200 content-type text/plain file /x if ..." and "... set-map(/x) k v".
  void ReadRule() {
    std::size_t i = 1;
    while (i < words_.size()) {
      const std::string& word = Text(i);
      if (word == "if" || word == "unless") return;
      if (word == "errorfile" || word == "file" || word == "lf-file") {
        AddWhole(Role::kFile, i + 1, "");
        i += 2;
      } else if (word == "hdr") {
        i += 3;
      } else if (word == "status" || word == "deny_status" || word == "content-type" ||
                 word == "string" || word == "lf-string" || word == "errorfiles") {
        i += 2;
      } else {
        ReadMapAction(i);
        ++i;
      }
    }
  }

  // add-acl(FILE), del-acl(FILE), set-map(FILE), del-map(FILE): plain text between the parentheses.
  void ReadMapAction(std::size_t i) {
    const std::string& word = Text(i);
    bool is_action = false;
    for (std::string_view name : {"add-acl(", "del-acl(", "add-map(", "set-map(", "del-map("}) {
      is_action = is_action || word.starts_with(name);
    }
    if (!is_action) return;
    std::size_t begin = word.find('(') + 1;
    std::size_t end = std::min(word.find(')', begin), word.size());
    AddPatternFile(i, begin, end, word.substr(begin, end - begin), false);
  }

  // Arguments of bind, server and similar lines, in any position.
  void ReadTlsArguments() {
    const std::string& first = Text(0);
    std::size_t i = first == "bind" || first == "dgram-bind"                         ? 2
                    : first == "server" || (first == "stats" && Text(1) == "socket") ? 3
                    : first == "server-template"                                     ? 4
                    : first == "default-server" || first == "default-bind"           ? 1
                                                                                     : 0;
    if (i == 0) return;
    if (first == "bind" && depth_ == 0) {
      out_.listens.emplace_back(Text(1), fmt::format("{}:{}", file_->path, line_));
    }
    if (first == "server") AddServer();
    if (first == "server-template") out_.servers.templated.insert(section_name_);
    while (i < words_.size()) {
      const std::string& word = Text(i);
      if (word == "crt") {
        AddWhole(Role::kCertificate, i + 1, bases_.crt);
      } else if (word == "crt-list") {
        std::size_t before = file_->names.size();
        AddWhole(Role::kCrtList, i + 1, "");
        if (file_->names.size() > before) {
          later_.push_back({file_->names.back().path, true, bases_, depth_ > 0});
        }
      } else if (word == "ca-file" || word == "ca-verify-file") {
        AddAuthority(i + 1, bases_.ca);
      } else if (word == "crl-file" || word == "ca-sign-file") {
        AddWhole(Role::kFile, i + 1, bases_.ca);
      } else if (word == "tls-ticket-keys") {
        AddWhole(Role::kFile, i + 1, "");
      } else if (word != "cookie" && word != "sni" && word != "name" && word != "id" &&
                 word != "user" && word != "group") {
        ++i;
        continue;
      }
      i += 2;
    }
  }

  void AddServer() {
    const bool is_certain = depth_ == 0 && words_.size() > 2 && words_[2].unset.empty();
    out_.servers.addresses.insert_or_assign(fmt::format("{}/{}", section_name_, Text(1)),
                                            is_certain ? Text(2) : std::string());
  }

  // --- names inside expressions

  // ACLs, named or between braces.
  void ReadAcls() {
    if (Text(0) == "acl") ReadAcl(2, words_.size());
    for (std::size_t i = 1; i < words_.size(); ++i) {
      if (Text(i) != "{" && Text(i) != "!{") continue;
      std::size_t end = i + 1;
      while (end < words_.size() && Text(end) != "}") ++end;
      ReadAcl(Text(i + 1) == "!" ? i + 2 : i + 1, end);
    }
  }

  // "hdr(host) -i -f FILE a.example": the criterion at `begin`, then flags, then patterns.
  void ReadAcl(std::size_t begin, std::size_t end) {
    std::size_t i = begin + 1;
    while (i < end && Text(i).starts_with('-') && Text(i) != "--") {
      if (Text(i) == "-f") {
        if (i + 1 < words_.size()) AddPatternFile(i + 1, 0, Text(i + 1).size(), Text(i + 1), false);
        i += 2;
      } else if (Text(i) == "-m" || Text(i) == "-u") {
        i += 2;
      } else {
        ++i;
      }
    }
    if (begin >= end) return;
    if (Text(i) == "--") ++i;
    const std::string& word = Text(begin);
    InlinePatterns acl{.file = file_->path, .line = line_, .criterion = {}, .patterns = {}};
    acl.criterion = word.substr(
        0, static_cast<std::size_t>(std::ranges::find_if_not(word, IsIdentifier) - word.begin()));
    // HAProxy treats an empty pattern as the end.
    for (; i < end && (!Text(i).empty() || !words_[i].unset.empty()); ++i) {
      acl.is_known = acl.is_known && words_[i].unset.empty();
      acl.patterns.push_back(Text(i));
    }
    out_.inline_patterns.push_back(std::move(acl));
  }

  // map(FILE), map_beg_int(FILE,DEFAULT), jwt_verify(ALG,FILE).
  void ReadConverters(std::size_t i) {
    const std::string& word = Text(i);
    for (std::size_t at = word.find("map"); at != std::string::npos;
         at = word.find("map", at + 3)) {
      if (at > 0 && IsIdentifier(word[at - 1])) continue;
      std::size_t open = at + 3;
      if (open < word.size() && word[open] == '_') {
        while (open < word.size() &&
               (word[open] == '_' || std::isalpha(static_cast<unsigned char>(word[open])) != 0)) {
          ++open;
        }
      }
      if (open >= word.size() || word[open] != '(') continue;
      Argument file = SplitArguments(word, open + 1).front();
      AddPatternFile(i, file.begin, file.end, file.text, true);
    }
    constexpr std::string_view kVerify = "jwt_verify(";
    for (std::size_t at = word.find(kVerify); at != std::string::npos;
         at = word.find(kVerify, at + 1)) {
      std::vector<Argument> arguments = SplitArguments(word, at + kVerify.size());
      // The second argument is a shared secret, a variable, or a file. Only a file has a slash.
      if (arguments.size() < 2 || arguments[1].text.find('/') == std::string::npos) continue;
      Add(Role::kOptional, AbsolutePath(bases_.directory, arguments[1].text), i, arguments[1].begin,
          arguments[1].end, true);
    }
  }

  // Since 3.0, a prefix of the name of a map or ACL says whether it has a file.
  void AddPatternFile(std::size_t word, std::size_t begin, std::size_t end, std::string_view text,
                      bool is_argument) {
    Role role = Role::kFile;
    if (text.starts_with("virt@")) return;
    for (std::string_view prefix : {"file@", "opt@"}) {
      if (!text.starts_with(prefix)) continue;
      if (prefix == "opt@") role = Role::kOptional;
      text.remove_prefix(prefix.size());
      // Inside quotes, the prefix may not be at the beginning of the range.
      std::size_t at = Text(word).find(prefix, begin);
      if (at < end) begin = at + prefix.size();
      break;
    }
    if (text.empty()) return;
    Add(role, AbsolutePath(bases_.directory, text), word, begin, end, is_argument);
  }

  // --- certificate lists

  void ReadCrtList(const Later& later) {
    if (!MarkRead(later.path)) return;
    if (space_.Type(later.path) != FileType::kFile) return;  // CollectFiles() reports it
    Result<std::string> content = space_.Read(later.path);
    if (!content) return;
    ConfigFile file;
    file.path = later.path;
    file.is_crt_list = true;
    file.content = *std::move(content);
    file_ = &file;
    bases_ = later.bases;
    depth_ = later.conditional ? 1 : 0;
    line_ = 0;
    std::string_view rest = file.content;
    while (!rest.empty()) {
      ++line_;
      ReadListLine(TakePart(rest, '\n'));
    }
    file_ = nullptr;
    out_.files.push_back(std::move(file));
  }

  // "<crtfile> [\[<option> ...\]] [[!]<snifilter> ...]": no quotes, no escapes, no variables.
  void ReadListLine(std::string_view line) {
    words_.clear();
    if (line.starts_with('#')) return;
    bool in_options = false;
    std::vector<bool> is_option;
    std::size_t at = 0;
    while (at < line.size()) {
      char c = line[at];
      if (c == '[' || c == ']' || std::isspace(static_cast<unsigned char>(c)) != 0) {
        if (c == '[') in_options = true;
        if (c == ']') in_options = false;
        ++at;
        continue;
      }
      std::size_t begin = at;
      while (at < line.size() && std::isspace(static_cast<unsigned char>(line[at])) == 0 &&
             line[at] != ']' && line[at] != '[') {
        ++at;
      }
      Word word;
      word.text = std::string(line.substr(begin, at - begin));
      word.begin = begin;
      word.end = at;
      words_.push_back(std::move(word));
      is_option.push_back(in_options);
    }
    if (words_.empty()) return;
    AddWhole(Role::kCertificate, 0, bases_.crt);
    for (std::size_t i = 1; i + 1 < words_.size(); ++i) {
      if (!is_option[i] || !is_option[i + 1]) continue;
      if (Text(i) == "ca-file" || Text(i) == "ca-verify-file") AddAuthority(i + 1, bases_.ca);
      if (Text(i) == "crl-file") AddWhole(Role::kFile, i + 1, bases_.ca);
    }
  }

  // --- results

  void AddAuthority(std::size_t i, const std::string& base) {
    if (!Text(i).starts_with('@')) AddWhole(Role::kAuthority, i, base);  // "@system-ca"
  }

  // The whole word `i` is the name, relative to `base` if that is set.
  void AddWhole(Role role, std::size_t i, const std::string& base) {
    const std::string& text = Text(i);
    if (text.empty()) {
      if (i < words_.size() && !words_[i].unset.empty()) {
        Add(role, bases_.directory, i, 0, 0);
      }
      return;
    }
    // "crt @store/name" refers to a crt-store, which names the file itself.
    if (role == Role::kCertificate && text.starts_with('@')) return;
    std::string directory = base.empty() ? bases_.directory : AbsolutePath(bases_.directory, base);
    Add(role, AbsolutePath(directory, text), i, 0, text.size());
  }

  void Add(Role role, std::string path, std::size_t word, std::size_t begin, std::size_t end,
           bool is_argument = false) {
    NamedPath name;
    name.role = role;
    name.path = std::move(path);
    name.directive = Text(0);
    if (file_->is_crt_list) name.directive = "crt-list";
    name.line = line_;
    name.conditional = depth_ > 0;
    name.word = word;
    name.begin = begin;
    name.end = end;
    name.is_argument = is_argument;
    if (word < words_.size()) {
      name.unset = words_[word].unset;
      file_->lines.try_emplace(line_, words_);
    }
    file_->names.push_back(std::move(name));
  }

  void Warn(std::string_view text) {
    out_.warnings.push_back(fmt::format("{}:{}: {}", file_->path, line_, text));
  }

  const FollowOptions& options_;
  const FileSpace& space_;
  Followed out_;
  std::deque<Later> later_;
  std::set<std::string> read_;
  Variables variables_;
  Bases bases_;
  Bases store_bases_;
  std::string default_path_ = "current";
  bool state_is_local_ = false;

  ConfigFile* file_ = nullptr;  // the one being read
  int line_ = 0;
  int depth_ = 0;       // of nested .if
  int base_depth_ = 0;  // 1 if the file itself is named under a condition
  std::string section_;
  std::string section_name_;
  Words words_;
};

}  // namespace

Followed FollowConfig(const FollowOptions& options, const FileSpace& space) {
  return Follower(options, space).Run();
}

}  // namespace holdfast::haproxy
