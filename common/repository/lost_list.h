// What an extraction leaves out because the repository does not give it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace holdfast::repository {

// The first few in words, and how many there are.
class LostList {
 public:
  // `error` names it. REQUIRES: IsOfOneAlone(error).
  void Add(const Error& error);
  void Add(LostList others);
  bool empty() const { return count_ == 0; }
  // The error to end with: kCorrupt where something is damaged, else kUnsupported with what to do.
  Result<void> Outcome() const;

 private:
  std::vector<std::string> kept_;
  std::uint64_t count_ = 0;
  std::uint64_t damaged_ = 0;  // of these
  std::string hint_;           // of the first that is only out of reach
};

}  // namespace holdfast::repository
