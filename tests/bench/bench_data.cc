// Creates the file trees for scripts/bench. The same arguments give the same bytes.
//
//   bench_data large DIR FILES MIB     FILES files of MIB each: half random, half like logs
//   bench_data small DIR FILES         FILES files of 100 bytes to 32 KiB, equally many of each
//                                      order of magnitude, half random, 500 per directory
//   bench_data change DIR SEED COUNT   writes other random content to COUNT files of `small`
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/format.h"
#include "common/base/result.h"
#include "common/io/fd.h"
#include "tests/bench/content.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kFilesPerDirectory = 500;
constexpr double kSmallMin = 100;
constexpr double kSmallMax = 32768;

[[noreturn]] void Die(const std::string& message) {
  fmt::print(stderr, "bench_data: {}\n", message);
  std::exit(2);
}

void WriteFile(const std::string& path, std::string_view content) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.is_open()) Die(fmt::format("open \"{}\": {}", path, std::strerror(errno)));
  while (!content.empty()) {
    const ssize_t count = ::write(file.get(), content.data(), content.size());
    if (count < 0) Die(fmt::format("write \"{}\": {}", path, std::strerror(errno)));
    content.remove_prefix(static_cast<std::size_t>(count));
  }
}

void MakeLarge(const std::string& directory, std::uint64_t files, std::uint64_t mib) {
  std::filesystem::create_directories(directory);
  const std::size_t piece = 1U << 20;
  std::string content;
  for (std::uint64_t i = 0; i < files; ++i) {
    testing::SeededRandom random(1000 + i);
    const bool is_random = i % 2 == 0;
    // Both kinds alternate in the order of names, too.
    const std::string path = fmt::format("{}/{:03}-{}", directory, i, is_random ? "random" : "log");
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.is_open()) Die(fmt::format("open \"{}\": {}", path, std::strerror(errno)));
    for (std::uint64_t j = 0; j < mib; ++j) {
      content.clear();
      is_random ? bench::AppendRandom(random, piece, content)
                : bench::AppendLog(random, piece, content);
      if (::write(file.get(), content.data(), piece) != static_cast<ssize_t>(piece)) {
        Die(fmt::format("write \"{}\": {}", path, std::strerror(errno)));
      }
    }
  }
}

std::string SmallPath(const std::string& directory, std::uint64_t number) {
  return fmt::format("{}/{:04}/{:07}", directory, number / kFilesPerDirectory, number);
}

void MakeSmall(const std::string& directory, std::uint64_t files) {
  testing::SeededRandom random(2);
  std::string content;
  for (std::uint64_t i = 0; i < files; ++i) {
    if (i % kFilesPerDirectory == 0) {
      std::filesystem::create_directories(
          fmt::format("{}/{:04}", directory, i / kFilesPerDirectory));
    }
    const double chance = static_cast<double>(random.Next64() >> 11) * 0x1.0p-53;
    const auto size = static_cast<std::size_t>(kSmallMin * std::pow(kSmallMax / kSmallMin, chance));
    content.clear();
    i % 2 == 0 ? bench::AppendRandom(random, size, content)
               : bench::AppendLog(random, size, content);
    WriteFile(SmallPath(directory, i), content);
  }
}

void Change(const std::string& directory, std::uint64_t seed, std::uint64_t count) {
  std::uint64_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    files += entry.is_regular_file() ? 1U : 0U;
  }
  if (files == 0) Die(fmt::format("\"{}\" has no files", directory));
  testing::SeededRandom random(seed);
  std::string content;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string path = SmallPath(directory, random.Next64() % files);
    content.clear();
    bench::AppendRandom(random, std::filesystem::file_size(path), content);
    WriteFile(path, content);
  }
}

std::uint64_t Number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    Die(fmt::format("\"{}\" is not a number", text));
  }
  return number;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  using namespace holdfast;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 4 && words[0] == "large") {
    MakeLarge(words[1], Number(words[2]), Number(words[3]));
  } else if (words.size() == 3 && words[0] == "small") {
    MakeSmall(words[1], Number(words[2]));
  } else if (words.size() == 4 && words[0] == "change") {
    Change(words[1], Number(words[2]), Number(words[3]));
  } else {
    Die("want: large DIR FILES MIB | small DIR FILES | change DIR SEED COUNT");
  }
  return 0;
}
