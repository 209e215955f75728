// Reads JSON piece by piece, without a document in memory and without recursion: tree blobs may be
// hundreds of megabytes and come from strangers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::repository {

// The caller says what must come next. After the first mistake every call returns false and
// status() says where and what. Numbers are whole; text that is no UTF-8, and halves of surrogate
// pairs, become U+FFFD, as in Go.
//
//   if (reader.BeginObject()) {
//     while (reader.NextField(key)) { ... read or Skip() its value ... }
//   }
class JsonReader {
 public:
  // `text` must outlive the reader.
  explicit JsonReader(std::string_view text) : text_(text) {}

  bool BeginObject() { return Begin('{', "an object"); }
  // False at the object's end, and after a mistake. `key` as with Text().
  bool NextField(std::string_view& key);
  bool BeginArray() { return Begin('[', "a list"); }
  // False at the list's end, and after a mistake.
  bool NextElement() { return Next(']'); }

  bool String(std::string& out);
  // The same without a copy where there is nothing to decode; valid until the next call.
  bool Text(std::string_view& out);
  bool Unsigned(std::uint64_t& out,
                std::uint64_t largest = std::numeric_limits<std::uint64_t>::max());
  bool Bool(bool& out);
  // Takes `null` if that comes next; leaves everything else.
  bool TakeNull();
  // Whatever comes next, however deep.
  bool Skip();
  // Nothing but white space is left.
  bool End();

  // Where the next value begins.
  std::size_t position();
  // Where the last value ended.
  std::size_t offset() const { return at_; }
  // Makes what was read last a mistake. Returns false.
  bool Reject(std::string_view what);
  bool failed() const { return !mistake_.empty(); }
  // kCorrupt after a mistake.
  Result<void> status() const;

 private:
  bool Begin(char open, std::string_view what);
  bool Next(char close);
  bool SkipScalar();
  bool TakeRest(std::string& out);
  bool TakeEscape(std::string& out);
  bool TakeHex4(char32_t& value);
  void SkipSpace();
  bool Take(char c);

  std::string_view text_;
  std::size_t at_ = 0;
  bool is_fresh_ = false;  // an object or a list was opened and nothing of it is read yet
  std::string decoded_;    // the last text that did not stand for itself
  std::string mistake_;
};

}  // namespace holdfast::repository
