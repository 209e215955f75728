#include "common/kafka/handle.h"

#include <algorithm>
#include <array>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "common/base/wait.h"
#include "common/io/fd.h"

namespace holdfast::rdkafka {
namespace {

using std::chrono::milliseconds;

// librdkafka ends a request at its timeout; this is for the case that it does not.
constexpr milliseconds kGrace{5'000};
// Requests in flight at a time.
constexpr std::size_t kAtOnce = 32;
constexpr std::size_t kSecretBytesMax = 64U << 10;

using ConfigPtr = std::unique_ptr<rd_kafka_conf_t, Deleter<rd_kafka_conf_destroy>>;
using AdminOptionsPtr =
    std::unique_ptr<rd_kafka_AdminOptions_t, Deleter<rd_kafka_AdminOptions_destroy>>;
using ErrorText = std::array<char, 512>;

const Settings kCommonSettings = {
    {"client.id", "holdfast"},
    // All events go through the main queue; there are no callbacks.
    {"log.queue", "true"},
    {"log.thread.name", "false"},
    // Brokers may request metrics from later versions of librdkafka.
    {"enable.metrics.push", "false", true},
};

// From 2.10 on, librdkafka drops the bootstrap addresses once it knows one broker of the cluster.
// If only that broker runs, and dies when another comes back, librdkafka keeps trying the dead one.
constexpr int kForgetsBootstrap = 0x020a0000;

std::string Joined(const std::vector<std::string>& bootstrap) {
  return fmt::format("{}", fmt::join(bootstrap, ","));
}

Result<Secret> ReadSecret(const std::string& name, const std::string& path) {
  auto content = ReadWholeFile(path, kSecretBytesMax);
  if (!content) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: {}", Quote(name), content.error().message()),
                content.error().hint());
  }
  Secret secret{std::string(Trim(AsText(*content), kWhitespace))};
  std::ranges::fill(*content, std::uint8_t{0});
  if (secret.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: {} is empty", Quote(name), Quote(path)));
  }
  return secret;
}

// Sets an operator's property. Reads a secret from the file that the property names.
Result<void> SetProperty(rd_kafka_conf_t* config, const std::string& name,
                         const std::string& value) {
  ErrorText text{};
  const auto specs = AllowedProperties();
  const auto spec = std::ranges::find(specs, std::string_view(name), &PropertySpec::name);
  HF_CHECK(spec != specs.end());
  if (spec->kind == PropertyKind::kSecretFile) {
    HF_ASSIGN(const Secret secret, ReadSecret(name, value));
    const std::string property = name.substr(0, name.size() - std::string_view("_file").size());
    std::string plain(secret.Reveal());
    const auto done = rd_kafka_conf_set(config, property.c_str(), plain.c_str(), nullptr, 0);
    std::ranges::fill(plain, '\0');
    HF_CHECK(done == RD_KAFKA_CONF_OK);
    return {};
  }
  if (rd_kafka_conf_set(config, name.c_str(), value.c_str(), text.data(), text.size()) !=
      RD_KAFKA_CONF_OK) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("property {}: {}", Quote(name), text.data()));
  }
  return {};
}

// Sets one of this room's properties.
Result<void> Set(rd_kafka_conf_t* config, const Setting& setting) {
  ErrorText text{};
  const auto done =
      rd_kafka_conf_set(config, setting.name, setting.value.c_str(), text.data(), text.size());
  if (done == RD_KAFKA_CONF_OK || (done == RD_KAFKA_CONF_UNKNOWN && setting.if_known)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("setting {}: {}", Quote(setting.name), text.data()));
}

Result<void> CheckBootstrap(const std::vector<std::string>& bootstrap) {
  if (bootstrap.empty())
    return Fail(ErrorCode::kInvalidArgument, "no broker is given", "give one as host:port");
  for (const std::string& server : bootstrap) {
    if (!server.empty() && server.find_first_of(std::string_view(", \t\r\n\0", 6)) == server.npos)
      continue;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not a broker's address", Quote(server)), "give it as host:port");
  }
  return {};
}

Result<ConfigPtr> MakeConfig(const ClientOptions& options, const Settings& settings) {
  HF_TRY(CheckBootstrap(options.bootstrap));
  HF_TRY(CheckProperties(options.properties));
  ConfigPtr config(rd_kafka_conf_new());
  for (const Setting& setting : kCommonSettings) HF_TRY(Set(config.get(), setting));
  rd_kafka_conf_set_events(config.get(),
                           RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_DR);
  for (const auto& [name, value] : options.properties)
    HF_TRY(SetProperty(config.get(), name, value));
  for (const Setting& setting : settings) HF_TRY(Set(config.get(), setting));
  ErrorText text{};
  if (rd_kafka_conf_set(config.get(), "bootstrap.servers", Joined(options.bootstrap).c_str(),
                        text.data(), text.size()) != RD_KAFKA_CONF_OK)
    return Fail(ErrorCode::kInvalidArgument, std::string(text.data()), "give brokers as host:port");
  return config;
}

LogLevel LevelOf(int syslog_level) {
  if (syslog_level <= 3) return LogLevel::kError;
  if (syslog_level == 4) return LogLevel::kWarning;
  return syslog_level <= 6 ? LogLevel::kInfo : LogLevel::kDebug;
}

std::string NameOf(const std::vector<std::string>& bootstrap) {
  if (bootstrap.size() == 1) return fmt::format("kafka at {}", Quote(bootstrap.front()));
  return fmt::format("kafka at {} and {} more", Quote(bootstrap.front()), bootstrap.size() - 1);
}

}  // namespace

PartitionListPtr ListOf(std::span<const TopicPartition> partitions) {
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const TopicPartition& entry : partitions)
    rd_kafka_topic_partition_list_add(list.get(), entry.topic.c_str(), entry.partition);
  return list;
}

std::optional<Error> ElementError(rd_kafka_resp_err_t code, const char* text, const Right& right) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  return ErrorOf(code, text == nullptr ? "" : text, right);
}

std::optional<Error> ElementError(const rd_kafka_error_t* error, const Right& right) {
  if (error == nullptr) return std::nullopt;
  return ElementError(rd_kafka_error_code(error), rd_kafka_error_string(error), right);
}

std::unexpected<Error> Unsupported(std::string_view what, std::string_view since) {
  return Fail(ErrorCode::kUnsupported,
              fmt::format("librdkafka {} cannot {}", rd_kafka_version_str(), what),
              fmt::format("build with librdkafka {} or later", since));
}

Handle::Handle(rd_kafka_t* kafka, const ClientOptions& options, LogObserver observer)
    : kafka_(kafka),
      main_(rd_kafka_queue_get_main(kafka)),
      name_(NameOf(options.bootstrap)),
      bootstrap_(Joined(options.bootstrap)),
      time_limit_(options.time_limit),
      observer_(std::move(observer)) {
  HF_CHECK(rd_kafka_set_log_queue(kafka_, nullptr) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

Result<std::unique_ptr<Handle>> Handle::Open(const ClientOptions& options, Role role,
                                             const Settings& settings, LogObserver observer) {
  HF_ASSIGN(ConfigPtr config, MakeConfig(options, settings));
  ErrorText text{};
  rd_kafka_t* kafka = rd_kafka_new(role == Role::kConsumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER,
                                   config.get(), text.data(), text.size());
  if (kafka == nullptr)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: {}", NameOf(options.bootstrap), text.data()),
                "check the properties, and that the files that they name can be read and are PEM");
  (void)config.release();  // owned by the rd_kafka_t now
  return std::make_unique<Handle>(kafka, options, std::move(observer));
}

Handle::~Handle() {
  main_.reset();
  rd_kafka_destroy(kafka_);
}

void Handle::Serve(milliseconds wait) {
  int timeout_ms = static_cast<int>(wait.count());
  for (;;) {
    EventPtr event(rd_kafka_queue_poll(main_.get(), timeout_ms));
    if (!event) return;
    TakeEvent(event.get());
    timeout_ms = 0;
  }
}

void Handle::TakeEvent(rd_kafka_event_t* event) {
  switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_ERROR:
      Remember(rd_kafka_event_error(event), rd_kafka_event_error_string(event));
      return;
    case RD_KAFKA_EVENT_LOG: {
      const char* facility = nullptr;
      const char* line = nullptr;
      int level = 0;
      if (rd_kafka_event_log(event, &facility, &line, &level) != 0) return;
      // When it gives up a broker, later versions of librdkafka send an error only if they blame
      // the application.
      if (std::string_view(facility) == "FAIL") {
        Remember(RD_KAFKA_RESP_ERR__TRANSPORT, line);
        AddBootstrap();
      }
      if (observer_) observer_(LevelOf(level), fmt::format("{}: {}", facility, line));
      return;
    }
    case RD_KAFKA_EVENT_DR:
      while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event))
        if (deliver_) deliver_(*message);
      return;
    default:
      return;  // no others are enabled
  }
}

void Handle::AddBootstrap() {
  // https://github.com/confluentinc/librdkafka/pull/5600. librdkafka keeps each address once. Each
  // call copies the list, but brokers are given up only a few times a minute.
  if (rd_kafka_version() >= kForgetsBootstrap) rd_kafka_brokers_add(kafka_, bootstrap_.c_str());
}

void Handle::Remember(rd_kafka_resp_err_t code, std::string text) {
  // A TLS error may also appear when the first bytes are read or written.
  if (code == RD_KAFKA_RESP_ERR__TRANSPORT && text.find("SSL routines:") != std::string::npos)
    code = RD_KAFKA_RESP_ERR__SSL;
  // "All brokers down" and a disconnect are also reported after the actual error.
  const bool says_little = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
                           text.find(": Disconnected (after ") != std::string::npos;
  const bool says_less = cause_ && IsPermanent(cause_->code) && !IsPermanent(code);
  if (cause_ && is_cause_new_ && (says_little || says_less)) return;
  cause_ = Cause{code, std::move(text)};
  is_cause_new_ = true;
}

bool Handle::MustGiveUp() const { return is_cause_new_ && cause_ && IsPermanent(cause_->code); }

Error Handle::Explain(int code, std::string_view text, const Right& right) const {
  if (!IsNoAnswer(code)) return ErrorOf(code, text, right).While(name_);
  const std::string no_answer = fmt::format("no answer within {}", FormatDuration(time_limit_));
  if (!cause_) return ErrorOf(code, text.empty() ? no_answer : text).While(name_);
  Error error = ErrorOf(cause_->code, cause_->text);
  // A permanent failure is reported before the time limit.
  if (text.empty() && !IsPermanent(cause_->code)) error = std::move(error).While(no_answer);
  return std::move(error).While(name_);
}

Error Handle::Cancelled() const {
  return Error(ErrorCode::kCancelled, fmt::format("{}: stopped by request", name_));
}

std::optional<Error> Handle::Fatal(const Right& right) const {
  ErrorText text{};
  const auto code = rd_kafka_fatal_error(kafka_, text.data(), text.size());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  return ErrorOf(code, text.data(), right).While(name_);
}

Result<void> Handle::Repeat(const Call& call, const std::stop_token& stop) {
  BeginCall();
  const Instant deadline = clock_.Monotonic() + time_limit_;
  milliseconds slice = kSlice;
  for (;;) {
    const Instant begun = clock_.Monotonic();
    const auto left = std::chrono::ceil<milliseconds>(deadline - begun);
    HF_TRY(CheckStop(stop));
    const auto code = call(static_cast<int>(std::clamp(left, milliseconds(1), slice).count()));
    Serve();
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      Answered();
      return {};
    }
    if (!IsNoAnswer(code) || MustGiveUp()) return Fail(Failure(code));
    const Instant now = clock_.Monotonic();
    if (now >= deadline) return Fail(Failure(code));
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT) slice *= 2;
    // A broken connection fails at once, so wait for the rest of the slice.
    const Instant next = begun + kSlice;
    if (next > now && !WaitFor(next - now, stop)) return Stopped();
  }
}

Result<void> Handle::Check(rd_kafka_event_t* event, const Right& right) {
  const auto code = rd_kafka_event_error(event);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    Answered();
    return {};
  }
  return Fail(Failure(code, rd_kafka_event_error_string(event), right));
}

Result<void> Handle::AskEach(rd_kafka_admin_op_t operation, std::size_t count, const Send& send,
                             const Take& take, const std::stop_token& stop) {
  BeginCall();
  QueuePtr queue(rd_kafka_queue_new(kafka_));
  // Also ends a wait that starts after the stop request.
  std::stop_callback wake(stop, [raw = queue.get()] { rd_kafka_queue_yield(raw); });
  const int limit_ms = static_cast<int>(time_limit_.count());
  std::size_t sent = 0;
  std::size_t answered = 0;
  Instant last_answer = clock_.Monotonic();
  while (answered < count) {
    HF_TRY(CheckStop(stop));
    for (; sent < count && sent - answered < kAtOnce; ++sent) {
      AdminOptionsPtr options(rd_kafka_AdminOptions_new(kafka_, operation));
      HF_CHECK(options != nullptr);
      ErrorText text{};
      HF_CHECK(rd_kafka_AdminOptions_set_request_timeout(options.get(), limit_ms, text.data(),
                                                         text.size()) ==
               RD_KAFKA_RESP_ERR_NO_ERROR);
      rd_kafka_AdminOptions_set_opaque(options.get(), reinterpret_cast<void*>(sent));
      send(sent, options.get(), queue.get());
    }
    EventPtr event(rd_kafka_queue_poll(queue.get(), static_cast<int>(kSlice.count())));
    Serve();
    if (event) {
      ++answered;
      last_answer = clock_.Monotonic();
      const auto index = reinterpret_cast<std::size_t>(rd_kafka_event_opaque(event.get()));
      HF_TRY(take(index, std::move(event)));
      continue;
    }
    if (MustGiveUp() || clock_.Monotonic() - last_answer > time_limit_ + kGrace)
      return Fail(Failure(RD_KAFKA_RESP_ERR__TIMED_OUT));
  }
  return {};
}

Result<EventPtr> Handle::Ask(rd_kafka_admin_op_t operation, const Right& right,
                             const std::stop_token& stop, const SendOne& send) {
  EventPtr answer;
  const Take take = [&](std::size_t, EventPtr event) -> Result<void> {
    HF_TRY(Check(event.get(), right));
    answer = std::move(event);
    return {};
  };
  HF_TRY(AskEach(
      operation, 1, [&](std::size_t, auto* options, auto* queue) { send(options, queue); }, take,
      stop));
  return answer;
}

}  // namespace holdfast::rdkafka
