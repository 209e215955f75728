#include "common/base/secret.h"

#include <cstring>

namespace holdfast {

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  Wipe();
  text_ = std::move(other.text_);
  other.Wipe();
  return *this;
}

Secret& Secret::operator=(const Secret& other) {
  if (this == &other) return *this;
  Wipe();
  text_ = other.text_;
  return *this;
}

void Secret::Wipe() {
  if (text_.capacity() > 0) {
    text_.resize(text_.capacity());
    explicit_bzero(text_.data(), text_.size());
  }
  text_.clear();
}

}  // namespace holdfast
