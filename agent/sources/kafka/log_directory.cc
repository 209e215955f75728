#include "agent/sources/kafka/log_directory.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/sources/host/untrusted_file.h"
#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::kafka {
namespace {

constexpr std::size_t kTextBytesMax = 1U << 20;  // about 40,000 leader epochs
// Per broker. Kafka recommends at most 4,000.
constexpr std::size_t kPartitionsMax = 1'000'000;
constexpr const char* kLetRead =
    "let the agent read the broker's log directories, or correct \"log_dirs\"";

bool IsDirectory(const dirent& entry, const std::string& path) {
  if (entry.d_type == DT_DIR) return true;
  if (entry.d_type != DT_UNKNOWN && entry.d_type != DT_LNK) return false;
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

auto KeyOf(const PartitionDirectory& entry) {
  return std::pair(std::string_view(entry.name.topic), entry.name.partition);
}

}  // namespace

LogDirectories LogDirectories::Open(std::span<const std::string> paths) {
  LogDirectories directories;
  for (const std::string& path : paths) {
    directories.ReadMeta(path);
    directories.List(path);
  }
  // If two directories have a partition, keep the one that was given first.
  std::ranges::stable_sort(directories.partitions_, {}, KeyOf);
  const auto again = std::ranges::unique(directories.partitions_, {}, KeyOf);
  directories.partitions_.erase(again.begin(), again.end());
  return directories;
}

void LogDirectories::ReadMeta(const std::string& directory) {
  const std::string path = directory + "/meta.properties";
  const auto give_up = [&](std::string reason, std::string remedy) {
    missing_.push_back({path, std::move(reason), std::move(remedy)});
  };
  const auto text = ReadUntrustedFile(path, kTextBytesMax);
  if (!text) return give_up(text.error().message(), kLetRead);
  if (!*text) {
    return give_up("does not exist: no broker has used this directory",
                   "name the directories of Kafka's log.dirs in \"log_dirs\"");
  }
  const auto meta = ParseMetaProperties(**text);
  if (!meta) return give_up(meta.error().message(), meta.error().hint());
  const bool is_other =
      (meta->broker_id && broker_id_ && meta->broker_id != broker_id_) ||
      (!meta->cluster_id.empty() && !cluster_id_.empty() && meta->cluster_id != cluster_id_);
  if (is_other) {
    return give_up(fmt::format("of broker {} of cluster {}, unlike the directories before it",
                               meta->broker_id.value_or(-1), Quote(meta->cluster_id)),
                   "name the directories of one broker in \"log_dirs\"");
  }
  if (meta->broker_id) broker_id_ = meta->broker_id;
  if (!meta->cluster_id.empty()) cluster_id_ = meta->cluster_id;
  is_kraft_ = is_kraft_ || meta->is_kraft;
}

void LogDirectories::List(const std::string& directory) {
  const DirectoryStream stream(::opendir(directory.c_str()));
  if (!stream) {
    missing_.push_back(
        {directory, ErrnoError(errno, "list " + Quote(directory)).message(), kLetRead});
    return;
  }
  while (const dirent* entry = ::readdir(stream.get())) {
    auto name = ParsePartitionName(entry->d_name);
    if (!name || name->topic == kMetadataTopic) continue;
    std::string path = directory + "/" + entry->d_name;
    if (!IsDirectory(*entry, path)) continue;
    if (partitions_.size() == kPartitionsMax) {
      missing_.push_back({directory, fmt::format("has more than {} partitions", kPartitionsMax),
                          "name the directories of Kafka's log.dirs in \"log_dirs\""});
      return;
    }
    partitions_.push_back({*std::move(name), std::move(path)});
  }
}

const PartitionDirectory* LogDirectories::Find(std::string_view topic,
                                               std::int32_t partition) const {
  const auto found = std::ranges::lower_bound(partitions_, std::pair(topic, partition), {}, KeyOf);
  if (found == partitions_.end() || KeyOf(*found) != std::pair(topic, partition)) return nullptr;
  return &*found;
}

Result<std::optional<std::string>> LogDirectories::TopicId(std::string_view topic,
                                                           std::int32_t partition) const {
  const PartitionDirectory* directory = Find(topic, partition);
  if (directory == nullptr) return std::nullopt;
  const std::string path = directory->path + "/partition.metadata";
  HF_ASSIGN(const auto text, ReadUntrustedFile(path, kTextBytesMax));
  if (!text) return std::nullopt;
  auto id = ParseTopicId(*text);
  if (!id) return Fail(std::move(id).error().While(Quote(path)));
  return *std::move(id);
}

Result<std::vector<EpochStart>> LogDirectories::Epochs(std::string_view topic,
                                                       std::int32_t partition) const {
  const PartitionDirectory* directory = Find(topic, partition);
  if (directory == nullptr) return std::vector<EpochStart>();
  const std::string path = directory->path + "/leader-epoch-checkpoint";
  HF_ASSIGN(const auto text, ReadUntrustedFile(path, kTextBytesMax));
  if (!text) return std::vector<EpochStart>();
  auto epochs = ParseEpochs(*text);
  if (!epochs) return Fail(std::move(epochs).error().While(Quote(path)));
  return epochs;
}

}  // namespace holdfast::kafka
