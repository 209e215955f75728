// The note of a backup as a restic tag, so that lists show it without reading a tree.
// Format: docs/repository-format.md#snapshot.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::repository {

// "note:" and the first kNoteBytesMax bytes of `note`. Non-printable characters, `%` and `,` are
// percent-encoded. REQUIRES: `note` is not empty.
std::string EncodeNoteTag(std::string_view note);
// nullopt if `tag` is not a note. The result may contain any bytes.
std::optional<std::string> DecodeNoteTag(std::string_view tag);

}  // namespace holdfast::repository
