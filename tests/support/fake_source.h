// A source whose service is an in-memory map, for tests of jobs and commands.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/sources/source.h"
#include "tests/support/fake_snapshot_view.h"

namespace holdfast::testing {

// The state of the fake service, and its failures. Shared by all sources of a test. Entries below
// "members/NODE/" are returned only by that node's sessions.
struct FakeWorld {
  std::map<std::string, std::string> live = {{"data/a", "alpha"}, {"data/b", "beta"}};
  std::map<std::string, Error> failures;       // step -> error, e.g. "prepare", "swap"
  std::map<std::string, Error> unreadable;     // path -> read error
  std::vector<Missing> missing;                // returned by Finish() and Probe()
  std::vector<std::string> invalid;            // returned by Finish(); a restore rejects it
  std::vector<std::string> steps;              // calls, in order
  std::function<void(const std::string&)> on;  // called before each step
  std::size_t reads = 0;
  std::uint32_t mode = 0644;            // of all files
  bool has_inodes = false;              // items look like files that do not change
  std::vector<std::string> files_read;  // paths whose content was read

  Result<void> Step(const std::string& step) {
    steps.push_back(step);
    if (on) on(step);
    if (auto failure = failures.find(step); failure != failures.end()) {
      return Fail(failure->second);
    }
    return {};
  }
};

class FailingReader final : public ByteReader {
 public:
  explicit FailingReader(Error error) : error_(std::move(error)) {}
  Result<std::size_t> Read(std::span<std::uint8_t>) override { return Fail(error_); }

 private:
  Error error_;
};

// Endless zeros; each read is a step.
class EndlessReader final : public ByteReader {
 public:
  explicit EndlessReader(FakeWorld& world) : world_(world) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    HF_TRY(world_.Step("read"));
    std::ranges::fill(buffer, std::uint8_t{0});
    return buffer.size();
  }

 private:
  FakeWorld& world_;
};

class NotedReader final : public ByteReader {
 public:
  NotedReader(FakeWorld& world, std::string path, Bytes content)
      : world_(world), path_(std::move(path)), content_(std::move(content)) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    if (!path_.empty()) world_.files_read.push_back(std::exchange(path_, {}));
    return content_.Read(buffer);
  }

 private:
  FakeWorld& world_;
  std::string path_;
  BytesReader content_;
};

class FakeBackupSession final : public BackupSession {
 public:
  FakeBackupSession(FakeWorld& world, std::string node, const BackupSpec& spec)
      : world_(world), own_("members/" + node + "/"), scope_(spec.scope), staged_(spec.staged) {}
  ~FakeBackupSession() override { world_.steps.push_back("backup closed"); }
  Result<void> Prepare(std::stop_token) override { return world_.Step("prepare"); }
  Result<void> Cut() override {
    HF_TRY(world_.Step("cut"));
    for (const auto& [path, text] : world_.live) {
      bool is_data = !path.starts_with("members/");
      bool is_given = is_data ? HasData(scope_) : path.starts_with(own_);
      if (std::ranges::find(staged_, path) != staged_.end()) continue;
      if (is_given) cut_.emplace_back(path, text);
    }
    saw_directory_ = scope_ == BackupScope::kMember;
    return {};
  }
  Result<std::optional<Item>> Next() override {
    HF_TRY(world_.Step("next"));
    if (!saw_directory_) {
      saw_directory_ = true;
      Item directory;
      directory.path = "data";
      directory.attributes.type = NodeType::kDirectory;
      directory.attributes.mode = 0755;
      return directory;
    }
    if (at_ == cut_.size()) return std::nullopt;
    const auto& [path, text] = cut_[at_++];
    Item item;
    item.path = path;
    item.attributes.mode = world_.mode;
    item.attributes.size = text.size();
    item.required = false;
    ++world_.reads;
    if (auto failure = world_.unreadable.find(path); failure != world_.unreadable.end()) {
      item.content = std::make_unique<FailingReader>(failure->second);
    } else if (text == "endless") {
      item.content = std::make_unique<EndlessReader>(world_);
    } else {
      item.content = std::make_unique<NotedReader>(world_, path, ToBytes(text));
    }
    if (world_.has_inodes) {
      item.attributes.inode = at_;
      item.attributes.mtime = item.attributes.ctime = {1'600'000'000, 0};
    }
    return item;
  }
  Result<Manifest> Finish() override {
    HF_TRY(world_.Step("finish"));
    Manifest manifest;
    manifest.identity = {{"version", "1.0"}};
    if (HasData(scope_)) manifest.position = {{"revision", "7"}};
    manifest.endpoint = "memory";
    manifest.method = "copy";
    manifest.consistency = "exact";
    manifest.missing = world_.missing;
    manifest.invalid = world_.invalid;
    return manifest;
  }

 private:
  FakeWorld& world_;
  std::string own_;
  BackupScope scope_;
  std::vector<std::string> staged_;
  bool saw_directory_ = false;
  std::size_t at_ = 0;
  std::vector<std::pair<std::string, std::string>> cut_;
};

class FakeRestoreSession final : public RestoreSession {
 public:
  FakeRestoreSession(FakeWorld& world, const InPlaceSpec& spec) : world_(world), spec_(spec) {}
  Result<void> Preflight(std::stop_token) override { return world_.Step("preflight"); }
  Result<std::vector<std::string>> Preview(const ChangeVisitor& visit, std::stop_token) override {
    HF_TRY(world_.Step("preview"));
    for (const auto& [path, text] : world_.live) {
      if (!Has(path)) continue;
      HF_TRY(visit({.what = "value", .name = path, .items = 1, .action = "replaced"}));
    }
    return std::vector<std::string>{"the rest is the same"};
  }
  Result<void> Stage(Progress&, std::stop_token) override {
    HF_TRY(spec_.journal->Record("staging"));
    HF_TRY(world_.Step("stage"));
    return spec_.snapshot->List("data", [&](const ViewEntry& entry) -> Result<void> {
      if (!Has("data/" + entry.name)) return {};
      HF_ASSIGN(auto reader, spec_.snapshot->Open("data/" + entry.name));
      Bytes bytes(1024);
      HF_ASSIGN(std::size_t count, reader->Read(bytes));
      staged_["data/" + entry.name] = std::string(AsText({bytes.data(), count}));
      return {};
    });
  }
  std::vector<std::string> StagedPaths() const override { return {"data/staged"}; }
  Result<void> Validate(std::stop_token) override {
    const bool is_refused = !spec_.snapshot->manifest()->invalid.empty() && !spec_.allow_invalid;
    if (is_refused) return Fail(ErrorCode::kUnsupported, "the fake refuses it", "--allow-invalid");
    return world_.Step("validate");
  }
  Result<void> Swap(std::stop_token) override {
    HF_TRY(spec_.journal->Record("swapping"));
    if (spec_.keep_others || !spec_.path.empty())
      staged_.insert(world_.live.begin(), world_.live.end());
    old_ = std::exchange(world_.live, staged_);
    return world_.Step("swap");
  }
  Result<void> Verify(std::stop_token) override { return world_.Step("verify"); }
  Result<void> Commit() override { return world_.Step("commit"); }
  Result<void> Rollback() override {
    HF_TRY(world_.Step("rollback"));
    if (old_) world_.live = *std::exchange(old_, std::nullopt);
    return {};
  }
  std::vector<std::string> Changes() const override { return {"data replaced"}; }

 private:
  bool Has(const std::string& path) const { return spec_.path.empty() || path == spec_.path; }

  FakeWorld& world_;
  InPlaceSpec spec_;
  std::map<std::string, std::string> staged_;
  std::optional<std::map<std::string, std::string>> old_;
};

class FakeSource final : public Source {
 public:
  FakeSource(FakeWorld& world, std::string node) : world_(world), node_(std::move(node)) {}
  Result<SourceInfo> Probe(std::stop_token) override {
    HF_TRY(world_.Step("probe"));
    SourceInfo info;
    info.identity = {{"version", "1.0"}};
    info.healthy = true;
    info.health = "answers";
    for (const auto& [path, text] : world_.live) info.would_save.push_back(path);
    info.missing = world_.missing;
    return info;
  }
  Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec& spec) override {
    HF_TRY(world_.Step("open backup"));
    return std::make_unique<FakeBackupSession>(world_, node_, spec);
  }

 private:
  FakeWorld& world_;
  std::string node_;
};

// `world` must outlive the method.
inline RestoreMethod FakeInPlaceMethod(FakeWorld& world) {
  return {
      .name = std::string(kInPlaceName),
      .summary = "exchange the map",
      .needs = {.source_settings = true, .safety_snapshot = true},
      .has_dry_run = true,
      .open = InPlaceRestore{
          .open = [&world](const SourceContext&, const config::Values&,
                           const InPlaceSpec& spec) -> Result<std::unique_ptr<RestoreSession>> {
            HF_TRY(world.Step("open restore"));
            return std::make_unique<FakeRestoreSession>(world, spec);
          },
          .recover = [&world](const auto&, std::string_view state) -> Result<filetree::Recovery> {
            HF_TRY(world.Step("recover " + std::string(state)));
            return filetree::Recovery{.text = "undone"};
          }}};
}

// "stage-dir": reports its options. `world` must outlive the method.
inline RestoreMethod FakeStageMethod(FakeWorld& world) {
  RestoreMethod method;
  method.name = "stage-dir";
  method.summary = "say where to";
  method.options.options = {
      {.name = "stage_dir",
       .type = config::OptionType::kPath,
       .required = true,
       .help = "where to"},
      {.name = "bump", .type = config::OptionType::kInteger, .help = "by how much"},
      {.name = "mark", .type = config::OptionType::kBool, .help = "whether to"}};
  method.needs.safety_snapshot = true;
  method.has_dry_run = true;
  method.open = OneShotRestore{[&world](const SourceContext& context, const config::Values&,
                                        const RestoreSpec& spec, Progress&,
                                        std::stop_token) -> Result<MethodOutcome> {
    HF_TRY(world.Step("stage dir"));
    MethodOutcome done;
    if (spec.dry_run) {
      done.plan.push_back({.what = "map", .name = "a", .target = "b", .items = 3});
      return done;
    }
    if (spec.options.Integer("bump") == 7 && spec.save_first) {
      HF_ASSIGN(const std::string id,
                spec.save_first(std::make_unique<FakeSource>(world, context.node)));
      done.lines.push_back("saved before as " + id);
    }
    done.lines.push_back("staged in " + spec.options.Text("stage_dir"));
    if (spec.options.Integer("bump") == 3) done.partly = Error(ErrorCode::kBusy, "one is busy");
    return done;
  }};
  return method;
}

// "send": its target may be any text. Lists the snapshot. No dry run, and no safety snapshot.
inline RestoreMethod FakeSendMethod(FakeWorld& world) {
  RestoreMethod method;
  method.name = "send";
  method.summary = "say to whom";
  method.options.options = {
      {.name = "send", .required = true, .help = "to whom"},
      {.name = "only", .type = config::OptionType::kStringList, .help = "some of it"},
      {.name = "mark", .type = config::OptionType::kBool, .help = "whether to"}};
  method.open = OneShotRestore{[&world](const SourceContext&, const config::Values& settings,
                                        const RestoreSpec& spec, Progress&,
                                        std::stop_token) -> Result<MethodOutcome> {
    HF_TRY(world.Step("send"));
    HF_TRY(spec.snapshot->List("data", [](const ViewEntry&) { return Result<void>(); }));
    MethodOutcome done;
    done.lines = {"sent to " + spec.options.Text("send"), "color " + settings.Text("color")};
    if (spec.save_first) done.lines.push_back("may save");
    return done;
  }};
  return method;
}

// `world` must outlive the kind.
inline SourceKind FakeKind(FakeWorld& world, std::string kind = "fake") {
  SourceKind fake;
  fake.kind = std::move(kind);
  fake.summary = "a map in memory";
  fake.options.options = {{.name = "color", .help = "of no use"}};
  fake.restore_methods = {FakeInPlaceMethod(world), FakeStageMethod(world), FakeSendMethod(world)};
  fake.open = [&world](const SourceContext& context,
                       const config::Values&) -> Result<std::unique_ptr<Source>> {
    HF_TRY(world.Step("open"));
    return std::make_unique<FakeSource>(world, context.node);
  };
  return fake;
}

}  // namespace holdfast::testing
