#include "agent/cli/agent_verb.h"

#include <charconv>

#include "common/base/format.h"

namespace holdfast::cli {
namespace {

// Parses "90s", "10m" or "2h".
Result<void> ParseWait(const std::string& text, std::chrono::seconds& wait) {
  constexpr std::int64_t kMax = 86'400;
  std::int64_t number = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  const std::string_view unit(end, static_cast<std::size_t>(last - end));
  const std::int64_t scale = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3'600 : 0;
  if (error != std::errc() || scale == 0 || number < 0 || number > kMax / scale) {
    return WrongOptions(
        fmt::format("{}; expected a time of at most 24h, e.g. 90s or 10m", Quote(text)));
  }
  wait = std::chrono::seconds(number * scale);
  return {};
}

}  // namespace

std::unexpected<Error> WrongOptions(std::string message) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message));
}

void AgentVerb::AddRepositoryChoice(OptionList& options) {
  options
      .Add({.names = "--repository",
            .metavar = "NAME",
            .help = "only this repository of the configuration",
            .value = &repository_})
      .Add({.names = "--repository-url",
            .metavar = "URL",
            .help = "this repository, without a configuration, e.g. file:/srv/backup/main",
            .value = &repository_url_})
      .Add({.names = "--password-file",
            .metavar = "FILE",
            .help = "with --repository-url: the file that holds its password",
            .value = &password_file_});
}

void AgentVerb::AddRetryLock(OptionList& options) {
  options.Add({.names = "--retry-lock",
               .metavar = "TIME",
               .help = "how long to wait for locks of other processes, e.g. 10m",
               .value = [this](const std::string& text) { return ParseWait(text, retry_lock_); }});
}

void AgentVerb::AddLatestRule(OptionList& options, const std::string& invalid_too) {
  options
      .Add({.names = "--allow-partial",
            .help = "let `latest` be a partial snapshot",
            .value = &latest_.allow_partial})
      .Add({.names = "--allow-invalid",
            .help = "let `latest` be an invalid snapshot" + invalid_too,
            .value = &latest_.allow_invalid});
}

void AgentVerb::AddSnapshot(OptionList& options, std::string& snapshot, const std::string& more) {
  options.Add(
      {.names = "snapshot",
       .metavar = "SNAPSHOT",
       .help = "the beginning of an id, latest:KIND/NAME[@HOST] or run:ULID:KIND/NAME" + more,
       .value = &snapshot,
       .is_required = true});
}

void AgentVerb::AddSourceFilter(OptionList& options, const std::string& purpose) {
  options.Add({.names = "--source",
               .metavar = "KIND/NAME[@HOST]",
               .help = purpose + "; * is allowed",
               .value = &source_filter_});
}

Result<void> AgentVerb::CheckSourceFilter() const {
  if (source_filter_.empty() || source_filter_.find('/') != std::string::npos) return {};
  return WrongOptions(fmt::format("source {}; expected kind/name or kind/name@host, * is allowed",
                                  Quote(source_filter_)));
}

Result<void> AgentVerb::Check() {
  if (repository_url_.empty() != password_file_.empty()) {
    return WrongOptions(repository_url_.empty() ? "--password-file requires --repository-url"
                                                : "--repository-url requires --password-file");
  }
  if (!repository_url_.empty()) {
    if (!globals_.config.empty()) {
      return WrongOptions("--repository-url and --config exclude each other");
    }
    if (!repository_.empty()) {
      return WrongOptions("--repository-url and --repository exclude each other");
    }
  }
  return CheckOptions();
}

}  // namespace holdfast::cli
