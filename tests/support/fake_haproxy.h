// A fake HAProxy on a UNIX socket.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/base/bytes.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::testing {

class FakeHaproxy {
 public:
  // Answers by command; others are answered as unknown commands.
  using Answers = std::map<std::string, std::string>;

  FakeHaproxy(std::string path, Answers answers)
      : path_(std::move(path)), answers_(std::move(answers)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path_.size() < sizeof(address.sun_path));
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    REQUIRE(::listen(listener_.get(), 16) == 0);
    thread_ = std::jthread([this](const std::stop_token& stop) { Serve(stop); });
  }
  ~FakeHaproxy() {
    thread_.request_stop();
    (void)::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    (void)::unlink(path_.c_str());
  }
  FakeHaproxy(const FakeHaproxy&) = delete;
  FakeHaproxy& operator=(const FakeHaproxy&) = delete;

  void Set(const std::string& question, const std::string& answer) {
    const std::lock_guard guard(mutex_);
    answers_[question] = answer;
  }
  // Sends what `answer` returns instead of an answer, unchanged and without a terminator. `answer`
  // is called for each question and may have side effects.
  void SetRaw(const std::string& question, std::function<std::string()> answer) {
    const std::lock_guard guard(mutex_);
    raw_[question] = std::move(answer);
  }
  std::vector<std::string> asked() {
    const std::lock_guard guard(mutex_);
    return asked_;
  }

 private:
  void Serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const Fd connection(::accept(listener_.get(), nullptr, nullptr));
      if (!connection.is_open()) return;
      const std::string answer = AnswerTo(ReadQuestion(connection.get()));
      (void)::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }

  static std::string ReadQuestion(int fd) {
    std::string question;
    std::array<char, 65536> buffer{};
    while (!question.ends_with('\n')) {
      const ssize_t count = ::read(fd, buffer.data(), buffer.size());
      if (count <= 0) return question;
      question.append(buffer.data(), static_cast<std::size_t>(count));
    }
    question.pop_back();
    return question;
  }

  std::string AnswerTo(const std::string& question) {
    const std::lock_guard guard(mutex_);
    asked_.push_back(question);
    if (const auto raw = raw_.find(question); raw != raw_.end()) return raw->second();
    const auto found = answers_.find(question);
    return (found == answers_.end() ? "Unknown command, but maybe one of the following\n"
                                    : found->second) +
           "\n";
  }

  const std::string path_;
  Fd listener_;
  std::mutex mutex_;
  Answers answers_;
  std::map<std::string, std::function<std::string()>> raw_;
  std::vector<std::string> asked_;
  std::jthread thread_;
};

}  // namespace holdfast::testing
