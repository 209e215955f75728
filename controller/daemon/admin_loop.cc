#include "controller/daemon/admin_loop.h"

#include <poll.h>
#include <pwd.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/log.h"
#include "common/bus/admin_server.h"
#include "common/io/fd.h"
#include "common/io/host.h"
#include "common/io/local_socket.h"
#include "controller/daemon/admin_views.h"
#include "controller/daemon/agent_keys.h"

namespace holdfast::controller {
namespace {

constexpr std::chrono::milliseconds kTickEvery{500};
// Total size of the waiting requests. Above it, the socket is not read, so that no client can make
// the controller store more.
constexpr std::size_t kInboxBytesMax = std::size_t{16} << 20;
// How many connections of remote operators are remembered. A new one then replaces the oldest.
constexpr std::size_t kRemotesMax = 1'000;
// This bit marks connections by CURVE.
constexpr std::uint64_t kRemote = std::uint64_t{1} << 63;

Bytes Encoded(const v1::AdminReply& reply) {
  if (reply.ByteSizeLong() <= kLocalMessageBytesMax) return ToBytes(reply.SerializeAsString());
  v1::AdminReply instead;
  instead.set_id(reply.id());
  instead.set_last(true);
  FillError(Error(ErrorCode::kUnsupported, "the answer is too long for one message")
                .WithHint("request fewer at once (--limit)"),
            *instead.mutable_error());
  return ToBytes(instead.SerializeAsString());
}

class AdminLoopImpl final : public AdminLoop {
 public:
  AdminLoopImpl(std::unique_ptr<AdminService> service, const Clock& clock)
      : service_(std::move(service)),
        clock_(clock),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    HF_CHECK(wake_.is_open());
  }

  ~AdminLoopImpl() override {
    thread_.request_stop();
    {
      std::lock_guard lock(mutex_);
      is_closing_ = true;
    }
    has_room_.notify_all();
    Wake();
    if (thread_.joinable()) thread_.join();
    local_.reset();    // no more requests
    service_.reset();  // no more replies
  }

  Result<void> Listen(const ControllerSettings& settings, const bus::CurveKeys& keys) {
    HF_TRY(CheckAdminGroup(settings));
    LocalServerOptions options;
    options.path = settings.admin_socket;
    options.group = settings.admin_group;
    HF_ASSIGN(local_, LocalServer::Listen(
                          options, {.message =
                                        [this](LocalServer::ConnectionId id, const LocalPeer& peer,
                                               Bytes message) {
                                          Post({id,
                                                {.actor = LocalActor(peer.uid), .local = peer},
                                                std::move(message),
                                                false});
                                        },
                                    .closed =
                                        [this](LocalServer::ConnectionId id) {
                                          Post({id, {}, {}, true});
                                        }}));
    if (!settings.admin_listen.empty()) {
      for (const auto& [person, key] : settings.admin_operators) {
        HF_ASSIGN(const bus::CurvePublicKey parsed, bus::ParseCurveKey(key));
        operators_.Set(person, parsed);
      }
      bus::AdminServerOptions remote;
      remote.endpoint = settings.admin_listen;
      remote.keys = keys;
      HF_ASSIGN(remote_, bus::AdminServer::Open(std::move(remote), operators_));
      HF_TRY(remote_->SelfTest());
    }
    thread_ = std::jthread([this](const std::stop_token& stop) { Serve(stop); });
    return {};
  }

  std::string endpoint() const override { return remote_ ? remote_->endpoint() : ""; }

  void ShowRuns() override {
    show_runs_ = true;
    Wake();
  }

 private:
  struct Incoming {
    std::uint64_t connection = 0;
    AdminCaller caller;
    Bytes message;
    bool is_closed = false;
  };

  void Wake() {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof(one));
  }

  void Post(Incoming incoming) {
    {
      std::unique_lock lock(mutex_);
      has_room_.wait(lock, [this] { return inbox_bytes_ < kInboxBytesMax || is_closing_; });
      if (is_closing_) return;
      inbox_bytes_ += sizeof(Incoming) + incoming.message.size();
      inbox_.push_back(std::move(incoming));
    }
    Wake();
  }

  void Serve(const std::stop_token& stop) {
    Instant next_tick = clock_.Monotonic();
    while (!stop.stop_requested()) {
      TakeIncoming();
      const bool is_idle = TakeRemote();
      SendRemote();
      const bool is_asked = show_runs_.exchange(false);
      if (service_->HasWatches() && (is_asked || clock_.Monotonic() >= next_tick)) {
        service_->Tick();
        next_tick = clock_.Monotonic() + kTickEvery;
      }
      SendRemote();
      Wait(is_idle, next_tick);
    }
  }

  void TakeIncoming() {
    std::deque<Incoming> inbox;
    {
      std::lock_guard lock(mutex_);
      inbox.swap(inbox_);
      inbox_bytes_ = 0;
    }
    has_room_.notify_all();
    for (const Incoming& incoming : inbox) {
      if (incoming.is_closed) {
        service_->Forget(incoming.connection);
        continue;
      }
      service_->Handle(incoming.connection, incoming.caller, incoming.message,
                       [this, id = incoming.connection](const v1::AdminReply& reply) {
                         local_->Send(id, Encoded(reply));
                       });
    }
  }

  // Returns whether nothing is left.
  bool TakeRemote() {
    if (!remote_) return true;
    constexpr int kAtOnce = 16;
    for (int i = 0; i < kAtOnce; ++i) {
      Result<std::optional<bus::AdminCall>> call = remote_->Receive(Instant{});
      if (!call) {
        Log(LogLevel::kError, "operators of other hosts: {}", call.error().Text());
        remote_.reset();
        return true;
      }
      if (!*call) return true;
      const std::uint64_t id = RemoteId((*call)->connection);
      const AdminCaller caller{.actor = "operator:" + (*call)->person, .person = (*call)->person};
      service_->Handle(id, caller, (*call)->bytes, [this, id](const v1::AdminReply& reply) {
        {
          std::lock_guard lock(mutex_);
          outbox_.emplace_back(id, Encoded(reply));
        }
        Wake();
      });
    }
    return false;
  }

  std::uint64_t RemoteId(const Bytes& connection) {
    for (const auto& [id, known] : remotes_) {
      if (known == connection) return id;
    }
    if (remotes_.size() == kRemotesMax) {
      service_->Forget(remotes_.begin()->first);
      remotes_.erase(remotes_.begin());
    }
    const std::uint64_t id = kRemote | next_remote_++;
    remotes_[id] = connection;
    return id;
  }

  void SendRemote() {
    std::deque<std::pair<std::uint64_t, Bytes>> outbox;
    {
      std::lock_guard lock(mutex_);
      outbox.swap(outbox_);
    }
    for (const auto& [id, bytes] : outbox) {
      const auto found = remotes_.find(id);
      if (!remote_ || found == remotes_.end()) continue;
      Result<void> sent = remote_->Send(found->second, bytes);
      // A client that does not read misses this reply; the next one to a watch has more.
      if (sent || sent.error().code() == ErrorCode::kBusy) continue;
      service_->Forget(id);
      remotes_.erase(found);
    }
  }

  void Wait(bool is_idle, Instant next_tick) {
    int timeout = is_idle ? -1 : 0;
    if (is_idle && service_->HasWatches()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(next_tick - clock_.Monotonic());
      timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    }
    std::array<pollfd, 2> polled = {pollfd{wake_.get(), POLLIN, 0},
                                    pollfd{remote_ ? remote_->fd() : -1, POLLIN, 0}};
    if (::poll(polled.data(), polled.size(), timeout) <= 0 || polled[0].revents == 0) return;
    std::uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof(count));
  }

  std::unique_ptr<AdminService> service_;
  const Clock& clock_;
  const Fd wake_;
  AgentKeys operators_;
  std::unique_ptr<bus::AdminServer> remote_;
  std::map<std::uint64_t, Bytes> remotes_;
  std::uint64_t next_remote_ = 1;
  std::atomic<bool> show_runs_ = false;
  std::unique_ptr<LocalServer> local_;
  std::mutex mutex_;  // guards the two queues and is_closing_
  std::condition_variable has_room_;
  bool is_closing_ = false;
  std::deque<Incoming> inbox_;
  std::size_t inbox_bytes_ = 0;
  std::deque<std::pair<std::uint64_t, Bytes>> outbox_;
  std::jthread thread_;  // last: it uses the members above
};

}  // namespace

std::string LocalActor(std::uint32_t uid) {
  std::vector<char> buffer(16U << 10);
  passwd entry{};
  passwd* found = nullptr;
  const int failure = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  const std::string name = failure == 0 && found != nullptr ? found->pw_name : "?";
  return fmt::format("uid:{}({})@{}", uid, name, HostName());
}

Result<std::unique_ptr<AdminLoop>> AdminLoop::Open(const ControllerSettings& settings,
                                                   AdminServiceOptions options, CoreLoop& core,
                                                   const bus::CurveKeys& keys, Random& random,
                                                   const Clock& clock) {
  HF_ASSIGN(std::unique_ptr<AdminService> service,
            AdminService::Create(std::move(options), core, random, clock));
  auto loop = std::make_unique<AdminLoopImpl>(std::move(service), clock);
  HF_TRY(loop->Listen(settings, keys));
  return loop;
}

}  // namespace holdfast::controller
