#include "agent/sources/haproxy/config_check.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>

#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/haproxy/follower.h"
#include "agent/sources/host/paths.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/text.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/io/subprocess.h"

namespace holdfast::haproxy {

namespace {

// Large configurations with many names to resolve take a while.
constexpr std::chrono::seconds kCheckTimeout{120};

constexpr std::string_view kBinary = "set the source's \"binary\" to HAProxy's program";

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// "[ALERT]    (4711) : config : parsing [file:line] : words" from "[file:line]" on.
std::string Message(std::string_view line) {
  const std::size_t colon = line.find(") : ");
  if (colon != std::string_view::npos) line.remove_prefix(colon + 4);
  for (std::string_view head : {"config : ", "parsing "}) {
    if (line.starts_with(head)) line.remove_prefix(head.size());
  }
  return std::string(line);
}

// The summary that HAProxy prints after the causes.
bool IsVerdict(const std::string& alert) {
  return alert.starts_with("Error(s) found in configuration file") ||
         alert.starts_with("Fatal errors found in configuration");
}

CheckVerdict ReadVerdict(const SubprocessOutcome& outcome, const std::string& mirror) {
  CheckVerdict verdict;
  verdict.is_accepted = outcome.exit_code == 0;
  std::vector<std::string>* last = nullptr;
  std::string text = outcome.err;
  if (!mirror.empty()) ReplaceAll(text, mirror, "");
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view line = TakePart(rest, '\n');
    if (line.starts_with("[ALERT]")) {
      last = &verdict.alerts;
    } else if (line.starts_with("[WARNING]")) {
      last = &verdict.warnings;
    } else if (line.starts_with("[")) {
      last = nullptr;
      continue;
    } else {
      // This line continues the last message.
      if (last != nullptr && !last->empty() && !line.empty()) {
        last->back() += fmt::format(" {}", line.substr(line.find_first_not_of(' ')));
      }
      continue;
    }
    last->push_back(Message(line));
  }
  const bool has_cause = !std::ranges::all_of(verdict.alerts, IsVerdict);
  if (has_cause) std::erase_if(verdict.alerts, IsVerdict);
  if (!verdict.is_accepted && verdict.alerts.empty()) {
    verdict.alerts.push_back(fmt::format("exit code {}", outcome.exit_code));
  }
  return verdict;
}

// PCRE's JIT compiler needs memory that MemoryDenyWriteExecute= denies us and our children. Then
// all alerts, including those about uses of the expression, are about this environment, not the
// file.
bool IsOfShutMemory(const std::string& alert) {
  return alert.find("jit compilation failed") != std::string::npos;
}

Result<CheckVerdict> RunCheck(const Settings& settings, const std::vector<std::string>& files,
                              const std::string& mirror, std::stop_token stop) {
  // Without "-q", which would suppress the alerts too.
  std::vector<std::string> argv = {settings.binary, "-c"};
  for (const std::string& file : files) {
    argv.emplace_back("-f");
    argv.push_back(file);
  }
  SubprocessOptions options;
  options.timeout = kCheckTimeout;
  options.environment.insert(settings.environment.begin(), settings.environment.end());
  options.directory = settings.directory;
  options.stop = std::move(stop);
  Result<SubprocessOutcome> outcome = RunProgram(argv, options);
  if (!outcome) {
    return Fail(
        std::move(outcome).error().While("check the configuration").WithHint(std::string(kBinary)));
  }
  CheckVerdict verdict = ReadVerdict(*outcome, mirror);
  if (std::ranges::any_of(verdict.alerts, IsOfShutMemory)) {
    return Fail(ErrorCode::kUnsupported,
                "haproxy cannot compile its regular expressions: this unit forbids memory that is "
                "writable and executable",
                "set MemoryDenyWriteExecute=no in a drop-in of this unit");
  }
  return verdict;
}

class Copier {
 public:
  Copier(std::string mirror, const std::set<std::string>& removed)
      : mirror_(std::move(mirror)), space_(mirror_, removed) {}

  Result<std::vector<std::string>> Run(const Settings& settings) {
    Followed followed = FollowConfig(settings.Follow(), space_);
    for (const Missing& missing : followed.missing) {
      return Fail(ErrorCode::kNotFound, fmt::format("{}: {}", Quote(missing.what), missing.reason));
    }
    for (const ConfigFile& file : followed.files) HF_TRY(CompleteDirectories(file));
    // Certificate lists and filter files first: their names are replaced by those of the copies.
    for (std::size_t i = followed.files.size(); i-- > 0;) HF_TRY(Copy(followed.files[i]));
    for (const auto& [text, place] : followed.listens) {
      std::vector<ListenAddress> some = ParseListenAddresses(text, place);
      listens_.insert(listens_.end(), some.begin(), some.end());
    }
    std::vector<std::string> copies;
    for (std::size_t i = 0; i < followed.config_files; ++i) {
      copies.push_back(mirror_ + followed.files[i].path);
    }
    return copies;
  }
  std::vector<ListenAddress> TakeListens() { return std::move(listens_); }

 private:
  // HAProxy loads whole directories, so live files that the mirror does not have are linked.
  Result<void> CompleteDirectories(const ConfigFile& file) {
    LiveFiles live;
    for (const NamedPath& name : file.names) {
      if (name.role != Role::kCertificate && name.role != Role::kAuthority &&
          name.role != Role::kDirectory) {
        continue;
      }
      std::string mirrored = mirror_ + name.path;
      if (live.Type(mirrored) != FileType::kDirectory) continue;
      HF_ASSIGN(std::vector<std::string> entries, space_.List(name.path));
      for (const std::string& entry : entries) {
        std::string link = fmt::format("{}/{}", mirrored, entry);
        if (host::Exists(link)) continue;
        std::string target = fmt::format("{}/{}", name.path, entry);
        if (::symlink(target.c_str(), link.c_str()) != 0 && errno != EEXIST) {
          return Fail(ErrnoError(errno, fmt::format("link {}", Quote(link))));
        }
      }
    }
    return {};
  }

  Result<void> Copy(const ConfigFile& file) {
    std::string copy = mirror_ + file.path;
    std::string content =
        RewriteNames(file, [this](const NamedPath& name) { return Replacement(name); });
    HF_TRY(MakeDirectories(ParentPath(copy), 0700));
    // WriteFileAtomic() renames over the link to the file.
    return WriteFileAtomic(copy, AsBytes(content), 0600);
  }

  std::string Replacement(const NamedPath& name) {
    std::string mirrored = mirror_ + name.path;
    switch (name.role) {
      case Role::kDefaultPath:
        // All known names are absolute by now. This is for names that the follower does not know.
        return host::Exists(mirrored) ? mirrored : host::Exists(name.path) ? name.path : "/";
      case Role::kOutput:
        return fmt::format("{}/.output-{}", mirror_, outputs_++);
      case Role::kLuaPath: {
        std::string directory = ParentPath(mirrored.substr(0, mirrored.find('?')));
        return host::Exists(directory) ? mirrored + ";" + name.path : name.path;
      }
      case Role::kCertificate:
        for (std::string_view suffix : kBundleSuffixes) {
          if (host::Exists(mirrored + std::string(suffix))) return mirrored;
        }
        break;
      default:
        break;
    }
    return host::Exists(mirrored) ? mirrored : name.path;
  }

  std::string mirror_;
  OverlaidFiles space_;
  std::vector<ListenAddress> listens_;
  int outputs_ = 0;
};

}  // namespace

Result<CheckVerdict> CheckMirror(const Settings& settings, const std::string& mirror,
                                 const std::set<std::string>& removed, std::stop_token stop) {
  Copier copier(mirror, removed);
  HF_ASSIGN(std::vector<std::string> files, copier.Run(settings));
  HF_ASSIGN(CheckVerdict verdict, RunCheck(settings, files, mirror, std::move(stop)));
  verdict.listens = copier.TakeListens();
  return verdict;
}

Result<CheckVerdict> CheckLive(const Settings& settings, std::stop_token stop) {
  Followed followed = FollowConfig(settings.Follow(), LiveFiles());
  bool has_output = false;
  for (const ConfigFile& file : followed.files) {
    for (const NamedPath& name : file.names) {
      has_output = has_output || name.role == Role::kOutput;
    }
  }
  if (!has_output) return RunCheck(settings, settings.config, "", std::move(stop));
  HF_ASSIGN(TempDir mirror, TempDir::Create("holdfast-haproxy"));
  return CheckMirror(settings, mirror.path(), {}, std::move(stop));
}

Result<std::string> AskVersion(const Settings& settings, std::stop_token stop) {
  SubprocessOptions options;
  options.stop = std::move(stop);
  Result<SubprocessOutcome> ran = RunProgram({settings.binary, "-v"}, options);
  if (!ran) return Fail(std::move(ran).error().WithHint(std::string(kBinary)));
  const SubprocessOutcome& outcome = *ran;
  constexpr std::string_view kLead = "version ";
  std::size_t at = outcome.out.find(kLead);
  if (outcome.exit_code != 0 || at == std::string::npos) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} does not answer \"-v\" like HAProxy", Quote(settings.binary)),
                std::string(kBinary));
  }
  std::size_t begin = at + kLead.size();
  return outcome.out.substr(begin, outcome.out.find_first_of(" \n", begin) - begin);
}

}  // namespace holdfast::haproxy
