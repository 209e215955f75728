#include "common/io/http_client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "common/base/format.h"
#include "common/io/fd.h"
#include "tests/support/loopback_listener.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

// A socket that serves one connection after the other with hand-written bytes.
class LoopbackServer {
 public:
  using Talk = std::function<void(int)>;
  explicit LoopbackServer(Talk talk) : talk_(std::move(talk)) {
    thread_ = std::jthread([this] {
      for (;;) {
        Fd peer(::accept(listener_.socket.get(), nullptr, nullptr));
        if (!peer.is_open()) return;
        talk_(peer.get());
      }
    });
  }
  ~LoopbackServer() { ::shutdown(listener_.socket.get(), SHUT_RDWR); }
  std::string url() const { return "http://" + listener_.authority; }

 private:
  Talk talk_;
  testing::LoopbackListener listener_;
  std::jthread thread_;
};

void SendText(int fd, std::string_view text) {
  (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

// Reads the header and `body_bytes` after it; empty if the peer disconnects first.
std::string ReceiveRequest(int fd, std::size_t body_bytes = 0) {
  std::string text;
  for (;;) {
    std::size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos && text.size() >= end + 4 + body_bytes) return text;
    char buffer[65536];
    ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return "";
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

// Reads a request, and sends this answer.
LoopbackServer::Talk Answer(std::string text) {
  return [text = std::move(text)](int fd) {
    ReceiveRequest(fd);
    SendText(fd, text);
  };
}

std::unique_ptr<HttpClient> MakeClient(HttpClientOptions options = {}) {
  return testing::Unwrap(HttpClient::Create(std::move(options)));
}

}  // namespace

TEST_CASE("http client: an answer has status, headers in lower case, body and trailers") {
  LoopbackServer server(
      Answer("HTTP/1.1 404 Not Found\r\nX-Thing:  a b \r\nTransfer-Encoding: chunked\r\n\r\n"
             "5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n"));
  auto client = MakeClient();

  HttpReply reply = testing::Unwrap(client->Fetch({.url = server.url() + "/x"}, 100, {}));

  REQUIRE(reply.status == 404);
  REQUIRE(*FindHeader(reply.headers, "x-thing") == "a b");
  REQUIRE(AsText(reply.body) == "hello");
  REQUIRE(*FindHeader(reply.trailers, "x-sum") == "5");
  REQUIRE(FindHeader(reply.headers, "x-sum") == nullptr);
}

TEST_CASE("http client: a body is sent completely, with its length, and connections are reused") {
  std::string body(300'000, 'b');
  std::atomic<int> connections = 0;
  std::atomic<int> good = 0;
  LoopbackServer server([&](int fd) {
    ++connections;
    for (;;) {
      std::string request = ReceiveRequest(fd, body.size());
      if (request.empty()) return;
      bool is_good = request.starts_with("PUT /x HTTP/1.1\r\n") && request.ends_with(body) &&
                     request.find("Content-Length: 300000\r\n") != std::string::npos &&
                     request.find("Expect") == std::string::npos;
      if (is_good) ++good;
      SendText(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
  });
  auto client = MakeClient();
  HttpRequest request{.method = "PUT", .url = server.url() + "/x", .body = AsBytes(body)};

  REQUIRE_OK(client->Fetch(request, 100, {}));
  REQUIRE_OK(client->Fetch(request, 100, {}));

  REQUIRE(good == 2);
  REQUIRE(connections == 1);
  client.reset();
}

TEST_CASE("http client: an unread body is not received without bound") {
  std::atomic<std::size_t> sent = 0;
  constexpr std::size_t kBody = 256U << 20;
  LoopbackServer server([&](int fd) {
    ReceiveRequest(fd);
    SendText(fd, fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", kBody));
    std::string block(1U << 20, 'z');
    while (sent < kBody) {
      ssize_t put = ::send(fd, block.data(), block.size(), MSG_NOSIGNAL);
      if (put <= 0) return;
      sent += static_cast<std::size_t>(put);
    }
  });
  auto client = MakeClient({.buffer_bytes = 1U << 20});
  auto exchange = testing::Unwrap(client->Start({.url = server.url()}, {}));

  Bytes small(1000);
  std::size_t got = testing::Unwrap(exchange->Read(small));
  REQUIRE(got > 0);
  REQUIRE(sent < kBody / 4);  // only the kernel's socket buffers and ours

  Bytes large(4U << 20);
  std::size_t total = got;
  while (std::size_t more = testing::Unwrap(exchange->Read(large))) total += more;
  REQUIRE(total == kBody);
}

TEST_CASE("http client: a refused connection is unavailable and names the server, not the path") {
  auto client = MakeClient();

  auto reply = client->Fetch({.url = "http://127.0.0.1:1/secret?token=1"}, 100, {});

  REQUIRE_FAILS(reply, ErrorCode::kUnavailable, "\"http://127.0.0.1:1\"");
  REQUIRE(reply.error().Text().find("token") == std::string::npos);
}

TEST_CASE("http client: the cause of a failed connection is named") {
  auto client = MakeClient();
  const auto error = [&](const std::string& url) {
    const auto reply = client->Fetch({.url = url}, 100, {});
    REQUIRE_FALSE(reply);
    REQUIRE_FALSE(reply.error().hint().empty());
    return reply.error().message();
  };
  REQUIRE(error("http://127.0.0.1:1") == "\"http://127.0.0.1:1\": connection refused");
  REQUIRE_THAT(error("http://" + testing::UnknownHost()),
               Catch::Contains("\": DNS: could not resolve host"));
  LoopbackServer server([](int fd) {
    SendText(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    ReceiveRequest(fd);  // until the client gives up
  });
  REQUIRE_THAT(error("https" + server.url().substr(4)), Catch::Contains("\": TLS: "));
}

TEST_CASE("http client: a stalled handshake is distinguished from a failed connection") {
  LoopbackServer server([](int fd) {
    // Reads the client's first message, and does not answer.
    ReceiveRequest(fd);
  });
  auto client = MakeClient({.connect_timeout = std::chrono::milliseconds(200)});
  REQUIRE_FAILS(client->Fetch({.url = "https" + server.url().substr(4)}, 100, {}),
                ErrorCode::kUnavailable, "no end of the TLS handshake within 200ms");
}

TEST_CASE("http client: a truncated body is an error, not an end") {
  LoopbackServer server(Answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
  auto client = MakeClient();

  REQUIRE_FAILS(client->Fetch({.url = server.url()}, 100, {}), ErrorCode::kUnavailable,
                "127.0.0.1");
}

TEST_CASE("http client: silence in the middle of a body is a timeout") {
  LoopbackServer server([](int fd) {
    ReceiveRequest(fd);
    SendText(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    ReceiveRequest(fd);  // until the client gives up
  });
  auto client = MakeClient({.stall_timeout = std::chrono::milliseconds(50)});

  REQUIRE_FAILS(client->Fetch({.url = server.url()}, 100, {}), ErrorCode::kTimedOut,
                "sent nothing for");
}

TEST_CASE("http client: a stop ends the wait at once") {
  std::stop_source stop;
  LoopbackServer server([&](int fd) {
    ReceiveRequest(fd);
    stop.request_stop();
    ReceiveRequest(fd);
  });
  auto client = MakeClient();

  REQUIRE_FAILS(client->Fetch({.url = server.url()}, 100, stop.get_token()), ErrorCode::kCancelled,
                "stopped by request");
}

TEST_CASE("http client: a server without HTTP/2 is detected") {
  LoopbackServer server(Answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
  auto client = MakeClient({.version = HttpVersion::kHttp2});

  auto reply = client->Fetch({.url = server.url()}, 100, {});

  REQUIRE_FALSE(reply);
}

TEST_CASE("http client: an answer over the limit is refused") {
  LoopbackServer server(Answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"));
  auto client = MakeClient();

  REQUIRE_FAILS(client->Fetch({.url = server.url()}, 9, {}), ErrorCode::kCorrupt,
                "larger than 9 B");
}

TEST_CASE("http client: header values with line breaks and file URLs are refused") {
  auto client = MakeClient();

  REQUIRE_FAILS(
      client->Fetch({.url = "http://127.0.0.1:1", .headers = {{"a", "b\r\nc: d"}}}, 9, {}),
      ErrorCode::kInvalidArgument, "line break");
  REQUIRE_FAILS(client->Fetch({.url = "file:///etc/passwd"}, 9, {}), ErrorCode::kInvalidArgument,
                "file://");
}

TEST_CASE("http client: an unusable CA file is an invalid argument") {
  LoopbackServer server([](int fd) { ReceiveRequest(fd); });
  auto client = MakeClient({.ca_file = "/nonexistent/ca.pem"});
  std::string url = "https" + server.url().substr(4);

  REQUIRE_FAILS(client->Fetch({.url = url}, 9, {}), ErrorCode::kInvalidArgument, "ca.pem");
}

}  // namespace holdfast
