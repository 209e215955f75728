#include "common/repository/tree/lost_list.h"

#include <utility>

#include "common/base/format.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {
namespace {

constexpr std::size_t kKept = 5;

}  // namespace

void LostList::Add(const Error& error) {
  ++count_;
  if (IsDamage(error)) {
    ++damaged_;
  } else if (hint_.empty()) {
    hint_ = error.hint();
  }
  if (kept_.size() < kKept) kept_.push_back(error.message());
}

void LostList::Add(LostList others) {
  count_ += others.count_;
  damaged_ += others.damaged_;
  if (hint_.empty()) hint_ = std::move(others.hint_);
  for (std::string& one : others.kept_) {
    if (kept_.size() < kKept) kept_.push_back(std::move(one));
  }
}

Result<void> LostList::Outcome() const {
  if (count_ == 0) return {};
  std::string names;
  for (const std::string& one : kept_) names += (names.empty() ? "" : "; ") + one;
  if (count_ > kept_.size()) names += fmt::format("; and {} more", count_ - kept_.size());
  if (damaged_ == 0) {
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("the storage does not return {} of the snapshot's files and directories, which "
                    "were not written: {}",
                    count_, names),
        hint_.empty() ? "everything else was written" : "everything else was written; " + hint_);
  }
  const std::string others =
      damaged_ < count_ ? fmt::format(", or not returned by the storage ({}),", count_ - damaged_)
                        : "";
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{} of the snapshot's files and directories are damaged in the "
                          "repository{} and were not written: {}",
                          count_, others, names),
              "everything else was written; an older snapshot may have them");
}

}  // namespace holdfast::repository
