// Where a snapshot has the files of a node: below a directory that depends on the kind of source,
// under their absolute path. So a person may type "/etc/hosts" for "data/etc/hosts".
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// Stands for the name of each node in OriginalRoot().
inline constexpr std::string_view kAnyNode = "*";

// The directory below which a snapshot of `kind` has files under their absolute path: "data" for
// "files", "members/*/files" for every other kind.
std::string_view OriginalRoot(std::string_view kind);

// The same for a path or pattern that was typed. One that begins with "/" is that of a file of a
// node, unless it begins with "/data/" or "/members/", which are directories of snapshots:
// "/etc/*.conf" of kind "files" is "/data/etc/*.conf". Any other text is returned as it is, as
// is that of a snapshot that Holdfast did not make, whose `kind` is empty.
std::string PatternInSnapshot(std::string_view kind, std::string_view typed);

}  // namespace holdfast
