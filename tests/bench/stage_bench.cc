// Measures each stage of the engine separately: seconds of one core per GiB, for incompressible
// content and for content like logs. Prints one JSON object per line: {"stage", "random", "log"}.
//
//   stage_bench DIRECTORY     a directory on the disk to measure; its files are removed afterwards
#include <fcntl.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/crypto/seal.h"
#include "common/crypto/sha256.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/repository/format/chunker.h"
#include "common/repository/format/compressor.h"
#include "tests/bench/content.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using repository::BlobType;

constexpr std::size_t kBytes = 256U << 20;
constexpr std::size_t kBlobBytes = 1U << 20;
constexpr std::size_t kReadBytes = 1U << 20;

Bytes MakeContent(bool is_random) {
  testing::SeededRandom random(7);
  std::string content;
  is_random ? bench::AppendRandom(random, kBytes, content)
            : bench::AppendLog(random, kBytes, content);
  return {content.begin(), content.end()};
}

// Runs the content through the stages, one after another.
class Stages {
 public:
  Stages(ByteView content, std::string directory)
      : content_(content),
        directory_(std::move(directory)),
        sealer_(crypto::SealKey::Generate(random_), random_),
        compressor_(repository::Compression::kAuto) {}

  double Read() {
    const std::string path = directory_ + "/content";
    Write(path, {content_});
    Bytes buffer(kReadBytes);
    return Time([&] {
      const Fd file = Must(OpenFile(path, O_RDONLY));
      while (Must(ReadSome(file.get(), buffer, path)) > 0) {
      }
    });
  }

  double Chunk() {
    const repository::GearTable table = repository::MakeGearTable({1, 2, 3});
    const auto chunker = repository::MakeContentChunker(table);
    return Time([&] {
      for (ByteView rest = content_; !rest.empty();) rest = rest.subspan(chunker->Feed(rest).used);
    });
  }

  double Hash() {
    return Time([&] {
      for (ByteView blob : Blobs()) (void)crypto::Sha256Of(blob);
    });
  }

  double Compress() {
    const double seconds = Time([&] {
      for (ByteView blob : Blobs()) (void)compressor_.CompressBlob(BlobType::kData, blob);
    });
    for (ByteView blob : Blobs()) {
      const auto frame = compressor_.CompressBlob(BlobType::kData, blob);
      const ByteView payload = frame.value_or(blob);
      payloads_.emplace_back(payload.begin(), payload.end());
      is_compressed_.push_back(frame.has_value());
      sealed_.emplace_back(crypto::kSealOverhead + payload.size());
      sealed_bytes_ += sealed_.back().size();
    }
    return seconds;
  }

  double Seal() {
    return Time([&] {
      for (std::size_t i = 0; i < payloads_.size(); ++i) sealer_.SealInto(payloads_[i], sealed_[i]);
    });
  }

  // Like a writer that verifies what it has sealed.
  double Verify() {
    repository::Decompressor decompressor;
    return Time([&] {
      for (std::size_t i = 0; i < sealed_.size(); ++i) {
        if (is_compressed_[i]) decompressor.BeginComparison(Blobs()[i]);
        HF_CHECK(sealer_.OpenInPieces(sealed_[i], [&](ByteView piece) {
          return !is_compressed_[i] || decompressor.Compare(piece);
        }));
      }
    });
  }

  // Like a reader.
  double Open() {
    repository::Decompressor decompressor;
    Bytes payload;
    Bytes plaintext(kBlobBytes);
    return Time([&] {
      for (std::size_t i = 0; i < sealed_.size(); ++i) {
        payload.resize(payloads_[i].size());
        HF_CHECK(sealer_.OpenInto(sealed_[i], payload));
        if (is_compressed_[i]) HF_CHECK(decompressor.DecompressInto(payload, plaintext));
      }
    });
  }

  double HashPacks() {
    return Time([&] {
      crypto::Sha256 hash;
      for (const Bytes& blob : sealed_) hash.Update(blob);
      (void)hash.Finish();
    });
  }

  double WritePacks() {
    return Time([&] { Write(directory_ + "/packs", {sealed_.begin(), sealed_.end()}); });
  }

 private:
  static constexpr double kGib = 1U << 30;

  template <typename T>
  static T Must(Result<T> result) {
    if (!result) {
      fmt::print(stderr, "stage_bench: {}\n", result.error().message());
      std::exit(1);
    }
    return *std::move(result);
  }
  static void Must(const Result<void>& result) {
    if (result) return;
    fmt::print(stderr, "stage_bench: {}\n", result.error().message());
    std::exit(1);
  }

  // Seconds per GiB of content; the median of three.
  double Time(const std::function<void()>& work) const {
    std::vector<double> seconds;
    for (int i = 0; i < 3; ++i) {
      const SystemClock clock;
      const Instant begin = clock.Monotonic();
      work();
      seconds.push_back(std::chrono::duration<double>(clock.Monotonic() - begin).count());
    }
    std::ranges::sort(seconds);
    return seconds[1] * kGib / kBytes;
  }

  const std::vector<ByteView>& Blobs() {
    for (std::size_t at = 0; blobs_.size() < kBytes / kBlobBytes; at += kBlobBytes) {
      blobs_.push_back(content_.subspan(at, kBlobBytes));
    }
    return blobs_;
  }

  void Write(const std::string& path, const std::vector<ByteView>& pieces) {
    const Fd file = Must(OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    for (ByteView piece : pieces) Must(WriteAll(file.get(), piece, path));
    Must(SyncFile(file.get(), path));
  }

  const ByteView content_;
  const std::string directory_;
  SystemRandom random_;
  crypto::Sealer sealer_;
  repository::Compressor compressor_;
  std::vector<ByteView> blobs_;
  std::vector<Bytes> payloads_;
  std::vector<bool> is_compressed_;
  std::vector<Bytes> sealed_;
  std::size_t sealed_bytes_ = 0;
};

int Run(const std::string& parent) {
  Result<TempDir> directory = TempDir::Create("stages", parent);
  if (!directory) {
    fmt::print(stderr, "stage_bench: {}\n", directory.error().message());
    return 1;
  }
  const Bytes random = MakeContent(true);
  const Bytes log = MakeContent(false);
  Stages of_random(random, directory->path());
  Stages of_log(log, directory->path());
  const std::vector<std::pair<const char*, double (Stages::*)()>> stages{
      {"read from the page cache", &Stages::Read},
      {"cut into chunks", &Stages::Chunk},
      {"hash chunks (SHA-256)", &Stages::Hash},
      {"compress (auto)", &Stages::Compress},
      {"encrypt (AES-256-CTR, Poly1305)", &Stages::Seal},
      {"verify the encrypted blobs", &Stages::Verify},
      {"hash packs (SHA-256)", &Stages::HashPacks},
      {"write packs and sync", &Stages::WritePacks},
      {"open and decompress", &Stages::Open},
  };
  for (const auto& [name, stage] : stages) {
    const double of_random_seconds = (of_random.*stage)();
    const double of_log_seconds = (of_log.*stage)();
    fmt::print(R"({{"stage": "{}", "random": {:.3f}, "log": {:.3f}}})"
               "\n",
               name, of_random_seconds, of_log_seconds);
  }
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "stage_bench: want DIRECTORY\n");
    return 2;
  }
  return holdfast::Run(argv[1]);
}
