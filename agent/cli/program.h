// holdfast-agent's standalone verbs: from arguments to an exit code. Everything a verb touches is
// handed in, so that tests run it whole.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/host/process.h"
#include "agent/sources/source.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/cli/terminal.h"
#include "common/config/reader.h"
#include "common/repository/lock.h"
#include "common/storage/storage.h"

namespace holdfast::cli {

struct ProgramContext {
  const std::vector<SourceKind>* kinds = nullptr;
  config::Environment environment;
  const Clock* clock = nullptr;
  Random* random = nullptr;
  Terminal* terminal = nullptr;
  std::stop_token stop;
  StorageOpener open_storage = MakeStorageOpener();
  repository::LockOptions lock_options;
  host::Places places;  // where `source list --discover` looks
};

// `argv` without the program's name. Sets up logging. Returns the exit code.
int RunAgent(const std::vector<std::string>& argv, const ProgramContext& context);

}  // namespace holdfast::cli
