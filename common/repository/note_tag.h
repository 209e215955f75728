// The note of a backup as a restic tag, so that a list shows it without reading a tree.
// Form: docs/repository-format.md#snapshot.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::repository {

// "note:" and the first kNoteBytesMax bytes of `note`, with everything but printable characters,
// `%` and `,` percent-encoded. REQUIRES: `note` is not empty.
std::string EncodeNoteTag(std::string_view note);
// nullopt when `tag` is not a note. Any bytes may come out.
std::optional<std::string> DecodeNoteTag(std::string_view tag);

}  // namespace holdfast::repository
