// Output of verbs whose results may be very long. Prints entries as they are found, as lines or as
// one JSON document that begins with a list.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {

class ListOutput {
 public:
  // `list` is the key of the list in the document.
  ListOutput(Terminal& terminal, bool is_json, std::string list)
      : terminal_(terminal), is_json_(is_json), list_(std::move(list)) {}

  bool is_json() const { return is_json_; }
  // Whether an entry was added. Then any further output must continue the document.
  bool has_entries() const { return has_begun_ || !waiting_.empty(); }
  // Adds a line or a JSON object.
  Result<void> Add(std::string_view entry);
  // Ends the output with text, or with a JSON document whose fields follow the list.
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
