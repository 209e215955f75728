// Cuts lines of a HAProxy configuration into words, as HAProxy does, and remembers where each word
// stands, so that a word can be replaced.
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

// Variables as HAProxy will see them. Names of pseudo-variables begin with a dot (".FILE").
using Variables = std::map<std::string, std::string, std::less<>>;

struct Word {
  std::string text;  // quotes and escapes resolved, variables expanded
  // Where the word stands in its line, in bytes. "${LIST[*]}" makes several words of one place.
  std::size_t begin = 0;
  std::size_t end = 0;
  // Variables that the word needs and nobody has set; they read as empty, as HAProxy reads them.
  std::vector<std::string> unset;
};

// The words of one line without its line feed; none for an empty line or a comment.
// kInvalidArgument, without a place, where HAProxy would refuse the line: a quote or a brace that
// is not closed, a bad \x escape.
Result<std::vector<Word>> SplitWords(std::string_view line, const Variables& variables);

// `text` as one word that SplitWords() reads back unchanged, whatever bytes it holds.
std::string EncodeWord(std::string_view text);

// An argument between parentheses, e.g. of map(): position and length within the decoded word that
// holds it, and what it reads as after this second level of quoting.
struct Argument {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string text;
};

// The arguments from `position`, which follows the opening parenthesis, to the closing one. An
// argument list that is not closed ends with the word.
std::vector<Argument> SplitArguments(std::string_view word, std::size_t position);
// `text` as one such argument.
std::string EncodeArgument(std::string_view text);

}  // namespace holdfast::haproxy
