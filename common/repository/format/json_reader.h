// Reads JSON piece by piece, without recursion and without building a document in memory: tree
// blobs may have hundreds of megabytes and are untrusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {

// The caller says what must come next. After the first mistake, every call returns false, and
// status() says where and what it was. Numbers are integers. Invalid UTF-8 and unpaired surrogates
// become U+FFFD, as in Go.
//
//   if (reader.BeginObject()) {
//     while (reader.NextField(key)) { ... read or Skip() its value ... }
//   }
class JsonReader {
 public:
  // `text` must outlive the reader.
  explicit JsonReader(std::string_view text) : text_(text) {}

  bool BeginObject() { return Begin('{', "an object"); }
  // False at the object's end and after a mistake. `key` is valid as for Text().
  bool NextField(std::string_view& key);
  bool BeginArray() { return Begin('[', "a list"); }
  // False at the list's end and after a mistake.
  bool NextElement() { return Next(']'); }

  bool String(std::string& out);
  // The same without a copy if there is nothing to decode. Valid until the next call.
  bool Text(std::string_view& out);
  bool Unsigned(std::uint64_t& out,
                std::uint64_t largest = std::numeric_limits<std::uint64_t>::max());
  // Takes `null` if it comes next. Otherwise returns false and takes nothing.
  bool TakeNull();
  // Skips the next value. Fails if it is nested too deeply.
  bool Skip();
  // Fails unless only white space is left.
  bool End();

  // Where the next value begins.
  std::size_t position();
  // Where the last value ended.
  std::size_t offset() const { return at_; }
  // Reports what was read last as a mistake. Returns false.
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
  bool is_fresh_ = false;  // an object or list was opened, and nothing in it was read yet
  std::string decoded_;    // the last text that had to be decoded
  std::string mistake_;
};

// Reads an id. False, and a mistake in `json`, if it is not one.
bool ReadId(JsonReader& json, Id& id);

}  // namespace holdfast::repository
