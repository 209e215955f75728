// The names in a directory. There may be millions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::filetree {

// Memory: the names plus 9 bytes for each.
class NameList {
 public:
  void Add(std::string_view name) {
    begins_.push_back(text_.size());
    text_ += name;
    text_ += '\0';  // no name contains it
  }
  std::size_t size() const { return begins_.size(); }
  // Valid until the list changes.
  std::string_view operator[](std::size_t i) const { return text_.c_str() + begins_[i]; }
  // Sorts by ascending bytes and removes duplicates.
  void Sort() {
    const auto name = [this](std::uint64_t begin) {
      return std::string_view(text_.c_str() + begin);
    };
    std::ranges::sort(begins_, {}, name);
    const auto doubles = std::ranges::unique(begins_, {}, name);
    begins_.erase(doubles.begin(), doubles.end());
  }
  void Clear() { *this = NameList(); }

 private:
  std::string text_;
  std::vector<std::uint64_t> begins_;
};

}  // namespace holdfast::filetree
