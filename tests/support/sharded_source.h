// A sharded source with an in-memory service: shards that move between nodes, that no node leads,
// or that their leader cannot read completely.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/sources/source.h"
#include "common/base/format.h"
#include "tests/support/fake_snapshot_view.h"

namespace holdfast::testing {

struct ShardedWorld {
  struct Shard {
    std::string leader;  // a node; empty: no leader
    std::map<std::string, std::string> files;
    bool breaks = false;  // its leader can read only its first file
  };
  std::map<std::string, Shard> shards;
  std::map<std::string, std::string> common;  // path -> text, of no shard
  std::map<std::string, std::string> own;     // node -> its configuration
  std::optional<Error> rest_failure;          // error when saving the rest
  std::vector<Missing> rest_missing;          // reported by the rest
  int open_sessions = 0;

  // Three shards with two files each. n1 and n2 lead one each; the third has no leader.
  static ShardedWorld Small() {
    ShardedWorld world;
    for (const auto& [name, leader] : {std::pair("s1", "n1"), {"s2", "n2"}, {"s3", ""}}) {
      world.shards[name] = {.leader = leader,
                            .files = {{"begin", fmt::format("begin of {}", name)},
                                      {"end", fmt::format("end of {}", name)}}};
    }
    world.common = {{"data/topics", "s1 s2 s3"}};
    world.own = {{"n1", "one"}, {"n2", "two"}, {"n3", "three"}};
    return world;
  }
};

class ShardedSession final : public BackupSession {
 public:
  ShardedSession(ShardedWorld& world, std::string node, BackupSpec spec)
      : world_(world), node_(std::move(node)), spec_(std::move(spec)) {
    ++world_.open_sessions;
  }
  ~ShardedSession() override { --world_.open_sessions; }

  Result<void> Prepare(std::stop_token stop) override {
    if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by request");
    return {};
  }

  Result<void> Cut() override {
    const bool is_rest = IsRest(spec_.scope);
    std::set<std::string> had;
    for (SnapshotView* other : spec_.others) {
      for (const std::string& name : other->manifest()->details.at("shards")) had.insert(name);
    }
    for (const auto& [name, shard] : world_.shards) {
      const bool is_wanted = spec_.scope == BackupScope::kWhole ||
                             (is_rest ? !had.contains(name) : shard.leader == node_);
      if (!is_wanted) continue;
      const bool is_cut_short = shard.breaks && spec_.scope != BackupScope::kWhole && !is_rest;
      for (const auto& [file, text] : shard.files) {
        items_[fmt::format("data/{}/{}", name, file)] = text;
        if (is_cut_short) break;
      }
      if (is_cut_short) {
        warnings_.push_back(fmt::format("shard {} could not be read to its end", name));
      } else {
        shards_.push_back(name);
      }
    }
    if (HasData(spec_.scope)) items_.insert(world_.common.begin(), world_.common.end());
    if (!is_rest) items_[fmt::format("members/{}/conf", node_)] = world_.own[node_];
    next_ = items_.begin();
    return {};
  }

  Result<std::optional<Item>> Next() override {
    if (IsRest(spec_.scope) && world_.rest_failure) return Fail(*world_.rest_failure);
    if (next_ == items_.end()) return std::nullopt;
    Item item;
    item.path = next_->first;
    item.attributes.mode = 0644;
    item.attributes.size = next_->second.size();
    item.content = std::make_unique<BytesReader>(ToBytes(next_->second));
    ++next_;
    return item;
  }

  Result<Manifest> Finish() override {
    Manifest manifest;
    manifest.identity = {{"version", "1.0"}};
    if (HasData(spec_.scope))
      manifest.position = {{"shards", std::to_string(world_.shards.size())}};
    manifest.method = "copy";
    manifest.consistency = "per file";
    manifest.details = {{"shards", shards_}};
    manifest.warnings = warnings_;
    if (IsRest(spec_.scope)) manifest.missing = world_.rest_missing;
    return manifest;
  }

 private:
  ShardedWorld& world_;
  const std::string node_;
  const BackupSpec spec_;
  std::map<std::string, std::string> items_;
  std::map<std::string, std::string>::const_iterator next_;
  std::vector<std::string> shards_;  // complete ones
  std::vector<std::string> warnings_;
};

class ShardedSource final : public Source {
 public:
  ShardedSource(ShardedWorld& world, std::string node) : world_(world), node_(std::move(node)) {}
  Result<SourceInfo> Probe(std::stop_token) override {
    SourceInfo info;
    info.identity = {{"version", "1.0"}};
    info.healthy = true;
    info.health = "answers";
    for (const auto& [name, shard] : world_.shards) info.would_save.push_back(name);
    return info;
  }
  Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec& spec) override {
    return std::make_unique<ShardedSession>(world_, node_, spec);
  }

 private:
  ShardedWorld& world_;
  const std::string node_;
};

// `world` must outlive the kind.
inline SourceKind ShardedKind(ShardedWorld& world, std::string kind = "shop") {
  SourceKind sharded;
  sharded.kind = std::move(kind);
  sharded.topology = Topology::kSharded;
  sharded.summary = "shards in memory";
  sharded.open = [&world](const SourceContext& context,
                          const config::Values&) -> Result<std::unique_ptr<Source>> {
    return std::make_unique<ShardedSource>(world, context.node);
  };
  return sharded;
}

}  // namespace holdfast::testing
