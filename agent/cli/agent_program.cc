#include "agent/cli/agent_program.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <utility>

#include "agent/cli/report.h"
#include "agent/daemon/restore_helper.h"
#include "agent/daemon/service_owner.h"
#include "agent/jobs/session/snapshot_finder.h"
#include "agent/settings/s3_options.h"
#include "common/base/format.h"
#include "common/base/log.h"
#include "common/base/nearest.h"
#include "common/base/ulid.h"
#include "common/io/trusted_path.h"

namespace holdfast::cli {
namespace {

// With --repository-url there is no place in a configuration, so messages name this flag.
constexpr const char* kPasswordFlag = "--password-file";
constexpr const char* kConfigVariable = "HOLDFAST_AGENT_CONFIG";

}  // namespace

AgentProgram::AgentProgram(const ProgramContext& context, const GlobalOptions& globals,
                           AgentVerb& verb, std::string verb_name)
    : context_(context), globals_(globals), verb_(verb), verb_name_(std::move(verb_name)) {
  config_file_ = globals.config;
  if (config_file_.empty()) {
    const auto variable = context.environment.find(kConfigVariable);
    const bool is_set = variable != context.environment.end() && !variable->second.empty();
    config_file_ = is_set ? variable->second : kDefaultConfig;
  }
}

int AgentProgram::Run() {
  const std::string run = MakeUlid(*context_.clock, *context_.random);
  SetUpLog();
  // A daemon's log lines name their own runs.
  std::optional<LogRun> scope;
  if (!verb_.is_daemon() && !IsLogForPerson()) scope.emplace(run);
  Result<int> code = Start(run);
  if (code) return *code;
  const int exit_code = ExitCodeOf(code.error());
  ShowError(code.error());
  if (is_json()) (void)terminal().WriteOut(ErrorJson(verb_name_, code.error(), exit_code));
  return exit_code;
}

config::Environment AgentProgram::ConfigEnvironment() const {
  config::Environment environment = context_.environment;
  if (verb_.expects_unit_credentials()) {
    environment.emplace("CREDENTIALS_DIRECTORY", kUnitCredentials);
  }
  return environment;
}

// Root acts on the configuration, so no other user may be able to change it.
Result<void> AgentProgram::CheckConfigOwner() const {
  if (::geteuid() != 0) return {};
  std::error_code failure;
  const std::string path = std::filesystem::absolute(config_file_, failure);
  const Result<Fd> file = OpenTrustedFile(path);
  if (file || file.error().code() == ErrorCode::kNotFound) return {};  // LoadSettings() reports it
  return Fail(Error(file.error()).While("read the configuration as root"));
}

Result<void> AgentProgram::UseOwnState() {
  job_settings_ = settings_;
  const std::string own = agent::OwnStateDirectory(settings_->state_dir);
  if (own == settings_->state_dir) return {};
  const Result<void> prepared = agent::PrepareHelperDirectory(*settings_);
  if (verb_.stays_root()) {
    job_settings_->state_dir = own;
    return prepared;
  }
  // The agent's user can do without it, except for locks, whose errors say what is missing.
  if (!prepared) Log(LogLevel::kWarning, "{}", prepared.error().Text());
  return agent::BecomeOwnerOfState(settings_->state_dir);
}

bool AgentProgram::HasNoConfigYet() const {
  return verb_.works_without_config() && ::access(config_file_.c_str(), F_OK) != 0 &&
         errno == ENOENT;
}

bool AgentProgram::IsLogForPerson() const { return !verb_.is_daemon() && !globals_.log_level; }

void AgentProgram::SetUpLog() {
  LogOptions options;
  options.target = globals_.log_target;
  options.program = "holdfast-agent";
  if (auto stream = context_.environment.find("JOURNAL_STREAM");
      stream != context_.environment.end()) {
    options.journal_stream = stream->second;
  }
  options.write_line = [this](std::string_view line) { terminal().WriteErrorLine(line); };
  options.level = globals_.log_level.value_or(LogLevel::kWarning);
  options.is_interactive = IsLogForPerson();
  is_journal_ = SetUpLogging(options, *context_.clock) == LogTarget::kJournald;
  if ((is_journal_ || verb_.is_daemon()) && !globals_.log_level) {
    // As a service, the verb must leave a record in the journal.
    options.level = LogLevel::kInfo;
    options.target = is_journal_ ? LogTarget::kJournald : LogTarget::kStderr;
    (void)SetUpLogging(options, *context_.clock);
  }
}

Result<int> AgentProgram::Start(const std::string& run) {
  schemas_ = jobs::SchemasOf(*context_.kinds);
  if (verb_.repository_url().empty() && !HasNoConfigYet()) {
    HF_TRY(CheckConfigOwner());
    HF_ASSIGN(settings_, LoadSettings(config_file_, ConfigEnvironment(), schemas_));
    for (const std::string& warning : settings_->warnings) {
      Log(LogLevel::kWarning, "{}", warning);
    }
    HF_TRY(UseOwnState());
  }
  job_.settings = job_settings_ ? &*job_settings_ : nullptr;
  if (settings_) bandwidth_ = jobs::Bandwidth(*settings_, *context_.clock);
  job_.bandwidth = &bandwidth_;
  job_.kinds = context_.kinds;
  job_.clock = context_.clock;
  job_.random = context_.random;
  job_.stop = context_.stop;
  job_.run = run;
  job_.user = context_.lock_options.holder.user;
  job_.open_storage = context_.open_storage;
  job_.lock_options = context_.lock_options;
  // Only for a user who waits. The daemon's jobs have other contexts.
  job_.first_answer_within = std::chrono::seconds(20);
  job_.retry_lock = verb_.retry_lock();
  job_.latest = verb_.latest();
  printer_.emplace(Style(), terminal(), *context_.clock);
  job_.observer = &*printer_;
  Log(LogLevel::kInfo, "{} begins", verb_name_);
  Result<int> code = verb_.Run(*this);
  printer_.reset();
  if (code) Log(LogLevel::kInfo, "{} ends with exit code {}", verb_name_, *code);
  return code;
}

ProgressStyle AgentProgram::Style() const {
  if (globals_.json) return ProgressStyle::kJson;
  if (is_journal_) return ProgressStyle::kLog;
  return context_.terminal->errors_are_live() ? ProgressStyle::kLive : ProgressStyle::kPlain;
}

Result<std::vector<jobs::RepositoryAddress>> AgentProgram::Repositories() const {
  std::vector<jobs::RepositoryAddress> addresses;
  if (!settings_) {
    HF_ASSIGN(jobs::RepositoryAddress address,
              AddressOfUrl(verb_.repository_url(), verb_.password_file(), kPasswordFlag));
    addresses.push_back(std::move(address));
    return addresses;
  }
  if (!verb_.repository().empty()) {
    HF_ASSIGN(jobs::RepositoryAddress address, NamedRepository(verb_.repository()));
    addresses.push_back(std::move(address));
    return addresses;
  }
  for (const RepositorySettings& repository : settings_->repositories) {
    addresses.push_back(jobs::AddressOf(repository));
  }
  if (!addresses.empty()) return addresses;
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("no repositories in {}; expected at least one", Quote(settings_->file)));
}

Result<jobs::RepositoryAddress> AgentProgram::OneRepository(const std::string& other) const {
  HF_ASSIGN(std::vector<jobs::RepositoryAddress> repositories, Repositories());
  if (repositories.size() > 1) {
    std::erase_if(repositories, [&](const auto& one) { return one.name == other; });
  }
  if (repositories.size() == 1) return std::move(repositories.front());
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} has {}; expected --repository NAME", Quote(settings_->file),
                          FormatCount(settings_->repositories.size(), "repository")),
              fmt::format("configured: {}", RepositoryNames()));
}

Result<jobs::RepositoryAddress> AgentProgram::RepositoryOf(
    const std::vector<std::string>& snapshots) const {
  if (!verb_.repository().empty() || snapshots.empty()) return OneRepository();
  const RepositorySettings* own = jobs::OwnRepository(job_, snapshots.front());
  const bool is_own = std::ranges::all_of(snapshots, [&](const std::string& snapshot) {
    return jobs::OwnRepository(job_, snapshot) == own;
  });
  if (own == nullptr || !is_own) return OneRepository();
  return jobs::AddressOf(*own);
}

Result<jobs::RepositoryAddress> AgentProgram::NamedRepository(const std::string& name) const {
  HF_CHECK(settings_);
  const RepositorySettings* found = settings_->FindRepository(name);
  if (found != nullptr) return jobs::AddressOf(*found);
  return Fail(UnknownRepository(name));
}

Error AgentProgram::UnknownRepository(const std::string& name) const {
  std::vector<std::string> known;
  for (const RepositorySettings& repository : settings_->repositories) {
    known.push_back(repository.name);
  }
  const std::string message =
      fmt::format("no repository {} in {}", Quote(name), Quote(settings_->file));
  return Error(ErrorCode::kInvalidArgument, WithSuggestion(message, name, known))
      .WithHint(fmt::format("configured: {}", RepositoryNames()));
}

Result<jobs::RepositoryAddress> AgentProgram::AddressOfUrl(const std::string& url,
                                                           const std::string& password_file,
                                                           const char* password_flag) const {
  jobs::RepositoryAddress address;
  address.url = url;
  HF_ASSIGN(std::string directory, WorkingDirectory());
  if (address.url.starts_with("file:") && !address.url.starts_with("file:/")) {
    address.url = fmt::format("file:{}/{}", directory, address.url.substr(5));
  }
  address.s3.credentials.variables = S3Variables(context_.environment);
  address.password_file = password_file;
  address.password_place = password_flag;
  return address;
}

std::string AgentProgram::RepositoryNames() const {
  const std::string names = JoinTexts(settings_->repositories, &RepositorySettings::name);
  return names.empty() ? "none" : names;
}

Result<int> AgentProgram::FinishList(const std::string& list,
                                     const std::function<Result<std::string>(ListOutput&)>& run) {
  ListOutput out(terminal(), is_json(), list);
  Result<std::string> rest = run(out);
  EndProgress();
  if (!rest && !out.has_entries()) return Fail(std::move(rest).error());
  int code = kExitDone;
  if (!rest) {
    ShowError(rest.error());
    code = ExitCodeOf(rest.error(), true);
    rest = is_json() ? ErrorJson(verb_name_, rest.error(), code) : "";
  }
  const Result<void> written = out.End(*rest);
  if (written) return code;
  if (code == kExitDone) ShowError(written.error());
  return code == kExitDone ? kExitFailed : code;
}

void AgentProgram::ShowError(const Error& error) {
  if (is_journal_) return LogText(LogLevel::kError, error.Text());
  terminal().WriteErrorLine("holdfast-agent: " + Printable(error.message()));
  if (!error.hint().empty()) terminal().WriteErrorLine("hint: " + Printable(error.hint()));
}

Result<std::string> WorkingDirectory() {
  std::error_code failure;
  std::filesystem::path directory = std::filesystem::current_path(failure);
  if (failure) return Fail(ErrnoError(failure.value(), "find the working directory"));
  return directory.string();
}

Result<std::string> AbsolutePath(const std::string& path) {
  HF_ASSIGN(const std::string directory, WorkingDirectory());
  return (std::filesystem::path(directory) / path).lexically_normal().string();
}

}  // namespace holdfast::cli
