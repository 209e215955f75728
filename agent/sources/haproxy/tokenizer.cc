#include "agent/sources/haproxy/tokenizer.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/format.h"

namespace holdfast::haproxy {

namespace {

bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

bool IsNameStart(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}
bool IsNamePart(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// One pass over a line. `word_` is the current word, from its first byte, quotes included, to the
// next blank.
class WordSplitter {
 public:
  WordSplitter(std::string_view line, const Variables& variables)
      : line_(line), variables_(variables) {}

  Result<std::vector<Word>> Run() {
    while (position_ < line_.size()) {
      char c = line_[position_];
      if (quote_ == 0 && IsSpace(c)) {
        EndWord(position_);
        ++position_;
      } else if (quote_ == 0 && c == '#') {
        break;
      } else {
        HF_TRY(TakeCharacter(c));
      }
    }
    if (quote_ != 0) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("the quote {} is not closed", quote_ == '"' ? "'\"'" : "\"'\""));
    }
    EndWord(position_);
    return std::move(words_);
  }

 private:
  Result<void> TakeCharacter(char c) {
    BeginWord();
    if ((c == '"' || c == '\'') && (quote_ == 0 || quote_ == c)) {
      // "" is a word; an empty "${EMPTY[*]}" makes no word.
      if (quote_ == 0) has_text_ = true;
      quote_ = quote_ == 0 ? c : 0;
      ++position_;
      return {};
    }
    if (c == '\\' && quote_ != '\'') return TakeEscape();
    if (c == '$' && quote_ == '"') return TakeVariable();
    Append(c);
    ++position_;
    return {};
  }

  Result<void> TakeEscape() {
    char next = position_ + 1 < line_.size() ? line_[position_ + 1] : '\0';
    switch (next) {
      case 'n':
        Append('\n');
        break;
      case 'r':
        Append('\r');
        break;
      case 't':
        Append('\t');
        break;
      case 'x': {
        const int high = position_ + 2 < line_.size() ? HexDigit(line_[position_ + 2]) : -1;
        const int low = position_ + 3 < line_.size() ? HexDigit(line_[position_ + 3]) : -1;
        if (high < 0 || low < 0) {
          return Fail(ErrorCode::kInvalidArgument, R"("\x" needs two hexadecimal digits)");
        }
        Append(static_cast<char>(high * 16 + low));
        position_ += 2;
        break;
      }
      case ' ':
      case '\t':
      case '\\':
      case '#':
      case '\'':
      case '"':
      case '$':
        Append(next);
        break;
      default:
        // Not an escape: the backslash stands for itself.
        Append('\\');
        ++position_;
        return {};
    }
    position_ += 2;
    return {};
  }

  Result<void> TakeVariable() {
    std::size_t at = position_ + 1;
    bool braced = at < line_.size() && line_[at] == '{';
    if (braced) ++at;
    std::size_t name_begin = at;
    if (at >= line_.size() || !IsNameStart(line_[at])) {
      return Fail(ErrorCode::kInvalidArgument,
                  "'$' inside double quotes is not followed by the name of a variable",
                  "write \\$ for a dollar sign");
    }
    ++at;
    while (at < line_.size() && IsNamePart(line_[at])) ++at;
    std::string name(line_.substr(name_begin, at - name_begin));

    bool split = false;
    std::optional<std::string> fallback;
    if (braced) {
      if (line_.substr(at, 3) == "[*]") {
        split = true;
        at += 3;
      }
      if (at < line_.size() && line_[at] == '-') {
        std::size_t close = line_.find('}', at);
        if (close == std::string_view::npos) close = line_.size();
        fallback = std::string(line_.substr(at + 1, close - at - 1));
        at = close;
      }
      if (at >= line_.size() || line_[at] != '}') {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("the brace of \"${{{}\" is not closed", name));
      }
      ++at;
    }
    position_ = at;
    auto found = variables_.find(name);
    if (found == variables_.end() && !fallback) word_.unset.push_back(name);
    Expand(found != variables_.end() ? found->second : fallback.value_or(""), split);
    return {};
  }

  void Expand(const std::string& value, bool split) {
    if (!split) {
      word_.text += value;
      return;
    }
    // The quotes around "${LIST[*]}" enclose the list. They do not make an empty word.
    if (word_.text.empty()) has_text_ = false;
    for (char c : value) {
      if (c != ' ') {
        Append(c);
        continue;
      }
      if (!word_.text.empty()) pending_.push_back(std::exchange(word_.text, {}));
      has_text_ = false;
    }
  }

  void BeginWord() {
    if (in_word_) return;
    in_word_ = true;
    has_text_ = false;
    word_ = Word{};
    word_.begin = position_;
  }

  void Append(char c) {
    word_.text += c;
    has_text_ = true;
  }

  void EndWord(std::size_t end) {
    if (!in_word_) return;
    in_word_ = false;
    word_.end = end;
    for (std::string& text : pending_) {
      Word part = word_;
      part.text = std::move(text);
      words_.push_back(std::move(part));
    }
    pending_.clear();
    if (has_text_ || !word_.text.empty()) words_.push_back(std::move(word_));
  }

  std::string_view line_;
  const Variables& variables_;
  std::size_t position_ = 0;
  char quote_ = 0;
  bool in_word_ = false;
  bool has_text_ = false;
  Word word_;
  std::vector<std::string> pending_;  // earlier words of the same list
  std::vector<Word> words_;
};

}  // namespace

Result<std::vector<Word>> SplitWords(std::string_view line, const Variables& variables) {
  return WordSplitter(line, variables).Run();
}

std::string EncodeWord(std::string_view text) {
  if (text.empty()) return "\"\"";
  std::string encoded;
  for (char c : text) {
    switch (c) {
      case '\n':
        encoded += "\\n";
        break;
      case '\r':
        encoded += "\\r";
        break;
      case '\t':
        encoded += "\\t";
        break;
      case ' ':
      case '\\':
      case '#':
      case '\'':
      case '"':
        encoded += '\\';
        encoded += c;
        break;
      default:
        if (IsSpace(c)) {
          encoded += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
          encoded += c;
        }
    }
  }
  return encoded;
}

std::vector<Argument> SplitArguments(std::string_view word, std::size_t position) {
  std::vector<Argument> arguments;
  Argument current{position, position, {}};
  char quote = 0;
  std::size_t at = position;
  for (; at < word.size(); ++at) {
    char c = word[at];
    if (c == '\\' && quote != '\'' && at + 1 < word.size()) {
      char next = word[at + 1];
      constexpr std::string_view kEscapable = " \\'\"";
      if (next == 'n' || next == 'r' || next == 't') {
        current.text += next == 'n' ? '\n' : next == 'r' ? '\r' : '\t';
        ++at;
      } else if (kEscapable.find(next) != std::string_view::npos) {
        current.text += next;
        ++at;
      } else {
        current.text += c;
      }
    } else if ((c == '"' || c == '\'') && (quote == 0 || quote == c)) {
      quote = quote == 0 ? c : 0;
    } else if (quote == 0 && (c == ',' || c == ')')) {
      current.end = at;
      arguments.push_back(std::move(current));
      if (c == ')') return arguments;
      current = Argument{at + 1, at + 1, {}};
    } else {
      current.text += c;
    }
  }
  current.end = at;
  arguments.push_back(std::move(current));
  return arguments;
}

std::string EncodeArgument(std::string_view text) {
  if (text.find_first_of(",()\"'\\ \t\r\n") == std::string_view::npos) return std::string(text);
  std::string encoded = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') encoded += '\\';
    encoded += c;
  }
  return encoded + '"';
}

}  // namespace holdfast::haproxy
