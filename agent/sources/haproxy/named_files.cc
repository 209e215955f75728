// Uses of a followed configuration: collects the files that it names, and replaces the names.

#include <algorithm>
#include <set>
#include <utility>

#include "agent/sources/haproxy/follower.h"
#include "common/base/format.h"
#include "common/base/path.h"

namespace holdfast::haproxy {

namespace {

constexpr std::string_view kExtraSuffixes[] = {".key", ".issuer", ".ocsp", ".sctl"};

class Collector {
 public:
  Collector(const Followed& followed, const FileSpace& space)
      : followed_(followed), space_(space) {}

  NamedFiles Run() {
    out_.missing = followed_.missing;
    out_.warnings = followed_.warnings;
    for (const ConfigFile& file : followed_.files) {
      Take(file.path, {file.path, true});
      out_.readable.insert(file.path);
    }
    for (const ConfigFile& file : followed_.files) {
      for (const NamedPath& name : file.names) {
        CollectName(file, name);
        if (name.unset.empty()) CollectReadable(name);
      }
    }
    for (const StateFile& file : followed_.state_files) CollectReadableFile(file.path);
    SortUnique(out_.trees);
    SortUnique(out_.certificate_directories);
    return std::move(out_);
  }

 private:
  static void SortUnique(std::vector<std::string>& paths) {
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  }

  void CollectName(const ConfigFile& file, const NamedPath& name) {
    NamedFiles::Origin origin{
        fmt::format("{}:{} ({})", file.path, name.line, name.directive),
        !name.conditional && name.role != Role::kOptional && name.role != Role::kLuaPath};
    if (!name.unset.empty() && name.role != Role::kOutput && name.role != Role::kDefaultPath) {
      Lack(name.path, origin, fmt::format("the variable {} is not set", Quote(name.unset.front())),
           "set it in the source's \"environment\"");
      return;
    }
    switch (name.role) {
      case Role::kFile:
      case Role::kCrtList:
      case Role::kFilter:
      case Role::kOptional:
        CollectFile(name.path, origin);
        break;
      case Role::kCertificate:
        CollectCertificate(name.path, origin);
        break;
      case Role::kAuthority:
        if (space_.Type(name.path) == FileType::kDirectory) {
          CollectDirectory(name.path, origin);
        } else {
          CollectFile(name.path, origin);
        }
        break;
      case Role::kDirectory:
        if (space_.Type(name.path) == FileType::kDirectory) {
          CollectDirectory(name.path, origin);
        } else {
          Lack(name.path, origin, "no such directory", "recreate it, or remove the directive");
        }
        break;
      case Role::kLuaPath:
        CollectModules(name.path, origin);
        break;
      case Role::kOutput:
      case Role::kDefaultPath:
        break;
    }
  }

  void CollectReadable(const NamedPath& name) {
    switch (name.role) {
      case Role::kFile:
      case Role::kCrtList:
      case Role::kFilter:
      case Role::kOptional:
        CollectReadableFile(name.path);
        break;
      case Role::kCertificate:
        CollectReadableCertificate(name.path);
        break;
      case Role::kAuthority:
      case Role::kDirectory:
        out_.readable.insert(name.path);
        break;
      case Role::kLuaPath:
        out_.readable.insert(DirectoryOf(name.path));
        break;
      case Role::kOutput:
      case Role::kDefaultPath:
        break;
    }
  }

  void CollectReadableFile(const std::string& path) {
    if (space_.Type(path) != FileType::kDirectory) out_.readable.insert(path);
  }

  void CollectReadableCertificate(const std::string& path) {
    if (space_.Type(path) == FileType::kDirectory) {
      out_.readable.insert(path);
      return;
    }
    std::vector<std::string> files = {path};
    for (std::string_view suffix : kBundleSuffixes) files.push_back(path + std::string(suffix));
    for (const std::string& file : files) {
      out_.readable.insert(file);
      for (std::string_view suffix : kExtraSuffixes) {
        out_.readable.insert(file + std::string(suffix));
        if (file.ends_with(".crt")) {
          out_.readable.insert(file.substr(0, file.size() - 4) + std::string(suffix));
        }
      }
    }
  }

  // Of a pattern like "/usr/share/haproxy-lua/?.lua".
  static std::string DirectoryOf(const std::string& pattern) {
    return ParentPath(pattern.substr(0, pattern.find('?')));
  }

  void CollectFile(const std::string& path, const NamedFiles::Origin& origin) {
    switch (space_.Type(path)) {
      case FileType::kFile:
        Take(path, origin);
        break;
      case FileType::kNone:
        Lack(path, origin, "does not exist", "recreate the file, or remove the directive");
        break;
      case FileType::kDirectory:
        Lack(path, origin, "a directory where a file is expected", "correct the directive");
        break;
      case FileType::kOther:
        break;  // /dev/null as an empty error file is common
    }
  }

  void CollectCertificate(const std::string& path, const NamedFiles::Origin& origin) {
    FileType type = space_.Type(path);
    if (type == FileType::kDirectory) {
      CollectDirectory(path, origin);
      out_.certificate_directories.push_back(path);
      return;
    }
    bool found = TakeWithExtras(path, origin);
    for (std::string_view suffix : kBundleSuffixes) {
      found = TakeWithExtras(path + std::string(suffix), origin) || found;
    }
    if (!found) CollectFile(path, origin);
  }

  // Files that HAProxy looks for beside a certificate (ssl-load-extra-files), also after removing
  // its extension (ssl-load-extra-del-ext).
  bool TakeWithExtras(const std::string& path, const NamedFiles::Origin& origin) {
    if (space_.Type(path) != FileType::kFile) return false;
    Take(path, origin);
    for (std::string_view suffix : kExtraSuffixes) {
      TakeIfThere(path + std::string(suffix), origin);
      if (path.ends_with(".crt")) {
        TakeIfThere(path.substr(0, path.size() - 4) + std::string(suffix), origin);
      }
    }
    return true;
  }

  void TakeIfThere(const std::string& path, const NamedFiles::Origin& origin) {
    if (space_.Type(path) == FileType::kFile) Take(path, {origin.place, false});
  }

  void CollectDirectory(const std::string& path, const NamedFiles::Origin& origin) {
    Result<std::vector<std::string>> names = space_.List(path);
    if (!names) {
      Lack(path, origin, names.error().message(), "let the agent read it");
      return;
    }
    for (const std::string& name : *names) {
      std::string file = fmt::format("{}/{}", path, name);
      if (space_.Type(file) == FileType::kFile) Take(file, origin);
    }
  }

  // "/usr/share/haproxy-lua/?.lua": a script may load anything below the directory before the
  // question mark.
  void CollectModules(const std::string& pattern, const NamedFiles::Origin& origin) {
    std::string directory = DirectoryOf(pattern);
    if (space_.Type(directory) != FileType::kDirectory) return;
    if (CoversTooMuch(directory)) {
      out_.warnings.push_back(fmt::format(
          "{}: {} covers too much to be saved as a whole; list the modules in \"files\"",
          origin.place, Quote(directory)));
      return;
    }
    out_.trees.push_back(directory);
  }

  void Take(const std::string& path, const NamedFiles::Origin& origin) {
    auto [entry, added] = out_.files.try_emplace(path, origin);
    if (!added && origin.required) entry->second.required = true;
  }

  // Reports a named file that cannot be saved. Under a condition, HAProxy may never need it.
  void Lack(const std::string& path, const NamedFiles::Origin& origin, const std::string& reason,
            const std::string& remedy) {
    if (!lacking_.insert(path).second) return;
    if (origin.required) {
      out_.missing.push_back({path, fmt::format("{}, named in {}", reason, origin.place), remedy});
    } else if (reason != "does not exist") {
      out_.warnings.push_back(fmt::format("{}: {}: {}", origin.place, path, reason));
    }
  }

  const Followed& followed_;
  const FileSpace& space_;
  NamedFiles out_;
  std::set<std::string> lacking_;
};

// Encodes the words of one place of a line, with names replaced.
std::string EncodePlace(const std::vector<Word>& words, std::size_t first, std::size_t last,
                        const std::map<std::size_t, std::string>& texts, bool is_crt_list) {
  std::string encoded;
  for (std::size_t i = first; i <= last; ++i) {
    auto replaced = texts.find(i);
    const std::string& text = replaced == texts.end() ? words[i].text : replaced->second;
    if (i > first) encoded += ' ';
    encoded += is_crt_list ? text : EncodeWord(text);
  }
  return encoded;
}

std::string RewriteLine(std::string_view line, const std::vector<Word>& words,
                        const std::vector<std::pair<const NamedPath*, std::string>>& names,
                        bool is_crt_list) {
  // The decoded words after replacement. Works from the right, so that earlier ranges stay valid.
  std::map<std::size_t, std::string> texts;
  std::vector<std::pair<const NamedPath*, std::string>> ordered = names;
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first->word, a.first->begin) > std::pair(b.first->word, b.first->begin);
  });
  std::string origin;  // of default-path
  for (const auto& [name, path] : ordered) {
    std::string& text = texts.try_emplace(name->word, words[name->word].text).first->second;
    text.replace(name->begin, name->end - name->begin,
                 name->is_argument ? EncodeArgument(path) : path);
    if (name->role == Role::kDefaultPath) origin = path;
  }
  if (!origin.empty()) return fmt::format("default-path origin {}", EncodeWord(origin));

  std::string rewritten;
  std::size_t written = 0;
  for (std::size_t i = 0; i < words.size();) {
    std::size_t last = i;
    while (last + 1 < words.size() && words[last + 1].begin == words[i].begin) ++last;
    bool touched = false;
    for (std::size_t k = i; k <= last; ++k) touched = touched || texts.contains(k);
    if (touched) {
      rewritten += line.substr(written, words[i].begin - written);
      rewritten += EncodePlace(words, i, last, texts, is_crt_list);
      written = words[i].end;
    }
    i = last + 1;
  }
  rewritten += line.substr(std::min(written, line.size()));
  return rewritten;
}

}  // namespace

bool CoversTooMuch(const std::string& directory) { return std::ranges::count(directory, '/') < 2; }

NamedFiles CollectFiles(const Followed& followed, const FileSpace& space) {
  return Collector(followed, space).Run();
}

std::string RewriteNames(const ConfigFile& file,
                         const std::function<std::string(const NamedPath&)>& replacement) {
  std::map<int, std::vector<std::pair<const NamedPath*, std::string>>> by_line;
  for (const NamedPath& name : file.names) {
    auto words = file.lines.find(name.line);
    // Names that are in no word, or that have unset variables, stay as they are.
    if (words == file.lines.end() || name.word >= words->second.size() || !name.unset.empty()) {
      continue;
    }
    // A name that does not change is written in full too: base directories may not apply to a copy.
    by_line[name.line].emplace_back(&name, replacement(name));
  }
  std::string rewritten;
  std::string_view rest = file.content;
  for (int line = 1; !rest.empty(); ++line) {
    std::size_t feed = rest.find('\n');
    std::string_view text = rest.substr(0, feed);
    auto names = by_line.find(line);
    if (names == by_line.end()) {
      rewritten += text;
    } else {
      rewritten += RewriteLine(text, file.lines.at(line), names->second, file.is_crt_list);
    }
    if (feed == std::string_view::npos) break;
    rewritten += '\n';
    rest.remove_prefix(feed + 1);
  }
  return rewritten;
}

}  // namespace holdfast::haproxy
