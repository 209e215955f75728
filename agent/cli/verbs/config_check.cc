#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/session/mount_check.h"
#include "agent/jobs/session/source_session.h"
#include "agent/settings/policy.h"
#include "agent/settings/s3_options.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/io/fd.h"
#include "common/service/privileges.h"

namespace holdfast::cli {
namespace {

// What the policy lets restores do. Empty without a policy.
std::string PolicyText(const Policy& policy) {
  if (!policy.is_present) return "";
  std::string text =
      fmt::format("{}: valid: restore {}, {}, {}\n", policy.file, RestoreRightText(policy.restore),
                  FormatCount(policy.restore_roots.size(), "restore root"),
                  FormatCount(policy.restore_targets.size(), "restore target"));
  const auto add = [&text](std::string_view key, const std::vector<std::string>& values) {
    if (!values.empty()) text += fmt::format("  {}: {}\n", key, fmt::join(values, ", "));
  };
  add("in_place_roots", policy.in_place_roots);
  add("restore_special", SpecialRightNames(policy.restore_special));
  return text;
}

Json PolicyJson(const Policy& policy) {
  if (!policy.is_present) return nullptr;
  return {{"file", policy.file},
          {"restore", RestoreRightText(policy.restore)},
          {"in_place_roots", List(policy.in_place_roots)},
          {"restore_special", List(SpecialRightNames(policy.restore_special))}};
}

std::string ConfigCheckText(const AgentSettings& settings, const Policy& policy) {
  std::string text = fmt::format("{}: valid: node {}, {}, {}\n", settings.file, settings.node,
                                 FormatCount(settings.repositories.size(), "repository"),
                                 FormatCount(settings.sources.size(), "source"));
  text += PolicyText(policy);
  for (const std::string& warning : settings.warnings) text += "warning: " + warning + "\n";
  return text;
}

std::string ConfigCheckJson(const AgentSettings& settings, const Policy& policy) {
  Json document = Document("config check", 0);
  document["config"] = settings.file;
  document["node"] = settings.node;
  document["cluster"] = OrNull(settings.cluster);
  document["repositories"] = settings.repositories.size();
  document["sources"] = settings.sources.size();
  document["policy"] = PolicyJson(policy);
  document["warnings"] = List(settings.warnings);
  return Dump(document);
}

// Checks that the files named in a repository's options exist and are readable.
Result<void> CheckFilesOf(const RepositorySettings& repository) {
  for (const config::OptionSpec& option : S3Options()) {
    if (option.type != config::OptionType::kPath || !repository.values.Has(option.name)) continue;
    Result<Fd> file = OpenFile(repository.values.Text(option.name), O_RDONLY);
    if (!file) return repository.values.Invalid(option.name, file.error().message());
  }
  return {};
}

class ConfigCheckVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "--as",
                 .metavar = "USER",
                 .help = "open everything as this user; needs root",
                 .value = &as_user_});
  }

  bool stays_root() const override { return !as_user_.empty(); }  // drops root later
  bool expects_unit_credentials() const override { return true; }

  Result<int> Run(AgentProgram& program) override {
    if (!as_user_.empty()) {
      HF_ASSIGN(const ServiceUser user, FindUser(as_user_));
      HF_TRY(BecomeUser(user, KeptCapabilities::kReadAllFiles));
    }
    AgentSettings& settings = *program.settings();
    std::vector<Error> errors;
    for (const RepositorySettings& repository : settings.repositories) {
      CheckRepository(program, repository, errors);
    }
    for (const SourceSettings& source : settings.sources) {
      const auto opened = jobs::OpenSource(program.job(), *program.job().FindKind(source.kind),
                                           source.name, source.values);
      if (!opened) errors.push_back(opened.error());
      CheckPaths(program, source, errors);
    }
    CheckStateDirectory(settings.state_dir, errors);
    const auto policy =
        LoadPolicy(PolicyPath(settings), jobs::TargetMethodsOf(*program.context().kinds));
    if (!policy) errors.push_back(policy.error());
    if (!errors.empty()) {
      // The last error ends the verb and is shown there.
      for (std::size_t i = 0; i + 1 < errors.size(); ++i) program.ShowError(errors[i]);
      return Fail(std::move(errors.back()));
    }
    return program.Finish(
        kExitDone, [&] { return ConfigCheckText(settings, *policy); },
        [&] { return ConfigCheckJson(settings, *policy); });
  }

 private:
  static void CheckRepository(AgentProgram& program, const RepositorySettings& repository,
                              std::vector<Error>& errors) {
    if (repository.password_file.starts_with(kUnitCredentials)) {
      program.settings()->warnings.push_back(
          fmt::format("{} is a systemd credential: it cannot be checked outside the unit",
                      Quote(repository.password_file)));
    } else if (const auto password = jobs::ReadPassword(jobs::AddressOf(repository)); !password) {
      errors.push_back(password.error());
    }
    const auto storage = program.context().open_storage({repository.url, repository.s3});
    if (!storage) {
      errors.push_back(std::move(repository.values.Invalid("url", storage.error().message()))
                           .error()
                           .WithHint(storage.error().hint()));
    }
    if (const Result<void> files = CheckFilesOf(repository); !files) {
      errors.push_back(files.error());
    }
    const std::string path = repository.url.substr(repository.url.find(':') + 1);
    if (repository.url.starts_with("file:") && ::access(path.c_str(), F_OK) == 0 &&
        ::faccessat(AT_FDCWD, path.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
      errors.push_back(ErrnoError(errno, "write to repository " + Quote(repository.url)));
    }
  }

  // Mistyped paths are found here. `source list` finds what requires contacting the service.
  static void CheckPaths(AgentProgram& program, const SourceSettings& source,
                         std::vector<Error>& errors) {
    for (const auto& [option, path] : jobs::ConfiguredPaths(program.job(), source)) {
      struct stat status {};
      if (::stat(path.c_str(), &status) == 0) continue;
      const std::string why =
          errno == ENOENT ? "does not exist" : ErrnoError(errno, "cannot be examined").message();
      errors.push_back(std::move(source.values.Invalid(option, Quote(path) + " " + why))
                           .error()
                           .WithHint("create it, or correct the path"));
    }
    for (const Missing& unmounted : jobs::UnmountedPaths(program.job(), source)) {
      program.settings()->warnings.push_back(
          fmt::format("{}: {}: {}", source.label(), unmounted.what, unmounted.reason));
    }
  }

  static void CheckStateDirectory(const std::string& path, std::vector<Error>& errors) {
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return;  // the first run creates it
    if (::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
      errors.push_back(ErrnoError(errno, "write to the state directory " + Quote(path)));
    }
  }

  std::string as_user_;
};

}  // namespace

VerbEntry ConfigCheckEntry() {
  return {.text = {.names = {"config check"},
                   .section = "This node",
                   .summary = "check the configuration, and open everything that it names",
                   .examples = "  holdfast-agent config check --config agent.yaml\n"
                               "  holdfast-agent config check --as holdfast\n"},
          .make = MakeVerb<ConfigCheckVerb>};
}

}  // namespace holdfast::cli
