// What holdfast-agent gets from outside: the kinds of sources, time, terminal, environment.
#pragma once

#include <stop_token>
#include <vector>

#include "agent/sources/host/process.h"
#include "agent/sources/source.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/cli/terminal.h"
#include "common/config/reader.h"
#include "common/repository/store/lock.h"
#include "common/storage/open_storage.h"

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
  host::Places places;  // searched by `source list --discover`
};

}  // namespace holdfast::cli
