#include "common/stream/special_rights.h"

#include <sys/stat.h>

#include <utility>

#include "common/base/format.h"

namespace holdfast {
namespace {

bool IsSystemRight(const ExtendedAttribute& one) {
  return (one.name.starts_with("security.") && one.name != "security.selinux") ||
         one.name.starts_with("trusted.");
}

std::string_view TypeText(NodeType type) {
  switch (type) {
    case NodeType::kBlockDevice:
    case NodeType::kCharDevice:
      return "a device";
    case NodeType::kFifo:
      return "a FIFO";
    case NodeType::kSocket:
      return "a socket";
    default:
      return "a file";
  }
}

}  // namespace

bool MayExist(const SpecialRights& kept, NodeType type) {
  switch (type) {
    case NodeType::kBlockDevice:
    case NodeType::kCharDevice:
      return kept.devices;
    case NodeType::kFifo:
    case NodeType::kSocket:
      return kept.fifos;
    case NodeType::kFile:
    case NodeType::kDirectory:
    case NodeType::kSymlink:
      return true;
  }
  return false;
}

std::string RemoveRights(const SpecialRights& kept, Attributes& attributes) {
  std::vector<std::string> removed;
  const bool has_set_ids =
      attributes.type != NodeType::kDirectory && attributes.type != NodeType::kSymlink;
  if (!kept.setuid && has_set_ids) {
    if ((attributes.mode & S_ISUID) != 0) removed.emplace_back("setuid");
    if ((attributes.mode & S_ISGID) != 0) removed.emplace_back("setgid");
    attributes.mode &= ~static_cast<std::uint32_t>(S_ISUID | S_ISGID);
  }
  if (!kept.capabilities) {
    for (const ExtendedAttribute& one : attributes.extended) {
      if (IsSystemRight(one)) removed.push_back(Quote(one.name));
    }
    std::erase_if(attributes.extended, IsSystemRight);
  }
  return fmt::format("{}", fmt::join(removed, ", "));
}

bool LeftOutList::Filter(const SpecialRights& kept, std::string_view path, Attributes& attributes) {
  if (!MayExist(kept, attributes.type)) {
    Add(fmt::format("left out {}: it is {}", path, TypeText(attributes.type)));
    return false;
  }
  if (std::string removed = RemoveRights(kept, attributes); !removed.empty()) {
    Add(fmt::format("left out of {}: {}", path, removed));
  }
  return true;
}

bool LeftOutList::empty() const {
  const std::lock_guard lock(mutex_);
  return lines_.empty();
}

void LeftOutList::Add(std::string line) {
  const std::lock_guard lock(mutex_);
  if (lines_.size() < kMax) {
    lines_.insert(std::move(line));
  } else {
    has_more_ = has_more_ || !lines_.contains(line);
  }
}

std::vector<std::string> LeftOutList::Lines() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> lines(lines_.begin(), lines_.end());
  if (has_more_) lines.emplace_back("left out more special files and rights, which are not listed");
  return lines;
}

}  // namespace holdfast
