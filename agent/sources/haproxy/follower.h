// Follows a HAProxy configuration through every directive that names a file.
//
// Source: HAProxy configuration manual 2.6, and later directives up to 3.2 (crt-store, acme, the
// prefixes of pattern files).
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
#include "common/stream/manifest.h"

namespace holdfast::haproxy {

// Suffixes of the files of a bundle, which HAProxy reads instead of the certificate's own name.
inline constexpr std::string_view kBundleSuffixes[] = {".rsa", ".ecdsa", ".dsa"};

// How HAProxy uses a named path.
enum class Role : std::uint8_t {
  kFile,         // a file that it reads
  kCertificate,  // a PEM file with the files beside it, a bundle, or a directory of them
  kAuthority,    // a PEM file or a directory of them
  kCrtList,      // a list that names certificates
  kDirectory,    // a directory of which it reads all files
  kLuaPath,      // a search pattern for Lua modules
  kFilter,       // a filter's own configuration, in the same syntax
  kOptional,     // a file that may be missing, e.g. the server state file
  kOutput,       // a file that it writes, even during a check: a ring's backing file
  kDefaultPath,  // the base directory of relative names
};

// A place in a configuration that names a file.
struct NamedPath {
  Role role = Role::kFile;
  std::string path;                // absolute; for kLuaPath the whole pattern
  std::string directive;           // e.g. "crt"
  int line = 0;                    // from 1
  bool conditional = false;        // inside .if ... .endif
  std::vector<std::string> unset;  // variables without a value; with any, `path` is a guess
  // The position of the name: a byte range in the decoded text of a word of the line.
  std::size_t word = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_argument = false;  // between parentheses, with a second level of quoting
};

// A file that was read, with all names in it.
struct ConfigFile {
  std::string path;
  bool is_crt_list = false;
  std::string content;
  std::vector<NamedPath> names;            // ascending by line and position
  std::map<int, std::vector<Word>> lines;  // the words of lines that have names
};

struct FollowOptions {
  std::vector<std::string> config;  // files and directories, as given with -f; absolute
  std::string directory = "/";      // HAProxy's working directory, the base of relative names
  Variables environment;
};

struct ConfiguredServers {
  // "backend/server" -> address as written; empty if it depends on a condition or unset variable.
  std::map<std::string, std::string> addresses;
  std::set<std::string> templated;  // backends with servers of a server-template
};

// A file from which HAProxy loads server state when it starts.
struct StateFile {
  std::string path;     // absolute
  std::string backend;  // whose servers it has; empty: all
};

// Patterns of an ACL in the configuration itself, from an "acl" line or between braces.
struct InlinePatterns {
  std::string file;  // absolute
  int line = 0;
  std::string criterion;  // "hdr" of "hdr(host)"
  std::vector<std::string> patterns;
  bool is_known = true;  // false if a variable in them has no value
};

struct Followed {
  std::vector<ConfigFile> files;                // those given with -f first, in HAProxy's order
  std::size_t config_files = 0;                 // the number of those given with -f
  std::vector<std::string> config_directories;  // directories given with -f
  // First arguments of unconditional "bind" lines, each with its place.
  std::vector<std::pair<std::string, std::string>> listens;
  ConfiguredServers servers;
  std::vector<InlinePatterns> inline_patterns;  // in configuration order, also empty ones
  std::vector<StateFile> state_files;
  bool loads_state = false;           // some servers' state is loaded from a file
  std::vector<Missing> missing;       // unreadable configuration files
  std::vector<std::string> warnings;  // lines that HAProxy would refuse, with file and line
};

// Never fails as a whole: `missing` names what cannot be read.
Followed FollowConfig(const FollowOptions& options, const FileSpace& space);

// The files that a configuration names.
struct NamedFiles {
  struct Origin {
    std::string place;  // "/etc/haproxy/haproxy.cfg:12 (crt)"
    bool required = true;
  };
  std::map<std::string, Origin> files;  // existing files, as named
  std::vector<std::string> trees;       // directories to save with everything below
  // Certificate directories. HAProxy loads every file in them, even an unrelated one.
  std::vector<std::string> certificate_directories;
  // Every path that HAProxy may read, whether it exists or not, and the directories that it loads
  // completely. A restore in place may write them.
  std::set<std::string> readable;
  std::vector<Missing> missing;
  std::vector<std::string> warnings;
};
// Whether a directory is "/" or directly in it, and so holds much more than HAProxy's files.
bool CoversTooMuch(const std::string& directory);
NamedFiles CollectFiles(const Followed& followed, const FileSpace& space);

// `file` with its names replaced. `replacement` returns the new path of a name, or its old one.
std::string RewriteNames(const ConfigFile& file,
                         const std::function<std::string(const NamedPath&)>& replacement);

}  // namespace holdfast::haproxy
