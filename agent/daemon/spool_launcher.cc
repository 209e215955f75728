#include "agent/daemon/spool_launcher.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <ranges>
#include <thread>
#include <utility>
#include <vector>

#include "agent/daemon/restore_progress.h"
#include "agent/daemon/state_paths.h"
#include "common/base/format.h"
#include "common/base/log.h"
#include "common/base/wait.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/io/subprocess.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::size_t kOutcomeBytesMax = 2U << 20;
// Limit for all root documents in a ticket, which has at most 4 MiB. One has a few hundred bytes.
constexpr std::size_t kRootBytesMax = 2U << 20;
constexpr std::chrono::milliseconds kLookEvery{200};
constexpr std::chrono::seconds kProgressEvery{1};
// After this time without a helper, a warning is logged once.
constexpr std::chrono::seconds kPatience{60};

class SpoolLauncher final : public RestoreLauncher {
 public:
  SpoolLauncher(const AgentSettings& settings, const Clock& clock)
      : settings_(settings), clock_(clock) {}

  Result<RestoreOutcome> Run(const Bytes& plan_id, const Bytes& envelope, const Bytes& fresh,
                             bool resumed, const std::stop_token& stop,
                             const std::function<void(event::TaskProgress)>& on_progress) override {
    // After a crash, the helper may have finished already.
    if (resumed) {
      HF_ASSIGN(std::optional<RestoreOutcome> outcome, ReadOutcome(plan_id));
      if (outcome) return *std::move(outcome);
    }
    HF_TRY(WriteTicket(plan_id, envelope, fresh));
    // The helper runs until all restores are done, and Await() reads its progress.
    std::jthread helper;
    if (::geteuid() == 0) helper = std::jthread([this] { StartHelper(); });
    return Await(plan_id, stop, on_progress);
  }

 private:
  Result<void> WriteTicket(const Bytes& plan_id, const Bytes& envelope, const Bytes& fresh) {
    v1::RestoreTicket ticket;
    ticket.set_plan(std::string(AsText(envelope)));
    ticket.set_fresh(std::string(AsText(fresh)));
    HF_TRY(AddRoots(ticket));
    return WriteFileAtomic(PlanPath(settings_.state_dir, plan_id),
                           AsBytes(ticket.SerializeAsString()), 0640);
  }

  Result<void> AddRoots(v1::RestoreTicket& ticket) {
    std::vector<std::pair<std::uint64_t, std::string>> roots;
    std::error_code failure;
    for (const auto& entry :
         std::filesystem::directory_iterator(RootsDirectory(settings_.state_dir), failure)) {
      roots.emplace_back(std::strtoull(entry.path().stem().c_str(), nullptr, 10),
                         entry.path().string());
    }
    std::ranges::sort(roots, std::greater<>());
    // The helper may have taken none since joining, and needs all later versions in order.
    std::size_t bytes = 0;
    std::vector<std::string> newest_first;
    for (const auto& [version, path] : roots) {
      HF_ASSIGN(const Bytes root, ReadWholeFile(path));
      bytes += root.size();
      if (bytes > kRootBytesMax) break;
      newest_first.emplace_back(AsText(root));
    }
    for (std::string& root : newest_first | std::views::reverse) ticket.add_roots(std::move(root));
    return {};
  }

  // The helper executes all stored plans one after another, then exits.
  void StartHelper() {
    SubprocessOptions options;
    options.timeout = std::chrono::hours(24);
    Result<SubprocessOutcome> ended =
        RunProgram({"/proc/self/exe", "restore-helper", "--config", settings_.file}, options);
    if (!ended) {
      Log(LogLevel::kError, "restore helper: {}", ended.error().Text());
    } else if (ended->exit_code != 0) {
      Log(LogLevel::kError, "restore helper: {}", ended->err);
    }
  }

  Result<RestoreOutcome> Await(const Bytes& plan_id, const std::stop_token& stop,
                               const std::function<void(event::TaskProgress)>& on_progress) {
    const std::string plan = PlanPath(settings_.state_dir, plan_id);
    const Instant impatient = clock_.Monotonic() + kPatience;
    bool is_said = false;
    Instant next_progress = clock_.Monotonic();
    for (;;) {
      HF_ASSIGN(std::optional<RestoreOutcome> outcome, ReadOutcome(plan_id));
      if (outcome) return *std::move(outcome);
      if (clock_.Monotonic() >= next_progress) {
        next_progress = clock_.Monotonic() + kProgressEvery;
        if (auto progress = ReadRestoreProgress(ProgressPath(settings_.state_dir, plan_id))) {
          on_progress(*std::move(progress));
        }
      }
      // The helper removes the plan when it begins. Until then it can be withdrawn.
      if (stop.stop_requested() && ::unlink(plan.c_str()) == 0) {
        return Fail(ErrorCode::kCancelled,
                    "stopped by request, before the restore helper took the order");
      }
      if (!is_said && clock_.Monotonic() >= impatient && ::access(plan.c_str(), F_OK) == 0) {
        Log(LogLevel::kWarning,
            "the restore helper has not taken {} yet; is holdfast-restore.path enabled on this "
            "node?",
            plan);
        is_said = true;
      }
      // With a stop requested, WaitFor() would return at once.
      (void)WaitFor(kLookEvery, stop.stop_requested() ? std::stop_token() : stop);
    }
  }

  Result<std::optional<RestoreOutcome>> ReadOutcome(const Bytes& plan_id) {
    const std::string path = OutcomePath(settings_.state_dir, plan_id);
    Result<Bytes> bytes = ReadWholeFile(path, kOutcomeBytesMax);
    if (!bytes) {
      if (bytes.error().code() == ErrorCode::kNotFound) return std::nullopt;
      return Fail(std::move(bytes).error());
    }
    v1::Report report;
    const bool is_read = report.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()));
    RestoreOutcome outcome;
    if (is_read && report.has_restored()) {
      outcome.restored = ToBytes(report.restored().SerializeAsString());
      return outcome;
    }
    if (is_read && report.has_failed()) {
      const v1::Failure& failed = report.failed();
      outcome.failure = TaskError{.code = failed.code(),
                                  .message = failed.message(),
                                  .hint = failed.hint(),
                                  .retryable = failed.retryable(),
                                  .began = failed.began(),
                                  .rolled_back = failed.rolled_back()};
      return outcome;
    }
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} was not written by this version's restore helper", Quote(path)),
                "see the helper's log for how the restore ended");
  }

  const AgentSettings& settings_;
  const Clock& clock_;
};

}  // namespace

Result<std::unique_ptr<RestoreLauncher>> OpenSpoolLauncher(const AgentSettings& settings,
                                                           const Clock& clock) {
  HF_TRY(MakeDirectories(RestoresDirectory(settings.state_dir), 0750));
  return std::make_unique<SpoolLauncher>(settings, clock);
}

}  // namespace holdfast::agent
