// What the operators' program gets from outside: time, terminal, environment.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/cli/terminal.h"
#include "common/config/reader.h"
#include "controller/cli/prompt.h"
#include "controller/cli/run_follower.h"

namespace holdfast::cli {

struct OperatorContext {
  config::Environment environment;
  const Clock* clock = nullptr;
  Random* random = nullptr;
  Terminal* terminal = nullptr;
  Prompt* prompt = nullptr;
  std::stop_token stop;
  std::string host;  // this machine's name
  std::chrono::milliseconds connect_max{3'000};
  std::chrono::milliseconds answer_max{30'000};
  FollowOptions follow;  // with `wait` set
};

}  // namespace holdfast::cli
