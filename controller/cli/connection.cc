#include "controller/cli/connection.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/format.h"
#include "common/base/log.h"
#include "common/bus/bus_client.h"
#include "common/io/local_socket.h"
#include "common/io/reachability.h"
#include "controller/cli/pin_file.h"

namespace holdfast::cli {
namespace {

using std::chrono::milliseconds;

// How long a wait may take to notice a stop request.
constexpr milliseconds kSlice(100);
// As in docs/protocol.md#admin, for both transports.
constexpr std::size_t kReplyBytesMax = std::size_t{4} << 20;

constexpr std::string_view kFirewallHint =
    "check the host's name, its firewall, and `admin: {listen: ...}` of its controller.yaml";
constexpr std::string_view kAdminPortHint =
    "check the port: operators use that of `admin: {listen: ...}` in controller.yaml";

std::unexpected<Error> Stopped() {
  return Fail(ErrorCode::kCancelled, "interrupted while waiting for the controller");
}

class LocalConnection final : public Connection {
 public:
  LocalConnection(LocalClient client, std::string path, const ConnectionContext& surroundings)
      : client_(std::move(client)), path_(std::move(path)), surroundings_(surroundings) {}

  Result<void> Send(ByteView message) override {
    const Result<void> sent = client_.Send(message);
    if (!sent) return Failed(sent.error());
    return {};
  }

  Result<Bytes> Receive(milliseconds timeout) override {
    const Instant deadline = surroundings_.clock->Monotonic() + timeout;
    for (;;) {
      if (surroundings_.stop.stop_requested()) return Stopped();
      const auto left =
          std::chrono::ceil<milliseconds>(deadline - surroundings_.clock->Monotonic());
      Result<Bytes> message =
          client_.Receive(std::clamp(left, milliseconds(0), kSlice), *surroundings_.clock);
      if (message) return message;
      const ErrorCode code = message.error().code();
      const bool is_time_left = left > kSlice;
      if (code == ErrorCode::kCancelled)
        continue;  // a signal; only the stop token says whether to stop
      if (code == ErrorCode::kTimedOut && is_time_left) continue;
      return Failed(message.error());
    }
  }

 private:
  std::unexpected<Error> Failed(const Error& error) const {
    if (error.code() != ErrorCode::kUnavailable) return std::unexpected(error);
    return Fail(ErrorCode::kUnavailable,
                fmt::format("the connection to the controller at {} was closed", Quote(path_)),
                "see `systemctl status holdfast-controller`");
  }

  LocalClient client_;
  const std::string path_;
  const ConnectionContext surroundings_;
};

Result<std::unique_ptr<Connection>> OpenLocal(const std::string& path,
                                              const ConnectionContext& surroundings) {
  Result<LocalClient> client = LocalClient::Connect(path);
  if (client) return std::make_unique<LocalConnection>(*std::move(client), path, surroundings);
  switch (client.error().code()) {
    case ErrorCode::kNotFound:
      return Fail(
          ErrorCode::kUnavailable,
          fmt::format("no controller runs on this host: socket {} does not exist", Quote(path)),
          "start holdfast-controller, or name one on another host: --controller "
          "tcp://HOST:7735");
    case ErrorCode::kUnavailable:
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("the controller at {} does not answer", Quote(path)),
                  "see `systemctl status holdfast-controller`");
    case ErrorCode::kDenied:
      return Fail(ErrorCode::kDenied,
                  fmt::format("this user may not use the controller's socket {}", Quote(path)),
                  "join the group that `admin: {group: ...}` of controller.yaml names");
    default:
      return Fail(std::move(client).error());
  }
}

class CurveConnection final : public Connection {
 public:
  CurveConnection(std::unique_ptr<bus::BusClient> client, std::string endpoint,
                  const ConnectionContext& surroundings)
      : client_(std::move(client)), endpoint_(std::move(endpoint)), surroundings_(surroundings) {}

  // Returns whether the controller has only the former bus key.
  Result<bool> Connect() {
    HF_ASSIGN(std::optional<Bytes> message, Wait(surroundings_.connect_max, true));
    if (client_->is_connected() || message) return is_former_key_;
    return Fail(WhyNotConnected());
  }

  Result<void> Send(ByteView message) override { return client_->Send(message); }

  Result<Bytes> Receive(milliseconds timeout) override {
    HF_ASSIGN(std::optional<Bytes> message, Wait(timeout, false));
    if (message) return *std::move(message);
    return Fail(ErrorCode::kTimedOut, fmt::format("no answer from {}", Quote(endpoint_)));
  }

 private:
  // The bus keeps retrying and does not report the reason.
  Error WhyNotConnected() const {
    const auto error = [&](std::string_view why, std::string hint) {
      return Error(ErrorCode::kUnavailable,
                   fmt::format("no controller answers at {}{}{}", Quote(endpoint_),
                               why.empty() ? "" : ": ", why))
          .WithHint(std::move(hint));
    };
    const std::string address = endpoint_.substr(endpoint_.find("//") + 2);
    const std::size_t colon = address.rfind(':');
    if (colon == address.npos) return error("", std::string(kFirewallHint));
    std::string host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const Result<void> reached =
        CheckReachable(host, address.substr(colon + 1), surroundings_.connect_max);
    if (reached) {
      return error("the host answers, but not as a controller", std::string(kAdminPortHint));
    }
    if (reached.error().code() == ErrorCode::kNotFound) {
      return error("could not resolve host",
                   "check \"controller\" in cli.yaml, or --controller, and this host's name "
                   "resolution");
    }
    if (reached.error().code() == ErrorCode::kTimedOut) {
      return error("timed out", std::string(kFirewallHint));
    }
    const std::string& message = reached.error().message();
    return error(
        message.substr(message.rfind(": ") + 2),
        "start it on that host: systemctl start holdfast-controller; if it runs, check the "
        "port: `admin: {listen: ...}` of its controller.yaml");
  }

  // Until a message arrives or, if requested, the connection is established; nullopt: timeout.
  Result<std::optional<Bytes>> Wait(milliseconds timeout, bool for_connection) {
    std::stop_callback wake(surroundings_.stop, [this] { client_->Wake(); });
    const Instant deadline = SystemClock().Monotonic() + timeout;
    for (;;) {
      if (surroundings_.stop.stop_requested()) return Stopped();
      HF_ASSIGN(std::optional<bus::BusEvent> event, client_->Receive(deadline));
      if (!event) {
        if (SystemClock().Monotonic() >= deadline) return std::nullopt;
        continue;
      }
      switch (event->kind) {
        case bus::BusEvent::Kind::kConnected:
          is_former_key_ = event->is_former_key;
          if (for_connection) return std::nullopt;
          continue;
        case bus::BusEvent::Kind::kMessage:
          return std::move(event->bytes);
        case bus::BusEvent::Kind::kDisconnected:
          return Fail(
              ErrorCode::kUnavailable,
              fmt::format("the connection to the controller at {} was closed", Quote(endpoint_)),
              "see `systemctl status holdfast-controller` on its host");
        case bus::BusEvent::Kind::kRefused:
          return Fail(ErrorCode::kDenied,
                      fmt::format("the controller refuses the connection: {}", event->reason),
                      "operators use the port of `admin: {listen: ...}`, agents another; if the "
                      "port is right, compare curve_key_file with admin.operators of "
                      "controller.yaml; if the bus key was rotated, pin the new root document: "
                      "holdfast trust pin FILE");
      }
    }
  }

  bool is_former_key_ = false;
  const std::unique_ptr<bus::BusClient> client_;
  const std::string endpoint_;
  const ConnectionContext surroundings_;
};

Result<std::unique_ptr<Connection>> OpenCurve(ControllerAddress::Curve& curve,
                                              const std::string& endpoint,
                                              const ConnectionContext& surroundings) {
  bus::BusClientOptions options;
  options.endpoint = endpoint;
  options.keys = curve.own;
  options.server = curve.server;
  options.message_bytes_max = kReplyBytesMax;
  options.reconnect_min = milliseconds(100);
  options.reconnect_max = milliseconds(300);
  options.reconnect_limit = milliseconds(1'000);
  HF_ASSIGN(std::unique_ptr<bus::BusClient> client,
            bus::BusClient::Open(std::move(options), *surroundings.random));
  auto connection = std::make_unique<CurveConnection>(std::move(client), endpoint, surroundings);
  HF_ASSIGN(const bool is_former_key, connection->Connect());
  if (curve.server.former && !is_former_key) {
    // Without the record, the next command tries the former key as a second choice again.
    if (const Result<void> forgotten = curve.forget_former(); !forgotten) {
      Log(LogLevel::kWarning, "{}", forgotten.error().Text());
    }
    curve.server.former.reset();
  }
  return connection;
}

}  // namespace

Result<ControllerAddress> AddressOf(const CliSettings& settings) {
  ControllerAddress address;
  address.endpoint = settings.controller;
  if (!settings.controller.starts_with("tcp://")) return address;
  if (settings.curve_key_file.empty()) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("no curve_key_file for the controller at {}", Quote(settings.controller)),
        settings.file.empty()
            ? "copy the files that `holdfast init` wrote to operators/PERSON to ~/.config/holdfast"
            : "name it in " + settings.file);
  }
  ControllerAddress::Curve curve;
  HF_ASSIGN(Pin pin, Pin::Load(settings));
  curve.server = pin.server_keys();
  curve.forget_former = [pin]() mutable { return pin.ForgetFormerBusKey(); };
  HF_ASSIGN(curve.own, bus::LoadCurveKeys(settings.curve_key_file));
  address.curve = std::move(curve);
  return address;
}

Result<std::unique_ptr<Connection>> Connection::Open(ControllerAddress& address,
                                                     const ConnectionContext& surroundings) {
  if (address.curve) return OpenCurve(*address.curve, address.endpoint, surroundings);
  return OpenLocal(address.endpoint, surroundings);
}

ControllerClient::ControllerClient(ControllerAddress address, ConnectionContext surroundings)
    : address_(std::move(address)), surroundings_(std::move(surroundings)) {
  // Starts at random: a reply for a former client of this connection must not look like ours.
  std::array<std::uint8_t, sizeof(next_id_)> chance{};
  surroundings_.random->Fill(chance);
  for (std::uint8_t byte : chance) next_id_ = (next_id_ << 8U) | byte;
}

Result<void> ControllerClient::Connect() {
  if (connection_) return {};
  HF_ASSIGN(connection_, Connection::Open(address_, surroundings_));
  return {};
}

Result<void> ControllerClient::SendRequest(v1::AdminRequest& request) {
  if (++next_id_ == 0) ++next_id_;
  request.set_id(next_id_);
  const std::string bytes = request.SerializeAsString();
  const bool was_connected = connection_ != nullptr;
  HF_TRY(Connect());
  Result<void> sent = connection_->Send(AsBytes(bytes));
  if (sent) return {};
  Drop();
  if (!was_connected || sent.error().code() != ErrorCode::kUnavailable) return sent;
  // The controller has restarted since the last request.
  HF_TRY(Connect());
  return connection_->Send(AsBytes(bytes));
}

Result<std::uint64_t> ControllerClient::Begin(v1::AdminRequest request) {
  HF_TRY(SendRequest(request));
  begun_.insert(request.id());
  return request.id();
}

Result<v1::AdminReply> ControllerClient::Next(milliseconds timeout) {
  const Instant deadline = surroundings_.clock->Monotonic() + timeout;
  for (;;) {
    if (!connection_) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("not connected to the controller at {}", Quote(endpoint())));
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - surroundings_.clock->Monotonic());
    HF_ASSIGN(const Bytes bytes, connection_->Receive(std::max(left, milliseconds(0))));
    v1::AdminReply reply;
    if (!reply.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
        reply.reply_case() == v1::AdminReply::REPLY_NOT_SET) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("this program does not understand the answer of the controller at {}",
                              Quote(endpoint())),
                  "compare `holdfast --version` with the controller's in `holdfast status`");
    }
    if (reply.id() == 0 && reply.has_error()) return Fail(ErrorOf(reply.error()));
    if (!begun_.contains(reply.id())) continue;  // of a request that was given up
    if (reply.last() || reply.reply_case() == v1::AdminReply::kError) begun_.erase(reply.id());
    return reply;
  }
}

Result<v1::AdminReply> ControllerClient::Ask(v1::AdminRequest request,
                                             v1::AdminReply::ReplyCase expected,
                                             milliseconds timeout) {
  HF_ASSIGN(const std::uint64_t id, Begin(std::move(request)));
  const Instant deadline = surroundings_.clock->Monotonic() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - surroundings_.clock->Monotonic());
    Result<v1::AdminReply> reply = Next(std::max(left, milliseconds(0)));
    if (!reply) {
      begun_.erase(id);
      if (reply.error().code() == ErrorCode::kUnavailable) Drop();
      if (reply.error().code() != ErrorCode::kTimedOut) return reply;
      return Fail(
          ErrorCode::kTimedOut,
          fmt::format("the controller at {} did not answer within {}", Quote(endpoint()),
                      FormatDuration(timeout)),
          "the request may still be carried out: see `holdfast run list` and the controller's log");
    }
    if (reply->id() != id) continue;
    if (reply->reply_case() == v1::AdminReply::kError) return Fail(ErrorOf(reply->error()));
    if (reply->reply_case() == expected) return reply;
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the controller at {} answered a different request", Quote(endpoint())),
                "compare `holdfast --version` with the controller's in `holdfast status`");
  }
}

void ControllerClient::Drop() {
  connection_.reset();
  begun_.clear();
}

ErrorCode ErrorCodeNamed(std::string_view name) {
  for (ErrorCode code :
       {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kAlreadyExists,
        ErrorCode::kDenied, ErrorCode::kBusy, ErrorCode::kUnavailable, ErrorCode::kTimedOut,
        ErrorCode::kCancelled, ErrorCode::kCorrupt, ErrorCode::kNoSpace, ErrorCode::kUnsupported}) {
    if (ErrorCodeName(code) == name) return code;
  }
  return ErrorCode::kInternal;
}

Error ErrorOf(const v1::AdminError& error) {
  Error made(ErrorCodeNamed(error.code()),
             error.message().empty() ? "the controller refuses without a reason" : error.message());
  return error.hint().empty() ? made : std::move(made).WithHint(error.hint());
}

}  // namespace holdfast::cli
