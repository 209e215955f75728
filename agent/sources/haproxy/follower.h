// Follows a HAProxy configuration through every directive that names a file.
//
// Source: HAProxy configuration manual 2.6, and the later directives known to 3.2 (crt-store,
// acme, the prefixes of pattern files).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/haproxy/tokenizer.h"
#include "common/base/result.h"
#include "common/stream/manifest.h"

namespace holdfast::haproxy {

// After a certificate's name: the files of one bundle, read instead of it.
inline constexpr std::string_view kBundleSuffixes[] = {".rsa", ".ecdsa", ".dsa"};

// What HAProxy does with a name.
enum class Role : std::uint8_t {
  kFile,         // reads the one file
  kCertificate,  // a PEM file, with what lies beside it; a bundle; or a directory of them
  kAuthority,    // a PEM file or a directory of them
  kCrtList,      // a list that names certificates
  kDirectory,    // all files in it
  kLuaPath,      // a search pattern for modules
  kFilter,       // a filter's own configuration, in the same language
  kOptional,     // a file that may be absent, e.g. the servers' state
  kOutput,       // HAProxy writes it, even while checking: a ring's backing file
  kDefaultPath,  // the directory that relative names start from
};

// One place of a configuration that names a file.
struct NamedPath {
  Role role = Role::kFile;
  std::string path;                // absolute; for kLuaPath the whole pattern
  std::string directive;           // e.g. "crt"
  int line = 0;                    // from 1
  bool conditional = false;        // inside .if ... .endif
  std::vector<std::string> unset;  // variables without a value: `path` is a guess then
  // Where the name stands: a range of bytes in the decoded text of a word of the line.
  std::size_t word = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_argument = false;  // between parentheses, with the second level of quoting
};

// One file that was read, with all that it names.
struct ConfigFile {
  std::string path;
  bool is_crt_list = false;
  std::string content;
  std::vector<NamedPath> names;            // ascending by line and place
  std::map<int, std::vector<Word>> lines;  // the words of lines that names stand in
};

struct FollowOptions {
  std::vector<std::string> config;  // files and directories, as after -f; absolute
  std::string directory = "/";      // where HAProxy runs; relative names start there
  Variables environment;
};

// Servers as a configuration has them.
struct ConfiguredServers {
  // "backend/server" -> its address as written; empty where a condition or a variable decides it.
  std::map<std::string, std::string> addresses;
  std::set<std::string> templated;  // backends some of whose servers a template makes
};

// A file that HAProxy loads servers' state from when it starts.
struct StateFile {
  std::string path;     // absolute
  std::string backend;  // whose servers; empty: all
};

// Patterns that an ACL has in the configuration itself, named ("acl") or between braces.
struct InlinePatterns {
  std::string file;  // absolute
  int line = 0;
  std::string criterion;  // "hdr" of "hdr(host)"
  std::vector<std::string> patterns;
  bool is_known = true;  // false where a variable in them has no value
};

struct Followed {
  std::vector<ConfigFile> files;                // those after -f first, in HAProxy's order
  std::size_t config_files = 0;                 // how many of them those are
  std::vector<std::string> config_directories;  // directories after -f
  // First arguments of "bind" lines that are not under a condition, and where they stand.
  std::vector<std::pair<std::string, std::string>> listens;
  ConfiguredServers servers;
  std::vector<InlinePatterns> inline_patterns;  // in their order; also empty ones
  std::vector<StateFile> state_files;
  bool loads_state = false;           // any server's state is loaded from one of them
  std::vector<Missing> missing;       // configuration files that cannot be read
  std::vector<std::string> warnings;  // lines that HAProxy would refuse, with their place
};

// Never fails as a whole: what cannot be read is named in `missing`.
Followed FollowConfig(const FollowOptions& options, const FileSpace& space);

// The files behind the names.
struct NamedFiles {
  struct Origin {
    std::string place;  // "/etc/haproxy/haproxy.cfg:12 (crt)"
    bool required = true;
  };
  std::map<std::string, Origin> files;  // existing ones, as named
  std::vector<std::string> trees;       // directories to take with all below
  // Directories of certificates: HAProxy loads every file in them, a foreign one too.
  std::vector<std::string> certificate_directories;
  std::vector<Missing> missing;
  std::vector<std::string> warnings;
};
NamedFiles CollectFiles(const Followed& followed, const FileSpace& space);

// `file` with names replaced: `replacement` gives the new path of each, or the old one.
std::string RewriteNames(const ConfigFile& file,
                         const std::function<std::string(const NamedPath&)>& replacement);

}  // namespace holdfast::haproxy
