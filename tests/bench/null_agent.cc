// The agent with a single kind of source, `null`. scripts/bench bus starts 200 of them. In all else
// it is the shipped program, so Holdfast is measured and not a service.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "agent/cli/process.h"
#include "agent/sources/source.h"

namespace holdfast::bench {
namespace {

constexpr std::size_t kQuickBytes = 1024;
// A slow source returns this many bytes at each pause.
constexpr std::size_t kSlowBytes = 1024;
constexpr std::chrono::milliseconds kSlowPause{100};

// `size` zeros. A slow one pauses before each read; a stop ends the pause.
class ZerosReader final : public ByteReader {
 public:
  ZerosReader(std::size_t size, bool is_slow, std::stop_token stop)
      : left_(size), is_slow_(is_slow), stop_(std::move(stop)) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    if (left_ > 0 && is_slow_) Pause();
    const std::size_t most = is_slow_ ? kSlowBytes : left_;
    const std::size_t size = std::min({buffer.size(), left_, most});
    std::ranges::fill(buffer.first(size), std::uint8_t{0});
    left_ -= size;
    return size;
  }

 private:
  void Pause() {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    (void)never.wait_for(lock, stop_, kSlowPause, [] { return false; });
  }

  std::size_t left_;
  const bool is_slow_;
  const std::stop_token stop_;
};

class NullBackup final : public BackupSession {
 public:
  explicit NullBackup(std::int64_t seconds) : seconds_(seconds) {}
  Result<void> Prepare(std::stop_token stop) override {
    stop_ = std::move(stop);
    return {};
  }
  Result<void> Cut() override { return {}; }
  Result<std::optional<Item>> Next() override {
    if (std::exchange(is_given_, true)) return std::nullopt;
    Item item;
    item.path = "data";
    item.attributes.mode = 0600;
    item.attributes.size = bytes_total();
    item.content = std::make_unique<ZerosReader>(bytes_total(), seconds_ > 0, stop_);
    return item;
  }
  Result<Manifest> Finish() override {
    Manifest manifest;
    manifest.method = "none";
    manifest.consistency = "exact";
    return manifest;
  }
  std::uint64_t bytes_total() const override {
    if (seconds_ == 0) return kQuickBytes;
    return static_cast<std::uint64_t>(seconds_) * (std::chrono::seconds(1) / kSlowPause) *
           kSlowBytes;
  }

 private:
  const std::int64_t seconds_;
  std::stop_token stop_;
  bool is_given_ = false;
};

class NullSource final : public Source {
 public:
  explicit NullSource(std::int64_t seconds) : seconds_(seconds) {}
  Result<SourceInfo> Probe(std::stop_token) override {
    SourceInfo info;
    info.healthy = true;
    info.health = "there is nothing";
    return info;
  }
  Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec&) override {
    return std::make_unique<NullBackup>(seconds_);
  }

 private:
  const std::int64_t seconds_;
};

std::vector<SourceKind> NullKinds() {
  SourceKind kind;
  kind.kind = "null";
  kind.topology = Topology::kLocal;
  kind.summary = "nothing but a few zeros";
  kind.options.options = {{.name = "seconds",
                           .type = config::OptionType::kInteger,
                           .help = "how long saving takes",
                           .minimum = 0,
                           .maximum = 3600}};
  kind.open = [](const SourceContext&,
                 const config::Values& values) -> Result<std::unique_ptr<Source>> {
    return std::make_unique<NullSource>(values.Integer("seconds"));
  };
  return {std::move(kind)};
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  return holdfast::cli::RunAgentProcess(argc, argv, holdfast::bench::NullKinds());
}
