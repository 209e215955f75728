// Where a snapshot has the files of a node: below a directory that each kind of source declares,
// under their absolute path. So a person may type "/etc/hosts" for "data/etc/hosts".
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// Stands for the name of each node in the root of a kind.
inline constexpr std::string_view kAnyNode = "*";

// Where most kinds have the files of their members.
inline constexpr std::string_view kMembersRoot = "members/*/files";

// "members/web-1/files" for "members/*/files" and "web-1".
std::string RootOfNode(std::string_view root, std::string_view node);

// The path or pattern in a snapshot that a typed one means. One that begins with "/" is that of a
// file of a node, unless it begins with "/data/" or "/members/", which are directories of
// snapshots: with the root "data", "/etc/*.conf" is "/data/etc/*.conf". Any other text is returned
// as it is, and every text if `root` is empty, as it is for snapshots that Holdfast did not make.
std::string PatternInSnapshot(std::string_view root, std::string_view typed);

}  // namespace holdfast
