#include "agent/sources/etcd/grpc_client.h"
#include "agent/sources/etcd/messages.h"
#include "agent/sources/member/proto_wire.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::etcd {
namespace {

GrpcFrames FramesOf(Bytes body, std::size_t piece) {
  return GrpcFrames([body = std::move(body), at = std::size_t{0},
                     piece](std::span<std::uint8_t> buffer) mutable -> Result<std::size_t> {
    std::size_t size = std::min({piece, buffer.size(), body.size() - at});
    std::copy_n(body.begin() + static_cast<std::ptrdiff_t>(at), size, buffer.begin());
    at += size;
    return size;
  });
}

Bytes Frame(std::string_view text) {
  Bytes frame = {0, 0, 0, static_cast<std::uint8_t>(text.size() >> 8),
                 static_cast<std::uint8_t>(text.size())};
  frame.insert(frame.end(), text.begin(), text.end());
  return frame;
}

}  // namespace

TEST_CASE("protobuf: written fields are read back") {
  ProtoWriter writer;
  writer.Add(1, std::uint64_t{300});
  writer.Add(2, std::string_view("abc"));
  writer.Add(3, UINT64_MAX);
  writer.Add(4, std::uint64_t{0});
  ProtoReader reader(writer.bytes());

  REQUIRE(testing::Unwrap(reader.Next()));
  REQUIRE((reader.field() == 1 && reader.number() == 300));
  REQUIRE(testing::Unwrap(reader.Next()));
  REQUIRE((reader.field() == 2 && reader.text() == "abc"));
  REQUIRE(testing::Unwrap(reader.Next()));
  REQUIRE((reader.field() == 3 && reader.number() == UINT64_MAX));
  REQUIRE_FALSE(testing::Unwrap(reader.Next()));
}

TEST_CASE("protobuf: malformed messages are refused") {
  auto first = [](Bytes bytes) { return ProtoReader(bytes).Next(); };

  REQUIRE_FAILS(first({0x0a}), ErrorCode::kCorrupt, "within a field");
  REQUIRE_FAILS(first({0x0a, 0x05, 'a'}), ErrorCode::kCorrupt, "within a field");
  REQUIRE_FAILS(first({0x09, 1, 2, 3}), ErrorCode::kCorrupt, "within a field");
  REQUIRE_FAILS(first({0x00, 0x00}), ErrorCode::kCorrupt, "out of range");
  REQUIRE_FAILS(first({0x0b}), ErrorCode::kCorrupt, "wire type");
  REQUIRE_FAILS(first({0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}),
                ErrorCode::kCorrupt, "64 bits");
  REQUIRE_FAILS(first({0x0a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}), ErrorCode::kCorrupt,
                "within a field");
}

TEST_CASE("protobuf: random bytes make the decoders fail or succeed, and nothing else") {
  testing::SeededRandom random(42);
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes(random.Next64() % 64);
    random.Fill(bytes);
    // Tags of known fields, so that the inner decoders are reached too.
    if (bytes.size() > 2 && round % 2 == 0) bytes[0] = static_cast<std::uint8_t>(0x0a + round % 32);
    if (bytes.size() > 2 && round % 4 == 0) bytes[1] = static_cast<std::uint8_t>(bytes.size() - 2);
    (void)DecodeStatus(bytes);
    (void)DecodeMembers(bytes);
    (void)DecodeAlarms(bytes);
    (void)DecodeSnapshot(bytes);
    (void)DecodeToken(bytes);
  }
}

TEST_CASE("grpc frames: messages are split correctly, wherever the pieces end") {
  std::size_t piece = GENERATE(1, 3, 1000);
  std::string large(70'000 % 65'536, 'x');
  Bytes body = Frame("hello");
  for (std::string_view text : {std::string_view(""), std::string_view(large)}) {
    Bytes frame = Frame(text);
    body.insert(body.end(), frame.begin(), frame.end());
  }
  GrpcFrames frames = FramesOf(body, piece);

  REQUIRE(AsText(*testing::Unwrap(frames.Next())) == "hello");
  REQUIRE(testing::Unwrap(frames.Next())->empty());
  REQUIRE(AsText(*testing::Unwrap(frames.Next())) == large);
  REQUIRE_FALSE(testing::Unwrap(frames.Next()));
}

TEST_CASE("grpc frames: torn, compressed and oversized messages are refused") {
  REQUIRE_FAILS(FramesOf({0, 0, 0}, 9).Next(), ErrorCode::kCorrupt, "within a message");
  REQUIRE_FAILS(FramesOf({0, 0, 0, 0, 5, 'a'}, 9).Next(), ErrorCode::kCorrupt, "within a message");
  REQUIRE_FAILS(FramesOf({1, 0, 0, 0, 0}, 9).Next(), ErrorCode::kCorrupt, "compressed");
  REQUIRE_FAILS(FramesOf({0, 255, 255, 255, 255}, 9).Next(), ErrorCode::kCorrupt, "claims");
}

TEST_CASE("grpc status: only zero is success") {
  REQUIRE_OK(CheckGrpcStatus({{"grpc-status", "0"}, {"grpc-message", ""}}));
  REQUIRE_FAILS(CheckGrpcStatus({}), ErrorCode::kCorrupt, "without a status");
  REQUIRE_FAILS(CheckGrpcStatus({{"grpc-status", "0x"}}), ErrorCode::kCorrupt, "not a number");
  REQUIRE_FAILS(CheckGrpcStatus({{"grpc-status", "14"}}), ErrorCode::kUnavailable,
                "grpc-status 14");
  REQUIRE_FAILS(
      CheckGrpcStatus({{"grpc-status", "2"}, {"grpc-message", "auth%3A permission denied"}}),
      ErrorCode::kDenied, "role root");
  REQUIRE_FAILS(
      CheckGrpcStatus({{"grpc-status", "3"}, {"grpc-message", "etcdserver: user name is empty"}}),
      ErrorCode::kDenied, "password_file");
  auto stale =
      CheckGrpcStatus({{"grpc-status", "16"}, {"grpc-message", "etcdserver: invalid auth token"}});
  REQUIRE(IsStaleToken(stale.error()));
}

}  // namespace holdfast::etcd
