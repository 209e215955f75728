#include "agent/sources/prometheus/log_files.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "agent/sources/prometheus/block_meta.h"
#include "common/base/format.h"
#include "common/base/wait.h"

namespace holdfast::prometheus {
namespace {

constexpr int kPinTries = 10;
constexpr std::chrono::milliseconds kBetweenTries{50};

// The relevant entries of a log's directory, by number.
struct Listing {
  std::optional<std::uint64_t> checkpoint;
  std::string checkpoint_name;
  std::map<std::uint64_t, std::string> segments;

  // Whether no segment after the checkpoint is missing.
  bool IsWhole() const {
    if (segments.empty()) return true;
    const std::uint64_t first = segments.begin()->first;
    const std::uint64_t last = segments.rbegin()->first;
    return last - first + 1 == segments.size() && (!checkpoint || first == *checkpoint + 1);
  }
};

Listing Sort(const std::vector<std::string>& names) {
  Listing listing;
  for (const std::string& name : names) {
    if (const auto segment = SegmentNumber(name)) listing.segments[*segment] = name;
    const auto checkpoint = CheckpointNumber(name);
    if (checkpoint && (!listing.checkpoint || *listing.checkpoint < *checkpoint)) {
      listing.checkpoint = checkpoint;
      listing.checkpoint_name = name;
    }
  }
  if (listing.checkpoint)
    listing.segments.erase(listing.segments.begin(),
                           listing.segments.upper_bound(*listing.checkpoint));
  return listing;
}

}  // namespace

Result<bool> LogFiles::PinAll(int directory, const std::vector<std::string>& names,
                              const std::string& path, const std::string& shown,
                              filetree::NameCache& owners) {
  for (const std::string& name : names) {
    HF_ASSIGN(auto pinned, PinFile(directory, name, fmt::format("{}/{}", path, name),
                                   fmt::format("{}/{}", shown, name), owners));
    if (!pinned) return false;
    bytes_ += pinned->attributes.size;
    items_.push_back(PinnedItem(*std::move(pinned)));
  }
  return true;
}

// nullopt: a file was deleted in the meantime.
Result<std::optional<LogFiles>> LogFiles::TryPin(int data, const std::string& data_shown,
                                                 const std::string& name,
                                                 filetree::NameCache& names) {
  const std::string path = "data/" + name;
  const std::string shown = fmt::format("{}/{}", data_shown, name);
  auto directory = OpenFileAt(data, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, shown);
  if (!directory) {
    if (directory.error().code() == ErrorCode::kNotFound) return LogFiles();
    return Fail(std::move(directory).error());
  }
  LogFiles files;
  HF_ASSIGN(Item top, DirectoryItem(directory->get(), path, shown, names));
  files.items_.push_back(std::move(top));
  HF_ASSIGN(const auto entries, NamesIn(directory->get(), shown));
  const Listing listing = Sort(entries);
  if (!listing.IsWhole()) return std::nullopt;
  if (listing.checkpoint) {
    const std::string its_path = fmt::format("{}/{}", path, listing.checkpoint_name);
    const std::string its_shown = fmt::format("{}/{}", shown, listing.checkpoint_name);
    auto checkpoint = OpenFileAt(directory->get(), listing.checkpoint_name,
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, its_shown);
    if (!checkpoint) {
      if (checkpoint.error().code() == ErrorCode::kNotFound) return std::nullopt;
      return Fail(std::move(checkpoint).error());
    }
    HF_ASSIGN(Item item, DirectoryItem(checkpoint->get(), its_path, its_shown, names));
    files.items_.push_back(std::move(item));
    HF_ASSIGN(const auto its_names, NamesIn(checkpoint->get(), its_shown));
    // A checkpoint that is being deleted has lost its first files, or all.
    if (its_names.empty() || SegmentNumber(its_names.front()) != 0) return std::nullopt;
    HF_ASSIGN(const bool are_there,
              files.PinAll(checkpoint->get(), its_names, its_path, its_shown, names));
    if (!are_there) return std::nullopt;
  }
  std::vector<std::string> segments;
  for (const auto& [number, segment] : listing.segments) segments.push_back(segment);
  HF_ASSIGN(const bool are_there, files.PinAll(directory->get(), segments, path, shown, names));
  if (!are_there) return std::nullopt;
  if (!segments.empty())
    files.position_ = fmt::format("{}:{}", segments.back(), files.items_.back().attributes.size);
  return files;
}

Result<LogFiles> LogFiles::Pin(int data, const std::string& data_shown, const std::string& name,
                               filetree::NameCache& names) {
  for (int tries = 1; tries <= kPinTries; ++tries) {
    HF_ASSIGN(auto files, TryPin(data, data_shown, name, names));
    if (files) return *std::move(files);
    (void)WaitFor(kBetweenTries);  // wait until the current deletion is complete
  }
  return Fail(ErrorCode::kCorrupt,
              fmt::format("segments are missing in the middle of {}",
                          Quote(fmt::format("{}/{}", data_shown, name))),
              "Prometheus would not start with it: check the directory and the log of Prometheus");
}

std::optional<Item> LogFiles::Next() {
  if (next_ == items_.size()) return std::nullopt;
  return std::move(items_[next_++]);
}

}  // namespace holdfast::prometheus
