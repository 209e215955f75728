#include "common/bus/join_token.h"

#include <algorithm>

#include "common/base/format.h"
#include "common/base/text.h"
#include "common/protocol/messages.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::bus {
namespace {

constexpr std::string_view kPrefix = "hf1.";
constexpr std::string_view kTranscriptLabel = "holdfast join 1\n";
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kTextBytesMax = 4096;

std::unexpected<Error> NoToken() {
  return Fail(
      ErrorCode::kInvalidArgument, "not a join token",
      "a token is one line that begins with \"hf1.\"; `holdfast agent token NODE` creates one");
}

}  // namespace

Secret EncodeJoinToken(const JoinToken& token) {
  HF_CHECK(token.secret.Reveal().size() == kSecretBytes);
  v1::JoinToken message;
  message.set_node(token.node);
  message.set_endpoint(token.endpoint);
  message.set_server_key(std::string(AsText(token.server_key)));
  message.set_root_hash(std::string(AsText(token.root_hash)));
  message.set_secret(std::string(token.secret.Reveal()));
  message.set_expires_at_ms(token.expires_at_ms);
  message.set_permit(std::string(AsText(token.permit)));
  Secret bytes(message.SerializeAsString());
  return Secret(std::string(kPrefix) + Base64Encode(AsBytes(bytes.Reveal())));
}

Result<JoinToken> DecodeJoinToken(std::string_view text) {
  text = Trim(text, kWhitespace);
  if (text.size() > kTextBytesMax || !text.starts_with(kPrefix)) return NoToken();
  Result<Bytes> bytes = Base64Decode(text.substr(kPrefix.size()));
  v1::JoinToken message;
  if (!bytes) return NoToken();
  const Result<void> read = protocol::DecodeMessage(*bytes, "join token", message);
  if (!read && read.error().code() == ErrorCode::kUnsupported) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the token was created by another version of Holdfast: {}",
                            read.error().message()),
                "install the controller's version of holdfast-agent");
  }
  bool is_token = read && !message.node().empty() && !message.endpoint().empty() &&
                  message.secret().size() == kSecretBytes && message.expires_at_ms() > 0;
  JoinToken token;
  is_token = is_token && message.server_key().size() == token.server_key.size() &&
             message.root_hash().size() == token.root_hash.size();
  if (!is_token) return NoToken();
  token.node = message.node();
  token.endpoint = message.endpoint();
  std::ranges::copy(AsBytes(message.server_key()), token.server_key.begin());
  std::ranges::copy(AsBytes(message.root_hash()), token.root_hash.begin());
  token.secret = Secret(message.secret());
  token.expires_at_ms = message.expires_at_ms();
  token.permit = ToBytes(message.permit());
  return token;
}

crypto::Digest JoinSecretHash(const Secret& secret) {
  return crypto::Sha256Of(AsBytes(secret.Reveal()));
}

Bytes JoinTranscript(std::string_view node, ByteView signing_key, ByteView curve_key) {
  Bytes transcript = ToBytes(kTranscriptLabel);
  for (ByteView field : {AsBytes(node), signing_key, curve_key}) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      transcript.push_back(static_cast<std::uint8_t>(field.size() >> shift));
    }
    transcript.insert(transcript.end(), field.begin(), field.end());
  }
  return transcript;
}

crypto::Digest JoinMac(const crypto::Digest& secret_hash, ByteView transcript) {
  return crypto::HmacSha256(secret_hash, transcript);
}

}  // namespace holdfast::bus
