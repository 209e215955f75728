// Base class of the sources of all kinds; holds the context and the settings.
#pragma once

#include <memory>
#include <utility>

#include "agent/sources/source.h"

namespace holdfast {

// A kind derives from it and implements Probe(). `kOpenSession` opens the kind's backup session.
template <typename Settings, auto kOpenSession>
class BasicSource : public Source {
 public:
  BasicSource(SourceContext context, Settings settings)
      : context_(std::move(context)), settings_(std::move(settings)) {}
  Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec& spec) final {
    return kOpenSession(context_, settings_, spec);
  }

 protected:
  const SourceContext context_;
  const Settings settings_;
};

}  // namespace holdfast
