// An in-process HTTP/1.1 server, whose answers and failures a function chooses.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cctype>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/io/fd.h"
#include "tests/support/loopback_listener.h"

namespace holdfast::testing {

struct ServedRequest {
  std::string method;
  std::string target;                                        // as sent: "/a%20b?c="
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  const std::string* Header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return &value;
    }
    return nullptr;
  }
};

struct ServedAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // How the answer fails. kStall: nothing is sent until the peer gives up. kHangUp: closes before
  // the answer. kCutBody: closes after the first half of the body.
  enum class Fault { kNone, kStall, kHangUp, kCutBody } fault = Fault::kNone;
};

// Serves each connection in its own thread until destroyed.
class LoopbackHttp {
 public:
  // May be called concurrently.
  using Serve = std::function<ServedAnswer(const ServedRequest&)>;

  explicit LoopbackHttp(Serve serve) : serve_(std::move(serve)) {
    thread_ = std::jthread([this] { Accept(); });
  }
  ~LoopbackHttp() {
    ::shutdown(listener_.socket.get(), SHUT_RDWR);
    thread_.join();
    {
      std::lock_guard lock(mutex_);
      for (const Fd& peer : peers_) ::shutdown(peer.get(), SHUT_RDWR);
    }
    threads_.clear();
  }
  LoopbackHttp(const LoopbackHttp&) = delete;
  LoopbackHttp& operator=(const LoopbackHttp&) = delete;

  std::string url() const { return "http://" + listener_.authority; }
  const std::string& authority() const { return listener_.authority; }
  int connections() const { return connections_; }

 private:
  void Accept() {
    for (;;) {
      Fd peer(::accept(listener_.socket.get(), nullptr, nullptr));
      if (!peer.is_open()) return;
      ++connections_;
      std::lock_guard lock(mutex_);
      peers_.push_back(std::move(peer));
      threads_.emplace_back([this, fd = peers_.back().get()] { Talk(fd); });
    }
  }

  // Descriptors stay open until the server is destroyed, so that their numbers are not reused.
  void Talk(int fd) {
    std::string received;
    for (;;) {
      ServedRequest request;
      if (!Receive(fd, received, request)) break;
      if (!Answer(fd, request, serve_(request))) break;
    }
    ::shutdown(fd, SHUT_RDWR);
  }

  static bool More(int fd, std::string& received) {
    char buffer[65536];
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    received.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  static bool Receive(int fd, std::string& received, ServedRequest& request) {
    std::size_t end = 0;
    while ((end = received.find("\r\n\r\n")) == std::string::npos) {
      if (!More(fd, received)) return false;
    }
    ReadHead(std::string_view(received).substr(0, end + 2), request);
    received.erase(0, end + 4);
    const std::string* length = request.Header("content-length");
    const std::size_t body = length == nullptr ? 0 : std::stoul(*length);
    received.reserve(body);
    while (received.size() < body) {
      if (!More(fd, received)) return false;
    }
    request.body = received.substr(0, body);
    received.erase(0, body);
    return true;
  }

  static void ReadHead(std::string_view head, ServedRequest& request) {
    const std::string_view first = head.substr(0, head.find("\r\n"));
    const std::size_t space = first.find(' ');
    request.method = first.substr(0, space);
    request.target = first.substr(space + 1, first.rfind(' ') - space - 1);
    head.remove_prefix(first.size() + 2);
    while (!head.empty()) {
      const std::string_view line = head.substr(0, head.find("\r\n"));
      head.remove_prefix(line.size() + 2);
      std::string name(line.substr(0, line.find(':')));
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      std::string_view value = line.substr(line.find(':') + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      request.headers.emplace_back(std::move(name), value);
    }
  }

  static bool Answer(int fd, const ServedRequest& request, const ServedAnswer& answer) {
    using enum ServedAnswer::Fault;
    if (answer.fault == kHangUp) return false;
    std::string nothing;
    while (answer.fault == kStall) {
      if (!More(fd, nothing)) return false;
    }
    std::string text = fmt::format("HTTP/1.1 {} -\r\n", answer.status);
    bool has_length = false;
    for (const auto& [name, value] : answer.headers) {
      text += name + ": " + value + "\r\n";
      has_length |= name == "Content-Length";
    }
    if (!has_length && answer.status != 204) {
      text += fmt::format("Content-Length: {}\r\n", answer.body.size());
    }
    text += "\r\n";
    const bool is_cut = answer.fault == kCutBody;
    if (request.method != "HEAD")
      text += answer.body.substr(0, answer.body.size() / (is_cut ? 2 : 1));
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    return !is_cut;
  }

  const Serve serve_;
  LoopbackListener listener_;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::list<Fd> peers_;
  std::list<std::jthread> threads_;
  std::jthread thread_;
};

}  // namespace holdfast::testing
