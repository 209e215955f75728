// A Hello of a node that has joined, as the controller takes it.
#include "common/protocol/messages.h"
#include "tests/fuzz/controller_scene.h"

FUZZ_TARGET_OF_COST(hello, 4) {
  using namespace holdfast;
  if (input.size() > (std::size_t{1} << 20) - 1024) return false;
  fuzz::ControllerScene scene;
  // The last value of a field counts, so the head replaces the input's.
  Bytes hello(input.begin(), input.end());
  const Bytes head = protocol::EncodeMessage(fuzz::ControllerScene::HelloHead());
  hello.insert(hello.end(), head.begin(), head.end());
  const Bytes message = fuzz::WireField(1, hello);
  const controller::AgentRecord before = scene.catalog.agents.at("a");

  scene.Say(message);

  const bool is_answered = !scene.sent.empty() && scene.sent.front().has_hello_answer();
  v1::AgentMessage parsed;
  const bool is_message = parsed.ParseFromArray(message.data(), static_cast<int>(message.size())) &&
                          parsed.has_hello() && protocol::CheckLimits(parsed);
  // A damaged input may swallow the head.
  const bool is_ours =
      is_message && parsed.hello().node() == "a" && parsed.hello().incarnation() == 1;
  FUZZ_REQUIRE(is_answered == is_ours);
  if (!is_answered) {
    FUZZ_REQUIRE(scene.last.changes.empty() && scene.catalog.agents.at("a") == before);
    return false;
  }
  scene.CheckCatalog();
  scene.Say(message);  // the same Hello again changes nothing
  FUZZ_REQUIRE(scene.last.changes.empty());
  scene.CheckViews();
  return true;
}
