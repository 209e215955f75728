// A password or token in memory: never printed, wiped on destruction.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.Wipe(); }
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret& other) = default;
  Secret& operator=(const Secret& other);
  ~Secret() { Wipe(); }

  // The secret itself; never pass it to a log or an error.
  std::string_view Reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  void Wipe();
  std::string text_;
};

}  // namespace holdfast
