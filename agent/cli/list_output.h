// The result of verbs that may find very much: it goes out as it is found, as lines for people or
// as one JSON document that begins with a list.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {

class ListOutput {
 public:
  // `list` is the name of the document's list.
  ListOutput(Terminal& terminal, bool is_json, std::string list)
      : terminal_(terminal), is_json_(is_json), list_(std::move(list)) {}

  bool is_json() const { return is_json_; }
  // Whether it has any entry, so that whatever happens now has to fit behind it.
  bool has_entries() const { return has_begun_ || !waiting_.empty(); }
  // One entry: a line, or a JSON object.
  Result<void> Add(std::string_view entry);
  // The end: text for people, or a JSON document whose fields follow the list.
  Result<void> End(std::string_view rest);

 private:
  Result<void> Write(std::string_view text);
  Result<void> Flush();

  Terminal& terminal_;
  const bool is_json_;
  const std::string list_;
  bool has_begun_ = false;
  std::string waiting_;
};

}  // namespace holdfast::cli
