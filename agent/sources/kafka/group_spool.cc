#include "agent/sources/kafka/group_spool.h"

#include <span>

#include "common/base/bytes.h"
#include "common/base/format.h"

namespace holdfast::kafka {

Result<void> GroupSpool::Add(const GroupDocument& group) {
  if (!file_.is_open()) {
    HF_TRY(MakeDirectories(directory_, 0700));
    HF_ASSIGN(file_, OpenNamelessFile(directory_));
  }
  const std::string json = EncodeGroup(group);
  auto written = WriteAll(file_.get(), AsBytes(json), directory_);
  if (!written) {
    return Fail(std::move(written)
                    .error()
                    .While("keep groups' offsets until they are saved")
                    .WithHint("make room in the state directory"));
  }
  entries_.push_back({GroupPath(group.name), json.size()});
  bytes_ += json.size();
  return {};
}

Result<std::optional<GroupSpool::Document>> GroupSpool::Next() {
  if (next_ == entries_.size()) return std::nullopt;
  Entry& entry = entries_[next_++];
  Document document{std::move(entry.path), std::string(entry.bytes, '\0')};
  const std::span bytes(reinterpret_cast<std::uint8_t*>(document.json.data()), entry.bytes);
  HF_TRY(ReadAllAt(file_.get(), bytes, next_at_, "the groups that were kept"));
  next_at_ += entry.bytes;
  return document;
}

}  // namespace holdfast::kafka
