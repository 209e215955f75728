// Makes untrusted text safe to show on terminals, in logs and in JSON documents.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// `text` with everything escaped that could control a terminal or change the text next to it:
// controls, format characters and invalid bytes ("\x1b", "\u202e", "\xff").
std::string Printable(std::string_view text);

// The same for a JSON document: escapes the characters that JSON leaves unescaped ("\u009b",
// "\u202e"). The document's value does not change. REQUIRES: `json` is valid UTF-8.
std::string PrintableJson(std::string_view json);

}  // namespace holdfast
