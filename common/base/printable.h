// Untrusted text for terminals, logs and documents that people read.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// `text` with everything escaped that could control a terminal or change the text next to it:
// controls, format characters and invalid bytes ("\x1b", "\u202e", "\xff").
std::string Printable(std::string_view text);

// The same for the text of a JSON document, which means the same to programs afterwards: escapes
// what JSON itself does not ("\u009b", "\u202e"). REQUIRES: valid UTF-8.
std::string PrintableJson(std::string_view json);

}  // namespace holdfast
