#include "agent/sources/zookeeper/server_answer.h"

#include <charconv>
#include <chrono>
#include <optional>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/text.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::chrono::seconds kPatience{2};
constexpr std::size_t kAnswerBytesMax = 16U << 10;
constexpr int kReadsMax = 64;  // for a server that trickles

}  // namespace

Result<ServerAnswer> ParseServerAnswer(std::string_view text) {
  ServerAnswer answer;
  constexpr std::string_view kNoPart = "This ZooKeeper instance is not currently serving requests";
  if (text.starts_with(kNoPart))
    return Fail(ErrorCode::kBusy, "it is not part of a working ensemble");
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    const auto value_of = [line](std::string_view name) -> std::optional<std::string_view> {
      if (!line.starts_with(name)) return std::nullopt;
      return line.substr(name.size());
    };
    if (const auto version = value_of("Zookeeper version: ")) {
      answer.version = version->substr(0, version->find_first_not_of("0123456789."));
    } else if (const auto mode = value_of("Mode: ")) {
      answer.mode = mode->substr(0, mode->find_first_not_of("abcdefghijklmnopqrstuvwxyz-"));
    } else if (const auto zxid = value_of("Zxid: 0x")) {
      const auto [end, error] =
          std::from_chars(zxid->data(), zxid->data() + zxid->size(), answer.zxid, 16);
      if (error != std::errc()) answer.zxid = 0;
    }
  }
  if (answer.version.empty() || answer.mode.empty())
    return Fail(ErrorCode::kUnsupported, "it does not answer \"srvr\"",
                "add srvr to 4lw.commands.whitelist in zoo.cfg");
  return answer;
}

Result<ServerAnswer> QueryServer(const Address& address) {
  HF_ASSIGN(TcpConnection connection, TcpConnection::Connect(address, kPatience));
  HF_TRY(connection.Send(AsBytes("srvr")));
  std::string text;
  Bytes buffer(4096);
  for (int reads = 0; reads < kReadsMax && text.size() < kAnswerBytesMax; ++reads) {
    HF_ASSIGN(const std::size_t count, connection.Receive(buffer));
    if (count == 0) break;
    text += AsText(ByteView(buffer).first(count));
  }
  auto answer = ParseServerAnswer(text);
  if (!answer) return Fail(std::move(answer).error().While(address.Text()));
  return answer;
}

}  // namespace holdfast::zookeeper
