// Which build of Holdfast this is.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// "0.1.0".
std::string_view Version();

// The Git commit of this build: 40 hexadecimal digits, then "-dirty" if the source tree had
// uncommitted changes. "unknown" for a source tree without Git.
std::string_view Commit();

// "0.1.0 (commit 3fa2...)", as `--version` shows it.
std::string VersionText();

}  // namespace holdfast
