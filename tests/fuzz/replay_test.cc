// Runs every fuzz target in every build: its corpus, mutated copies of it from a seed, and inputs
// that are hostile to any decoder. scripts/fuzz searches further.

#include <filesystem>

#include "common/io/fd.h"
#include "tests/fuzz/mutator.h"
#include "tests/fuzz/target.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

// With the address sanitizer, no input may make a decoder allocate more at once.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=256"; }

namespace holdfast::fuzz {

void Broken(const std::string& what, const char* file, int line) {
  FAIL(file << ":" << line << ": does not hold: " << what.substr(0, 500));
  std::abort();  // FAIL throws
}

namespace {

constexpr std::size_t kRounds = 400;

std::vector<std::pair<std::string, Bytes>> CorpusOf(const std::string& target) {
  std::vector<std::pair<std::string, Bytes>> corpus;
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(HOLDFAST_FUZZ_CORPUS) + "/" + target)) {
    corpus.emplace_back(file.path().filename(), testing::Unwrap(ReadWholeFile(file.path())));
  }
  std::ranges::sort(corpus);  // the same order on every file system
  return corpus;
}

// Excessive sizes, depths and counts, in formats that some decoder accepts.
std::vector<Bytes> HostileInputs() {
  constexpr std::size_t kDeep = 200'000;
  const auto repeat = [](std::string_view text, std::size_t count) {
    Bytes bytes;
    bytes.reserve(text.size() * count);
    for (std::size_t i = 0; i < count; ++i) bytes.insert(bytes.end(), text.begin(), text.end());
    return bytes;
  };
  return {Bytes(),
          repeat("[", kDeep),
          repeat("{\"a\":", kDeep),
          repeat("{\"nodes\":[", kDeep),
          repeat("{\"packs\":[", kDeep),
          repeat("{\"x\":[{\"y\":", kDeep),
          repeat("<a>", kDeep),
          repeat("<a/>", kDeep),
          repeat("\"", kDeep),
          repeat("9", kDeep),
          repeat(",", kDeep),
          repeat("\\", kDeep),
          Bytes(kDeep, 0x00),
          Bytes(kDeep, 0x0a),
          Bytes(kDeep, 0x12),
          Bytes(kDeep, 0x80),
          Bytes(kDeep, 0xff)};
}

TEST_CASE("fuzz: every corpus is taken and belongs to a target") {
  std::vector<std::string> folders;
  for (const auto& entry : std::filesystem::directory_iterator(HOLDFAST_FUZZ_CORPUS)) {
    if (entry.is_directory()) folders.push_back(entry.path().filename());
  }
  std::vector<std::string> names;
  for (const Target& target : Targets()) names.push_back(target.name);
  std::ranges::sort(folders);
  std::ranges::sort(names);
  REQUIRE(names == folders);
  for (const Target& target : Targets()) {
    std::size_t taken = 0;
    for (const auto& [name, bytes] : CorpusOf(target.name)) {
      INFO(target.name << "/" << name);
      if (target.run(bytes)) ++taken;
    }
    INFO(target.name);
    REQUIRE(taken > 0);
  }
}

TEST_CASE("fuzz: spoiled copies of every corpus are refused clearly, or decoded") {
  for (const Target& target : Targets()) {
    std::vector<Bytes> seeds;
    for (auto& [name, bytes] : CorpusOf(target.name)) seeds.push_back(std::move(bytes));
    testing::Mutator mutator(1, std::move(seeds));
    for (std::size_t round = 0; round < testing::FuzzRounds(kRounds) / target.cost; ++round) {
      const Bytes bytes = mutator.Next();
      INFO(target.name << ", round " << round << ": " << HexEncode(bytes));
      (void)target.run(bytes);
    }
  }
}

TEST_CASE("fuzz: sizes, depths and counts beyond all measure are refused in time") {
  const std::vector<Bytes> inputs = HostileInputs();
  for (const Target& target : Targets()) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      INFO(target.name << ", hostile input " << i);
      (void)target.run(inputs[i]);
    }
  }
}

}  // namespace
}  // namespace holdfast::fuzz
