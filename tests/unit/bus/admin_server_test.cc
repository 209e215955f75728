#include "common/bus/admin_server.h"

#include "tests/support/catch.h"
#include "tests/support/test_bus.h"

namespace holdfast::bus {
namespace {

using namespace testing;

struct TestAdmin {
  TestAdmin() {
    options.endpoint = "tcp://127.0.0.1:*";
    options.keys = GenerateCurveKeys(Chance());
    server = Unwrap(AdminServer::Open(options, book));
  }
  BusClientOptions Client(const CurveKeys& keys) const {
    BusClientOptions client;
    client.endpoint = server->endpoint();
    client.keys = keys;
    client.server.key = options.keys.public_key;
    client.message_bytes_max = kAdminReplyBytesMax;
    return client;
  }
  AdminCall NextCall() {
    for (;;) {
      std::optional<AdminCall> call = Unwrap(server->Receive(Soon()));
      if (call) return *std::move(call);
    }
  }
  Book book;
  AdminServerOptions options;
  std::unique_ptr<AdminServer> server;
};

Bytes NextMessage(BusClient& client) { return Next(client, Kind::kMessage).bytes; }

TEST_CASE("admin server: two connections of one person each get their own answers") {
  TestAdmin admin;
  const CurveKeys keys = GenerateCurveKeys(Chance());
  admin.book.Allow(keys.public_key, "anna");
  auto first = Connected(admin.Client(keys));
  auto second = Connected(admin.Client(keys));

  REQUIRE_OK(first->Send(ToBytes("first")));
  AdminCall one = admin.NextCall();
  REQUIRE_OK(second->Send(ToBytes("second")));
  AdminCall two = admin.NextCall();

  CHECK(one.person == "anna");
  CHECK(two.person == "anna");
  REQUIRE_OK(admin.server->Send(one.connection, ToBytes("to the first")));
  REQUIRE_OK(admin.server->Send(two.connection, Bytes(kAdminReplyBytesMax, 7)));
  REQUIRE_OK(admin.server->Send(one.connection, ToBytes("and again")));
  CHECK(NextMessage(*second) == Bytes(kAdminReplyBytesMax, 7));
  CHECK(NextMessage(*first) == ToBytes("to the first"));
  CHECK(NextMessage(*first) == ToBytes("and again"));
}

TEST_CASE("admin server: an unknown key is refused, and the self-test passes") {
  TestAdmin admin;
  REQUIRE_OK(admin.server->SelfTest());

  auto stranger = Unwrap(BusClient::Open(admin.Client(GenerateCurveKeys(Chance())), Chance()));
  (void)Next(*stranger, Kind::kRefused);
}

TEST_CASE("admin server: sending to a closed connection fails") {
  TestAdmin admin;
  const CurveKeys keys = GenerateCurveKeys(Chance());
  admin.book.Allow(keys.public_key, "anna");
  auto client = Connected(admin.Client(keys));
  REQUIRE_OK(client->Send(ToBytes("hello")));
  AdminCall call = admin.NextCall();
  client.reset();

  // The server learns of it with a delay.
  Instant deadline = Soon();
  Result<void> sent;
  do {
    (void)Unwrap(admin.server->Receive(In(milliseconds(10))));
    sent = admin.server->Send(call.connection, ToBytes("anybody there?"));
  } while (sent && SystemClock().Monotonic() < deadline);
  REQUIRE_FAILS(sent, ErrorCode::kUnavailable, "");
}

}  // namespace
}  // namespace holdfast::bus
