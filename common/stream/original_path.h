// Where a snapshot stores a node's files: below a root directory that each kind declares, under
// their absolute paths. So a user can type "/etc/hosts" for "data/etc/hosts".
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// Placeholder for the node's name in a kind's root.
inline constexpr std::string_view kAnyNode = "*";

// Where most kinds store the files of their members.
inline constexpr std::string_view kMembersRoot = "members/*/files";

// "members/web-1/files" for "members/*/files" and "web-1".
std::string RootOfNode(std::string_view root, std::string_view node);

// Converts a path or pattern that a user typed to one in a snapshot. One that begins with "/" names
// a file of the node: with the root "data", "/etc/*.conf" becomes "/data/etc/*.conf". Other texts
// are returned unchanged, and so are "/data/..." and "/members/...", which are directories of
// snapshots. If `root` is empty, as for snapshots that Holdfast did not make, all texts are.
std::string PatternInSnapshot(std::string_view root, std::string_view typed);

}  // namespace holdfast
