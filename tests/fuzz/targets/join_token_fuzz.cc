// The text of a join token, which an operator copies to a node.
#include "common/bus/join_token.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(join_token) {
  using namespace holdfast;
  const Result<bus::JoinToken> token = bus::DecodeJoinToken(AsText(input));
  if (!token) {
    FUZZ_REQUIRE(token.error().code() == ErrorCode::kInvalidArgument ||
                 token.error().code() == ErrorCode::kUnsupported);
    FUZZ_REQUIRE(token.error().message().size() < 1000);
    return false;
  }
  FUZZ_REQUIRE(!token->node.empty() && token->secret.Reveal().size() == 32);
  const Secret text = bus::EncodeJoinToken(*token);
  const Result<bus::JoinToken> again = bus::DecodeJoinToken(text.Reveal());
  FUZZ_REQUIRE(again && again->node == token->node && again->endpoint == token->endpoint);
  FUZZ_REQUIRE(again->server_key == token->server_key && again->root_hash == token->root_hash);
  FUZZ_REQUIRE(again->secret.Reveal() == token->secret.Reveal());
  FUZZ_REQUIRE(again->expires_at_ms == token->expires_at_ms);
  return true;
}
