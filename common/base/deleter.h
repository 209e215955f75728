// Lets a std::unique_ptr own an object of a C library: std::unique_ptr<FILE, Deleter<fclose>>.
#pragma once

namespace holdfast {

template <auto Destroy>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    (void)Destroy(object);
  }
};

}  // namespace holdfast
