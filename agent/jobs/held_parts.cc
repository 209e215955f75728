#include "agent/jobs/held_parts.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

Result<HeldPart> Hold(const JobContext& context, const UncomposedPart& part) {
  const RepositorySettings* repository = context.settings->FindRepository(part.repository);
  if (repository == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("repository {} is not configured any more", Quote(part.repository)),
                "put it back into the settings until the run is over");
  }
  HF_ASSIGN(auto session,
            RepositorySession::Open(context, AddressOf(*repository), LockUse::kBeforeOthers));
  return HeldPart{part.run, part.source, part.tree, std::move(session)};
}

// Takes those out that `is_meant`; giving back a lock is work for the storage, not to be done under
// a mutex.
template <typename IsMeant>
std::size_t TakeOut(std::mutex& mutex, std::vector<HeldPart>& parts, const IsMeant& is_meant) {
  std::vector<HeldPart> released;
  std::lock_guard lock(mutex);
  for (HeldPart& part : parts) {
    if (is_meant(part)) released.push_back(std::move(part));
  }
  std::erase_if(parts, [](const HeldPart& part) { return part.repository == nullptr; });
  return released.size();
}

}  // namespace

void HeldParts::Add(HeldPart part) {
  HF_CHECK(part.repository != nullptr);
  std::lock_guard lock(mutex_);
  parts_.push_back(std::move(part));
}

bool HeldParts::Has(const UncomposedPart& part) const {
  std::lock_guard lock(mutex_);
  return std::ranges::any_of(parts_, [&](const HeldPart& held) {
    return held.run == part.run && held.source == part.source && held.tree == part.tree;
  });
}

std::vector<std::pair<UncomposedPart, Error>> HeldParts::TakeUp(
    const JobContext& context, const std::vector<UncomposedPart>& parts) {
  std::vector<std::pair<UncomposedPart, Error>> failed;
  for (const UncomposedPart& part : parts) {
    if (Has(part)) continue;
    Result<HeldPart> held = Hold(context, part);
    if (held) {
      Add(*std::move(held));
    } else {
      failed.emplace_back(part, std::move(held).error().While(
                                    fmt::format("hold the part of {}", Quote(part.source))));
    }
  }
  return failed;
}

std::size_t HeldParts::Release(std::string_view run, std::string_view source) {
  return TakeOut(mutex_, parts_,
                 [&](const HeldPart& part) { return part.run == run && part.source == source; });
}

std::size_t HeldParts::ReleaseRun(std::string_view run) {
  return TakeOut(mutex_, parts_, [&](const HeldPart& part) { return part.run == run; });
}

std::size_t HeldParts::size() const {
  std::lock_guard lock(mutex_);
  return parts_.size();
}

}  // namespace holdfast::jobs
