// The files and directories that an extraction cannot read from the repository.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace holdfast::repository {

// Keeps the first few messages, and counts all.
class LostList {
 public:
  // `error` names the file or directory. REQUIRES: IsSingleObjectError(error).
  void Add(const Error& error);
  void Add(LostList others);
  bool empty() const { return count_ == 0; }
  // kCorrupt if anything is damaged, else kUnsupported with a hint; success if the list is empty.
  Result<void> Outcome() const;

 private:
  std::vector<std::string> kept_;
  std::uint64_t count_ = 0;
  std::uint64_t damaged_ = 0;  // of these, the damaged ones
  std::string hint_;           // of the first that is out of reach
};

}  // namespace holdfast::repository
