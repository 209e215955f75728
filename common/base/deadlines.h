// Deadlines by key, earliest first, so that a state machine needs no timer or scan for each.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace holdfast {

// Times are milliseconds of a monotonic clock. Every call is at most O(log n). Not thread-safe.
template <typename Key>
class Deadlines {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  // A key has at most one deadline: a second Set() moves it.
  void Set(const Key& key, std::int64_t at_ms) {
    auto [entry, is_new] = times_.try_emplace(key, at_ms);
    if (!is_new) {
      order_.erase({entry->second, key});
      entry->second = at_ms;
    }
    order_.emplace(at_ms, key);
  }
  // Sets the deadline to `at_ms` unless an earlier one is set.
  void SetSooner(const Key& key, std::int64_t at_ms) {
    auto entry = times_.find(key);
    if (entry == times_.end() || at_ms < entry->second) Set(key, at_ms);
  }
  void Cancel(const Key& key) {
    auto entry = times_.find(key);
    if (entry == times_.end()) return;
    order_.erase({entry->second, key});
    times_.erase(entry);
  }
  bool Has(const Key& key) const { return times_.contains(key); }
  // Removes and returns the earliest deadline that has passed; for equal times, the lowest key.
  std::optional<Key> PopDue(std::int64_t now_ms) {
    if (order_.empty() || order_.begin()->first > now_ms) return std::nullopt;
    Key key = order_.begin()->second;
    order_.erase(order_.begin());
    times_.erase(key);
    return key;
  }
  // Time of the earliest deadline; kNever without one.
  std::int64_t next() const { return order_.empty() ? kNever : order_.begin()->first; }

 private:
  std::map<Key, std::int64_t> times_;
  std::set<std::pair<std::int64_t, Key>> order_;
};

}  // namespace holdfast
