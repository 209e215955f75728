#include "agent/sources/haproxy/process.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <string_view>
#include <utility>

#include "agent/sources/haproxy/runtime_api.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/number.h"
#include "common/base/text.h"
#include "common/io/fd.h"
#include "common/io/subprocess.h"

namespace holdfast::haproxy {

namespace {

using std::chrono::milliseconds;

// HAProxy parses the configuration and resolves names before it starts the new worker.
constexpr std::chrono::seconds kReloadTimeout{60};
constexpr std::chrono::seconds kReadyTimeout{20};
constexpr milliseconds kProcessPoll{20};
// A worker that cannot start (its user or chroot is missing) ends within this time.
constexpr milliseconds kSettle{500};
constexpr milliseconds kVerdict{2'000};  // from a worker's end to the master's report of it

// Empty if the file cannot be read: the process has ended, or belongs to another user.
std::string ReadProc(pid_t pid, std::string_view name) {
  Result<Bytes> content = ReadWholeFile(fmt::format("/proc/{}/{}", pid, name));
  return content ? std::string(AsText(*content)) : std::string();
}

std::string CommandName(pid_t pid) {
  std::string name = ReadProc(pid, "comm");
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

// Fields of /proc/PID/stat from the third on, which follows the name in parentheses.
std::vector<std::string> StatFields(pid_t pid) {
  std::string stat = ReadProc(pid, "stat");
  std::vector<std::string> fields;
  std::size_t at = stat.rfind(')');
  if (at == std::string::npos) return fields;
  at += 2;
  while (at < stat.size()) {
    std::size_t end = std::min(stat.find_first_of(" \n", at), stat.size());
    fields.push_back(stat.substr(at, end - at));
    at = end + 1;
  }
  return fields;
}

// Whether SIGUSR2 is in a signal set of /proc/PID/status, e.g. "SigCgt".
bool HasReloadSignal(const std::string& status, std::string_view set) {
  std::size_t at = status.find(fmt::format("{}:\t", set));
  if (at == std::string::npos) return false;
  std::string_view mask = std::string_view(status).substr(at + set.size() + 2);
  mask = mask.substr(0, mask.find('\n'));
  std::optional<std::uint64_t> signals = ParseWhole<std::uint64_t>(mask, 16);
  return signals && ((*signals >> (SIGUSR2 - 1)) & 1U) != 0;
}

// A master re-executes itself on SIGUSR2, which would kill any other HAProxy process. While a
// master restarts, it blocks the signal.
bool HandlesReloadSignal(pid_t pid) {
  std::string status = ReadProc(pid, "status");
  return HasReloadSignal(status, "SigCgt") || HasReloadSignal(status, "SigBlk");
}

// False for a master that is still restarting, e.g. after a configuration that it refused. It
// ignores the signal then, and the reload is lost (HAProxy 2.6: 12 of 12 times).
bool IsReadyToReload(pid_t pid) {
  std::string status = ReadProc(pid, "status");
  return HasReloadSignal(status, "SigCgt") && !HasReloadSignal(status, "SigBlk");
}

// Searches by parent, because the kernel may be built without task/*/children.
std::vector<Worker> Workers(pid_t master) {
  std::vector<Worker> workers;
  std::string name = CommandName(master);
  const Result<std::vector<std::string>> processes = NamesIn("/proc");
  if (!processes) return workers;
  for (const std::string& process : *processes) {
    std::optional<pid_t> pid = ParseWhole<pid_t>(process);
    if (!pid) continue;
    std::vector<std::string> fields = StatFields(*pid);
    // state, ppid, ...; starttime is field 22. Zombies do not count. Programs that the master
    // starts ("program" sections) have other names.
    if (fields.size() < 20 || fields[1] != std::to_string(master)) continue;
    if (fields[0] == "Z" || CommandName(*pid) != name) continue;
    workers.push_back({*pid, ParseWhole<std::uint64_t>(fields[19]).value_or(0)});
  }
  return workers;
}

// "HAPROXY_PROCESSES=|type=m;...;failedreloads=1;...|type=w;..." in the master's environment.
std::optional<long> FailedReloads(pid_t master) {
  std::string environment = ReadProc(master, "environ");
  std::size_t at = environment.find("HAPROXY_PROCESSES=");
  if (at == std::string::npos) return std::nullopt;
  std::string_view processes = environment.c_str() + at;
  at = processes.find("|type=m;");
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view fields = processes.substr(at + 1);
  fields = fields.substr(0, fields.find('|'));
  constexpr std::string_view kName = ";failedreloads=";
  at = fields.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  fields = fields.substr(at + kName.size());
  return ParseWhole<long>(fields.substr(0, fields.find(';')));
}

Result<Fd> OpenPid(pid_t pid) {
  long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return Fail(ErrnoError(errno, fmt::format("watch process {}", pid)));
  return Fd(static_cast<int>(fd));
}

// Whether one of the processes ends within `time`.
bool EndsWithin(std::initializer_list<int> pid_fds, milliseconds time) {
  std::vector<pollfd> polled;
  for (int fd : pid_fds) polled.push_back({fd, POLLIN, 0});
  return ::poll(polled.data(), polled.size(), static_cast<int>(time.count())) > 0;
}

// Sends one command to the master and reads the whole answer.
Result<std::string> AskMaster(const std::string& path, std::string_view command, const Clock& clock,
                              const std::stop_token& stop) {
  HF_ASSIGN(Fd fd, ConnectSocket(path));
  HF_TRY(WriteAll(fd.get(), AsBytes(fmt::format("{}\n", command)), path));
  std::string answer;
  std::array<std::uint8_t, 4096> buffer{};
  Instant deadline = clock.Monotonic() + kReloadTimeout;
  for (;;) {
    HF_TRY(CheckStop(stop));
    if (clock.Monotonic() >= deadline) {
      return Fail(ErrorCode::kTimedOut,
                  fmt::format("the master socket {} does not answer", Quote(path)));
    }
    pollfd polled{fd.get(), POLLIN, 0};
    if (::poll(&polled, 1, static_cast<int>(kProcessPoll.count())) == 0) continue;
    Result<std::size_t> length = ReadSome(fd.get(), buffer, path);
    // Older masters close the connection without an answer when they restart.
    if (!length || *length == 0) return answer;
    answer += AsText(ByteView(buffer).first(*length));
  }
}

Result<std::map<std::string, std::string>> ShowUnit(const std::string& unit, std::stop_token stop) {
  SubprocessOptions options;
  options.stop = std::move(stop);
  HF_ASSIGN(
      SubprocessOutcome outcome,
      RunProgram({"systemctl", "show", "--property=LoadState,ActiveState,MainPID", "--", unit},
                 options));
  if (outcome.exit_code != 0) {
    return Fail(ErrorCode::kUnavailable,
                fmt::format("systemctl cannot show {}: {}", Quote(unit), outcome.err));
  }
  std::map<std::string, std::string> properties;
  std::string_view rest = outcome.out;
  while (!rest.empty()) {
    std::string_view line = TakePart(rest, '\n');
    std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    properties[std::string(line.substr(0, equals))] = std::string(line.substr(equals + 1));
  }
  return properties;
}

Result<pid_t> PidFromFile(const std::string& path) {
  Result<Bytes> content = ReadWholeFile(path, 4096);
  if (!content) {
    if (content.error().code() == ErrorCode::kNotFound) return 0;
    return Fail(std::move(content).error());
  }
  std::string_view text = AsText(*content);
  text = text.substr(0, text.find_first_of(" \n"));
  std::optional<pid_t> pid = ParseWhole<pid_t>(text);
  if (!pid || *pid <= 1) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} does not contain a process id", Quote(path)),
                "correct the source's \"reload\"");
  }
  std::string name = CommandName(*pid);
  if (name.empty()) return 0;
  // A stale file may name another process. "hapee" is the enterprise edition.
  if (name.find("haproxy") == std::string::npos && name.find("hapee") == std::string::npos) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("process {} named in {} is {}, not HAProxy", *pid, Quote(path), Quote(name)),
        "remove the file if HAProxy does not run, or correct the source's \"reload\"");
  }
  return *pid;
}

Result<pid_t> PidOfSocket(const std::string& path) {
  Result<Fd> fd = ConnectSocket(path);
  if (!fd) {
    // No socket, or no process listens on it.
    ErrorCode code = fd.error().code();
    if (code == ErrorCode::kNotFound || code == ErrorCode::kUnavailable) return 0;
    return Fail(std::move(fd).error());
  }
  ucred peer{};
  socklen_t length = sizeof(peer);
  if (::getsockopt(fd->get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return Fail(ErrnoError(errno, fmt::format("find the process that listens on {}", Quote(path))));
  }
  return peer.pid;
}

}  // namespace

Result<pid_t> Process::FindMaster(std::stop_token stop) const {
  if (method_.via == ReloadMethod::Via::kPidFile) return PidFromFile(method_.target);
  if (method_.via == ReloadMethod::Via::kMasterSocket) return PidOfSocket(method_.target);
  HF_ASSIGN(auto properties, ShowUnit(method_.target, std::move(stop)));
  if (properties["LoadState"] == "not-found") {
    return Fail(ErrorCode::kNotFound, fmt::format("unit {} does not exist", Quote(method_.target)),
                "correct the source's \"reload\"");
  }
  const std::string& active = properties["ActiveState"];
  if (active != "active" && active != "reloading") return 0;
  return ParseWhole<pid_t>(properties["MainPID"]).value_or(0);
}

Result<ProcessState> Process::Look(std::stop_token stop) const {
  ProcessState state;
  HF_ASSIGN(state.master, FindMaster(std::move(stop)));
  if (state.master == 0 || (::kill(state.master, 0) != 0 && errno == ESRCH)) {
    state.master = 0;
    return state;
  }
  if (!HandlesReloadSignal(state.master)) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("process {} of {} is not an HAProxy master process", state.master,
                            Quote(method_.Text())),
                "run HAProxy in master-worker mode (-W or -Ws), and name its master");
  }
  if (method_.via == ReloadMethod::Via::kPidFile && ::kill(state.master, 0) != 0) {
    return Fail(ErrnoError(errno, fmt::format("signal HAProxy's master process {}", state.master))
                    .WithHint("restore as root or as HAProxy's user"));
  }
  state.is_running = true;
  state.workers = Workers(state.master);
  state.failed_reloads = FailedReloads(state.master);
  return state;
}

Result<void> Process::AwaitReady(pid_t master, const std::stop_token& stop) const {
  const Instant deadline = clock_.Monotonic() + kReadyTimeout;
  HF_ASSIGN(const Fd watched, OpenPid(master));
  while (!IsReadyToReload(master)) {
    HF_TRY(CheckStop(stop));
    if (EndsWithin({watched.get()}, kProcessPoll)) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("HAProxy's master process {} has ended", master),
                  "see HAProxy's log");
    }
    if (clock_.Monotonic() >= deadline) {
      return Fail(ErrorCode::kTimedOut,
                  fmt::format("HAProxy's master process {} did not reload for {}", master,
                              FormatDuration(kReadyTimeout)),
                  "see HAProxy's log");
    }
  }
  return {};
}

Result<void> Process::Reload(const ProcessState& before, std::stop_token stop) const {
  if (method_.via != ReloadMethod::Via::kMasterSocket) HF_TRY(AwaitReady(before.master, stop));
  switch (method_.via) {
    case ReloadMethod::Via::kPidFile:
      if (::kill(before.master, SIGUSR2) != 0) {
        return Fail(ErrnoError(errno, fmt::format("signal process {}", before.master)));
      }
      return {};
    case ReloadMethod::Via::kMasterSocket: {
      HF_ASSIGN(std::string answer, AskMaster(method_.target, "reload", clock_, stop));
      // Since 2.7 the answer is the outcome. Before, it can only be a refusal for lack of rights.
      if (answer.starts_with("Success=1")) return {};
      if (answer.find_first_not_of(" \n\r") == std::string::npos) return {};
      return Fail(ErrorCode::kUnavailable, fmt::format("HAProxy did not reload: {}", answer));
    }
    case ReloadMethod::Via::kSystemd:
      break;
  }
  SubprocessOptions options;
  options.timeout = kReloadTimeout;
  options.stop = std::move(stop);
  HF_ASSIGN(SubprocessOutcome outcome,
            RunProgram({"systemctl", "reload", "--", method_.target}, options));
  if (outcome.exit_code == 0) return {};
  return Fail(ErrorCode::kUnavailable,
              fmt::format("\"systemctl reload {}\" failed: {}", method_.target, outcome.err),
              fmt::format("see \"journalctl -u {}\"", method_.target));
}

Result<void> Process::AwaitReload(const ProcessState& before, const std::stop_token& stop) const {
  const Instant deadline = clock_.Monotonic() + kReloadTimeout;
  Result<Fd> master = OpenPid(before.master);
  auto gone = [&] {
    return Fail(ErrorCode::kUnavailable,
                fmt::format("HAProxy's master process {} ended while it reloaded", before.master),
                "see HAProxy's log");
  };
  if (!master) return gone();
  std::vector<Worker> known = before.workers;
  std::optional<Worker> ended;  // a new child that has ended
  Instant verdict{};            // deadline for the master's report on it
  for (;;) {
    HF_TRY(CheckStop(stop));
    for (const Worker& worker : Workers(before.master)) {
      if (std::find(known.begin(), known.end(), worker) != known.end()) continue;
      Result<Fd> fd = OpenPid(worker.pid);
      if (fd && !EndsWithin({master->get(), fd->get()}, kSettle)) return {};
      if (EndsWithin({master->get()}, milliseconds(0))) return gone();
      // Perhaps not a worker but a helper of the master, or a worker that it replaces.
      known.push_back(worker);
      if (!ended) verdict = clock_.Monotonic() + kVerdict;
      ended = worker;
    }
    std::optional<long> failed = FailedReloads(before.master);
    if (failed && before.failed_reloads && *failed > *before.failed_reloads) {
      return Fail(ErrorCode::kUnavailable,
                  "HAProxy refused the new configuration and continues with the old one",
                  "see HAProxy's log, e.g. for an address that is in use");
    }
    if (ended && clock_.Monotonic() >= verdict) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("HAProxy's new worker {} ended at once", ended->pid),
                  "see HAProxy's log");
    }
    if (clock_.Monotonic() >= deadline) {
      return Fail(ErrorCode::kTimedOut,
                  fmt::format("HAProxy has no new worker after {}", FormatDuration(kReloadTimeout)),
                  "see HAProxy's log");
    }
    if (EndsWithin({master->get()}, kProcessPoll)) return gone();
  }
}

Result<void> Process::Start(std::stop_token stop) const {
  if (method_.via != ReloadMethod::Via::kSystemd) {
    return Fail(ErrorCode::kUnsupported, "HAProxy no longer runs and must be started by hand",
                "start it the way this host does");
  }
  SubprocessOptions options;
  options.timeout = kReloadTimeout;
  options.stop = std::move(stop);
  HF_ASSIGN(SubprocessOutcome outcome,
            RunProgram({"systemctl", "start", "--", method_.target}, options));
  if (outcome.exit_code == 0) return {};
  return Fail(ErrorCode::kUnavailable,
              fmt::format("\"systemctl start {}\" failed: {}", method_.target, outcome.err),
              fmt::format("see \"journalctl -u {}\"", method_.target));
}

}  // namespace holdfast::haproxy
