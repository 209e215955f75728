// Puts the files of a HAProxy back in place, under a journal, and has the running process take
// them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/sources/haproxy/settings.h"
#include "agent/sources/source.h"

namespace holdfast::haproxy {

// kUnsupported without a way to reload; kInvalidArgument for a snapshot of something else. All
// arguments outlive the session.
Result<std::unique_ptr<RestoreSession>> OpenRestoreSession(const SourceContext& context,
                                                           const Settings& settings,
                                                           const RestoreSpec& spec);

// As Source::RecoverRestore(): files back or new for good, and HAProxy running with them. Needs
// nothing but the recorded state.
Result<std::string> RecoverSwap(const SourceContext& context, std::string_view state);

}  // namespace holdfast::haproxy
