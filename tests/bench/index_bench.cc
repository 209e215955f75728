// Measures the index of a large repository: memory per blob, time to load, and lookups per second.
// The repository has only index files, with made-up blobs. Run by scripts/bench index, one process
// per measurement. Prints one JSON object.
//
//   index_bench make DIRECTORY BLOBS                  creates a repository
//   index_bench keep DIRECTORY                        loads its index and writes the cache
//   index_bench open DIRECTORY BLOBS storage|cache    loads its index from the storage or cache
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/repository/format/index_file.h"
#include "common/repository/store/repository.h"
#include "common/storage/open_storage.h"

namespace holdfast::repository {
namespace {

constexpr std::size_t kBlobsPerPack = 20;  // blobs of 1 MiB that compress a little
constexpr std::size_t kPacksPerFile = kIndexBlobsMax / kBlobsPerPack;
constexpr std::size_t kLookups = 5'000'000;
constexpr std::uint32_t kBlobBytes = 800'000;

// Exits on an error.
template <typename T>
T Must(Result<T> result) {
  if (!result) {
    std::cerr << "index_bench: " << result.error().Text() << "\n";
    ::_exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// Ids that look like hashes and are the same in every run.
Id IdOf(std::uint64_t seed, std::uint64_t number) {
  Id id;
  std::uint64_t state = (seed << 56) + number * 4;
  for (std::size_t i = 0; i < id.bytes.size(); i += 8) {
    std::uint64_t z = ++state * 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    std::memcpy(id.bytes.data() + i, &z, sizeof z);
  }
  return id;
}
Id BlobId(std::uint64_t number) { return IdOf(1, number); }
Id PackId(std::uint64_t number) { return IdOf(2, number); }
Id UnknownId(std::uint64_t number) { return IdOf(3, number); }

class Bench {
 public:
  explicit Bench(const std::string& directory)
      : url_("file:" + directory + "/repository"), cache_(directory + "/cache") {}

  void Make(std::size_t blobs) {
    auto storage = Must(OpenStorage({url_}));
    Must(Repository::Init(*storage, password_,
                          {.user = "bench",
                           .host = "bench",
                           .scrypt = crypto::ScryptParameters{.n = 1024, .r = 8, .p = 1}},
                          random_, clock_));
    auto repository = Open();
    constexpr std::size_t kBlobsPerFile = kPacksPerFile * kBlobsPerPack;
    const std::size_t files = (blobs + kBlobsPerFile - 1) / kBlobsPerFile;
    Must(ForEachInParallel(files, CoreCount(), [&](std::size_t file) -> Result<void> {
      const std::size_t begin = file * kBlobsPerFile;
      const std::string json =
          EncodeIndexFile(Packs(begin, std::min(blobs, begin + kBlobsPerFile)));
      HF_TRY(repository->files().Save(FileKind::kIndex, AsBytes(json)));
      return {};
    }));
    std::cout << fmt::format(R"({{"files":{}}})", files) << "\n";
  }

  void Keep() {
    auto repository = Open();
    Must(repository->index().LoadWithCache({}));
    const Instant begin = clock_.Monotonic();
    Must(repository->index().SaveCache());
    std::cout << fmt::format(R"({{"seconds":{:.3f}}})", SecondsSince(begin)) << "\n";
  }

  void Measure(std::size_t blobs, bool uses_cache) {
    auto repository = Open();
    const double resident = Memory("VmRSS:");
    const Instant begin = clock_.Monotonic();
    Must(uses_cache ? repository->index().LoadWithCache({}) : repository->index().Load({}));
    const double seconds = SecondsSince(begin);
    const double resident_after = Memory("VmRSS:");
    const double peak = Memory("VmHWM:");
    HF_CHECK(repository->index().BlobCount() == blobs);
    const auto per_blob = [&](double bytes) { return bytes / static_cast<double>(blobs); };
    const double found = LookupsPerSecond(*repository, blobs, true);
    const double not_found = LookupsPerSecond(*repository, blobs, false);
    std::cout
        << fmt::format(
               R"({{"seconds":{:.3f},"index_bytes":{:.2f},"resident_bytes":{:.2f},)"
               R"("peak_bytes":{:.2f},"found_per_second":{:.0f},"unknown_per_second":{:.0f}}})",
               seconds, per_blob(static_cast<double>(repository->index().Memory())),
               per_blob(resident_after - resident), per_blob(peak - resident), found, not_found)
        << "\n";
  }

 private:
  std::unique_ptr<Repository> Open() {
    return Must(Repository::Open(Must(OpenStorage({url_})), password_, {.index_cache = cache_},
                                 random_, clock_));
  }

  static std::vector<PackContents> Packs(std::size_t begin, std::size_t end) {
    std::vector<PackContents> packs;
    for (std::size_t number = begin; number < end; ++number) {
      if (number % kBlobsPerPack == 0) packs.push_back({PackId(number / kBlobsPerPack), {}});
      PackContents::Blob& blob = packs.back().blobs.emplace_back();
      blob.id = BlobId(number);
      blob.type = BlobType::kData;
      blob.offset = static_cast<std::uint32_t>(number % kBlobsPerPack) * kBlobBytes;
      blob.length = kBlobBytes;
      blob.plain_length = (1U << 20) + static_cast<std::uint32_t>(number % 1000);
      blob.compressed = true;
    }
    return packs;
  }

  double LookupsPerSecond(Repository& repository, std::size_t blobs, bool known) {
    const Instant begin = clock_.Monotonic();
    for (std::size_t i = 0; i < kLookups; ++i) {
      // In an order different from the index.
      const std::uint64_t number = i * 7'368'787 % blobs;
      const bool is_found = repository.index()
                                .Find(BlobType::kData, known ? BlobId(number) : UnknownId(number))
                                .has_value();
      HF_CHECK(is_found == known);
    }
    return kLookups / SecondsSince(begin);
  }

  double SecondsSince(Instant begin) const {
    return std::chrono::duration<double>(clock_.Monotonic() - begin).count();
  }

  // A value of /proc/self/status in bytes.
  static double Memory(std::string_view name) {
    std::ifstream status("/proc/self/status");
    std::string word;
    double kib = 0;
    while (status >> word) {
      if (word == name) status >> kib;
    }
    return kib * 1024;
  }

  const std::string url_;
  const std::string cache_;
  const Secret password_{"secret"};
  SystemRandom random_;
  SystemClock clock_;
};

int Main(std::span<char*> words) {
  const auto word = [&](std::size_t i) {
    return i < words.size() ? std::string_view(words[i]) : std::string_view();
  };
  std::size_t blobs = 0;
  (void)std::from_chars(word(3).data(), word(3).data() + word(3).size(), blobs);
  if (word(1) == "make" && blobs > 0) {
    Bench(std::string(word(2))).Make(blobs);
  } else if (word(1) == "keep" && words.size() == 3) {
    Bench(std::string(word(2))).Keep();
  } else if (word(1) == "open" && blobs > 0 && (word(4) == "storage" || word(4) == "cache")) {
    Bench(std::string(word(2))).Measure(blobs, word(4) == "cache");
  } else {
    std::cerr << "usage: index_bench make|keep|open DIRECTORY [BLOBS] [storage|cache]\n";
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace holdfast::repository

int main(int argc, char** argv) {
  return holdfast::repository::Main({argv, static_cast<std::size_t>(argc)});
}
