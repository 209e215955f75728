// Puts the files of a HAProxy back in place, under a journal, and has the running process take
// them.
#pragma once

#include "agent/sources/source.h"

namespace holdfast::haproxy {

// "in-place". Its session refuses with kUnsupported a source without a way to reload, and with
// kInvalidArgument a snapshot of something else. Recovery leaves the former files or the new ones,
// and HAProxy running with them; it needs nothing but the recorded state.
RestoreMethod InPlaceMethod();

}  // namespace holdfast::haproxy
