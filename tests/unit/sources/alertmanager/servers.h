// Fake Alertmanagers and their silences.
#pragma once

#include <string>
#include <vector>

#include "agent/sources/alertmanager/silence.h"
#include "common/base/format.h"
#include "tests/support/loopback_http.h"
#include "tests/support/results.h"

namespace holdfast::alertmanager {

// A silence as the API returns it; times are seconds of 2030-01-01.
inline std::string SilenceJson(const std::string& id, const std::string& value, int starts = 0,
                               int ends = 3000, const std::string& state = "active",
                               int updated = 0) {
  const auto time = [](int seconds) {
    return fmt::format("2030-01-01T{:02}:{:02}:{:02}.000Z", seconds / 3600, seconds / 60 % 60,
                       seconds % 60);
  };
  return fmt::format(
      R"({{"id":"{}","status":{{"state":"{}"}},"updatedAt":"{}","comment":"c","createdBy":"anna",)"
      R"("startsAt":"{}","endsAt":"{}","matchers":[{{"name":"a","value":"{}","isRegex":false,)"
      R"("isEqual":true}}]}})",
      id, state, time(updated), time(starts), time(ends), value);
}

inline std::string ListJson(const std::vector<std::string>& silences) {
  return fmt::format("[{}]", fmt::join(silences, ","));
}

inline std::vector<Silence> Parsed(const std::vector<std::string>& silences) {
  return testing::Unwrap(ParseSilences(ListJson(silences)));
}

inline const std::string kStatusJson =
    R"({"cluster":{"name":"01A","status":"ready","peers":[{"name":"01B","address":"b:1"},)"
    R"({"name":"01A","address":"a:1"}]},"versionInfo":{"version":"0.25.0"},"uptime":"x"})";

// Answers with its current silences.
class FakeServer {
 public:
  explicit FakeServer(std::string silences)
      : silences_(std::move(silences)),
        http_([this](const testing::ServedRequest& request) { return Answer(request); }) {}

  std::string url() const { return http_.url(); }
  std::vector<std::string> posted() {
    std::lock_guard lock(mutex_);
    return posted_;
  }
  // Sets the answer to one request; `number` counts POSTs from 1.
  void Refuse(std::size_t number, int status, std::string body) {
    refused_ = number;
    refusal_ = {.status = status, .body = std::move(body)};
  }
  std::string status_json = kStatusJson;

 private:
  testing::ServedAnswer Answer(const testing::ServedRequest& request) {
    std::lock_guard lock(mutex_);
    if (request.target == "/api/v2/status") return {.body = status_json};
    if (request.target != "/api/v2/silences") return {.status = 404, .body = "no"};
    if (request.method == "GET") return {.body = silences_};
    posted_.push_back(request.body);
    if (posted_.size() == refused_) return refusal_;
    return {.body = fmt::format(R"({{"silenceID":"new-{}"}})", posted_.size())};
  }

  std::mutex mutex_;
  const std::string silences_;
  std::vector<std::string> posted_;
  std::size_t refused_ = 0;
  testing::ServedAnswer refusal_;
  testing::LoopbackHttp http_;
};

}  // namespace holdfast::alertmanager
