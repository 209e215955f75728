// Creates the silences of a snapshot in a running Alertmanager, through its API (method "to-api").
// A silence that exists is not created again, so the same command continues an interrupted restore.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/alertmanager/settings.h"
#include "agent/sources/alertmanager/silence.h"
#include "agent/sources/source.h"

namespace holdfast::alertmanager {

// What to do with one silence of the snapshot.
struct SilencePlan {
  enum class Action : std::uint8_t {
    kMake,     // it does not exist
    kPresent,  // it exists, as `target`
    kChanged,  // it exists with the same id, but was changed since
    kExpired,  // it has expired
  };
  std::size_t index = 0;  // in the snapshot's silences
  Action action = Action::kMake;
  std::string target;  // its id in the target
};

// Each silence of `target` matches at most one of `saved`, so duplicates in the snapshot stay
// duplicates. Start times may differ: the API does not create silences that start in the past.
std::vector<SilencePlan> PlanSilences(std::span<const Silence> saved,
                                      std::span<const Silence> target, UnixTime now);

// `settings` are those of the source, without endpoints if it is not configured.
Result<MethodOutcome> RestoreSilences(const SourceContext& context, const Settings& settings,
                                      const RestoreSpec& spec, Progress& progress,
                                      std::stop_token stop);

}  // namespace holdfast::alertmanager
