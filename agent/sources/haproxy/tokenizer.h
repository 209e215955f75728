// Splits lines of a HAProxy configuration into words, as HAProxy does, and records the position of
// each word, so that it can be replaced.
//
// Source: HAProxy configuration manual, sections 2.2 (quoting and escaping) and 2.3 (environment
// variables).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::haproxy {

// Variables as HAProxy sees them. Names of pseudo-variables begin with a dot (".FILE").
using Variables = std::map<std::string, std::string, std::less<>>;

struct Word {
  std::string text;  // quotes and escapes resolved, variables expanded
  // The byte range of the word in its line. "${LIST[*]}" makes several words with the same range.
  std::size_t begin = 0;
  std::size_t end = 0;
  // Variables in the word that are not set. They read as empty, as in HAProxy.
  std::vector<std::string> unset;
};

// The words of one line without its line feed; empty for an empty line or a comment.
// kInvalidArgument, without a position, if HAProxy would refuse the line: an unclosed quote or
// brace, or a bad \x escape.
Result<std::vector<Word>> SplitWords(std::string_view line, const Variables& variables);

// `text` encoded as one word that SplitWords() decodes unchanged, whatever bytes it has.
std::string EncodeWord(std::string_view text);

// An argument between parentheses, e.g. of map(): its range in the decoded word, and its text after
// this second level of quoting.
struct Argument {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string text;
};

// The arguments from `position`, right after the opening parenthesis, to the closing one. An
// unclosed argument list ends with the word.
std::vector<Argument> SplitArguments(std::string_view word, std::size_t position);
// `text` encoded as one such argument.
std::string EncodeArgument(std::string_view text);

}  // namespace holdfast::haproxy
