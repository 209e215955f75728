#include "agent/cli/list_output.h"

#include "common/base/format.h"
#include "common/base/result.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kWaitingBytesMax = 64U << 10;

}  // namespace

Result<void> ListOutput::Write(std::string_view text) {
  waiting_ += text;
  return waiting_.size() < kWaitingBytesMax ? Result<void>{} : Flush();
}

Result<void> ListOutput::Flush() {
  has_begun_ = true;
  const Result<void> written = terminal_.WriteOut(waiting_);
  waiting_.clear();
  return written;
}

Result<void> ListOutput::Add(std::string_view entry) {
  if (!is_json_) return Write(fmt::format("{}\n", entry));
  return Write(has_entries() ? fmt::format(",\n    {}", entry)
                             : fmt::format("{{\n  \"{}\": [\n    {}", list_, entry));
}

Result<void> ListOutput::End(std::string_view rest) {
  if (is_json_) {
    constexpr std::string_view kOpening = "{\n";
    HF_CHECK(rest.starts_with(kOpening));
    rest.remove_prefix(kOpening.size());
    HF_TRY(Write(has_entries() ? "\n  ],\n" : fmt::format("{{\n  \"{}\": [],\n", list_)));
  }
  HF_TRY(Write(rest));
  return Flush();
}

}  // namespace holdfast::cli
