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

// What becomes of one silence of the snapshot.
struct SilencePlan {
  enum class Action : std::uint8_t {
    kMake,     // it is not there
    kPresent,  // it exists, as `target`
    kChanged,  // it exists, by the same id, and somebody has changed it since
    kExpired,  // its time has passed
  };
  std::size_t index = 0;  // of the snapshot's silences
  Action action = Action::kMake;
  std::string target;  // the id that it has there
};

// Every silence of `target` stands for one of `saved` at most: what is there twice in the snapshot
// will be there twice. Where it began does not tell silences apart, for the API lets none begin in
// the past.
std::vector<SilencePlan> PlanSilences(std::span<const Silence> saved,
                                      std::span<const Silence> target, UnixTime now);

// `settings` are the source's, without endpoints where it is not configured.
Result<MethodOutcome> RestoreSilences(const SourceContext& context, const Settings& settings,
                                      const RestoreSpec& spec, Progress& progress,
                                      std::stop_token stop);

}  // namespace holdfast::alertmanager
