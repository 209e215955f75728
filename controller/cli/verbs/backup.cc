#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

constexpr std::int64_t kSplayMsMax = 24LL * 3600 * 1000;

// "10m", "90s", "1h" as milliseconds.
Result<std::chrono::milliseconds> ParseTimeSpan(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  auto [rest, failure] = std::from_chars(text.data(), end, number);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const std::int64_t factor = unit == "s"   ? 1'000
                              : unit == "m" ? 60'000
                              : unit == "h" ? 3'600'000
                                            : 0;
  if (failure != std::errc() || factor == 0 || number < 0 || number > kSplayMsMax / factor) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}; expected a time like 90s, 10m or 1h, at most 24h", Quote(text)));
  }
  return std::chrono::milliseconds(number * factor);
}

class BackupVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddSelectors(options, "which sources, * allowed");
    options.Add({.names = "--all", .help = "all sources of all nodes", .value = &all_});
    AddNote(options, "text to keep with the snapshots");
    options
        .Add({.names = "--if-busy",
              .metavar = "fail|queue",
              .help = "if a source is in use: fail (default) or queue",
              .value = &if_busy_})
        .Add({.names = "--splay",
              .metavar = "TIME",
              .help = "spread the backups over this time, e.g. 10m",
              .value = [this](const std::string& text) -> Result<void> {
                HF_ASSIGN(splay_, ParseTimeSpan(text));
                return {};
              }});
    AddNoWait(options);
  }

  Result<int> Run(Session& session) override {
    v1::AdminRequest request;
    v1::RunRequest& run = *request.mutable_run();
    run.set_kind(v1::ORDER_KIND_BACKUP);
    for (const std::string& selector : selectors_) run.add_selectors(selector);
    run.set_queue_if_busy(if_busy_ == "queue");
    run.set_splay_ms(static_cast<std::uint32_t>(splay_.count()));
    run.set_note(note_);
    HF_ASSIGN(const std::vector<std::string> runs, session.MakeRuns(std::move(request)));
    return session.FollowAndFinish(runs);
  }

 protected:
  Result<void> CheckOptions() override {
    if (all_ && !selectors_.empty()) {
      return WrongUsage("--all and single sources exclude each other");
    }
    if (!all_ && selectors_.empty()) {
      return WrongUsage("no source named; expected kind/name, or --all");
    }
    if (!if_busy_.empty() && if_busy_ != "fail" && if_busy_ != "queue") {
      return WrongUsage(fmt::format("--if-busy {}; expected fail or queue", Quote(if_busy_)));
    }
    return {};
  }

 private:
  bool all_ = false;
  std::string if_busy_;
  std::chrono::milliseconds splay_{0};
};

}  // namespace

OperatorVerbEntry BackupEntry() {
  return {.text = {.names = {"backup"},
                   .section = "Back up, browse and restore",
                   .summary = "back up sources, one snapshot each",
                   .examples = "  holdfast backup --all\n"
                               "  holdfast backup etcd/main 'files/*@web-1' --note \"before 3.6\"\n"
                               "  holdfast backup --all --if-busy queue --no-wait --splay 10m\n"},
          .make = MakeOperatorVerb<BackupVerb>};
}

}  // namespace holdfast::cli::cluster
