// Text as restic writes it, which is as Go writes it: names as strconv.Quote does, other strings as
// encoding/json does. Rules: docs/repository-format.md#trees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/utf8.h"

namespace holdfast::repository {

// The table is written by scripts/generate-printable.
extern const CodePointRange kPrintable[];
extern const std::size_t kPrintableCount;
// Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space.
bool IsPrintable(char32_t value);

// Appends strconv.Quote(name) without the quotes around it.
void AppendGoQuoted(std::string& out, std::string_view name);
// strconv.Unquote of `text` in double quotes. kCorrupt for what is no Go string.
Result<std::string> GoUnquote(std::string_view text);

// Appends `text` as encoding/json writes a string, quotes and HTML escapes included; bytes that are
// no UTF-8 become U+FFFD, spelled `\ufffd`.
void AppendGoJson(std::string& out, std::string_view text);

}  // namespace holdfast::repository
