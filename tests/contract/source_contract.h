// The contract of every kind of source. A kind's test makes a SourceUnderTest for a running service
// and calls CheckSourceContract() in its own TEST_CASE. Each promise is one section.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/sources/source.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/results.h"

namespace holdfast::testing {

inline std::vector<BackupScope> ScopesOf(Topology topology) {
  switch (topology) {
    case Topology::kReplicated:
      return {BackupScope::kWhole, BackupScope::kMember};
    case Topology::kSharded:
      return {BackupScope::kWhole, BackupScope::kLead, BackupScope::kShards, BackupScope::kRest,
              BackupScope::kRestWithData};
    case Topology::kLocal:
      break;
  }
  return {BackupScope::kWhole, BackupScope::kOnlyPart};
}

struct SourceUnderTest {
  // Opens a new source on the same service, like the kind's own open().
  std::function<std::unique_ptr<Source>()> open;
  // Changes if the service, its files or the source's resources change: contents, open connections,
  // temporary files.
  std::function<std::string()> fingerprint;
  // Unchanged content is returned as a Reuse. Kinds that read a stream cannot do that.
  bool reuses_unchanged = false;
  // Paths that must be in a snapshot of this service.
  std::vector<std::string> expected_paths;
  // As declared by the kind, and as passed to open().
  Topology topology = Topology::kLocal;
  std::string node = "node";
  // For a sharded kind: the same service, opened on another node that is close to other shards.
  std::function<std::unique_ptr<Source>()> open_other;
};

// A SourceUnderTest::open that opens `kind` with `values` and with state below `state_dir`. Clock
// and random must outlive it.
inline std::function<std::unique_ptr<Source>()> Opener(SourceKind kind, config::Values values,
                                                       std::string state_dir, const Clock& clock,
                                                       Random& random) {
  return [kind = std::move(kind), values = std::move(values), state_dir = std::move(state_dir),
          &clock, &random] {
    const SourceContext context{.kind = kind.kind,
                                .name = "main",
                                .node = "node",
                                .cluster = "",
                                .state_dir = state_dir,
                                .clock = &clock,
                                .random = &random};
    return Unwrap(kind.open(context, values));
  };
}

// The lines of the file "server", in which the Python test describes the service that it started.
inline std::vector<std::string> ServerLines(std::size_t count) {
  std::ifstream file("server");
  std::vector<std::string> lines(count);
  for (std::string& line : lines) REQUIRE(std::getline(file, line));
  return lines;
}

// A complete backup.
struct TakenSnapshot {
  FakeSnapshotView view;
  std::vector<std::string> order;
  std::vector<NodeType> types;
};

inline void TakeSnapshot(BackupSession& session, TakenSnapshot& taken,
                         FakeSnapshotView* previous = nullptr) {
  REQUIRE_OK(session.Prepare(std::stop_token()));
  REQUIRE_OK(session.Cut());
  while (std::optional<Item> item = Unwrap(session.Next())) {
    taken.order.push_back(item->path);
    taken.types.push_back(item->attributes.type);
    bool is_required = item->required;
    Result<void> added = taken.view.Add(std::move(*item), previous);
    if (is_required) REQUIRE_OK(added);
  }
  taken.view.the_manifest = Unwrap(session.Finish());
  taken.view.Complete();
}

// Why the repository would reject a path; empty if it is valid.
inline std::string PathFault(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.back() == '/') return "begins or ends with /";
  for (std::size_t at = 0; at <= path.size();) {
    std::size_t end = std::min(path.find('/', at), path.size());
    std::string component = path.substr(at, end - at);
    if (component.empty() || component == "." || component == "..") return "bad component";
    at = end + 1;
  }
  return path.find('\0') == std::string::npos ? "" : "holds a zero byte";
}

// Checks that after leaving a directory, no item of it follows. Empty if correct.
inline std::string OrderFault(const std::vector<std::string>& order) {
  std::set<std::string> seen;
  std::set<std::string> left;
  std::string last;
  for (const std::string& path : order) {
    if (!seen.insert(path).second) return "twice: " + path;
    for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
      if (left.contains(path.substr(0, at))) return "after its directory was left: " + path;
    }
    for (std::size_t at = last.find('/'); at != std::string::npos; at = last.find('/', at + 1)) {
      std::string above = last.substr(0, at);
      if (path != above && !path.starts_with(above + "/")) left.insert(above);
    }
    if (left.contains(path)) return "a directory after what lies in it: " + path;
    last = path;
  }
  return "";
}

inline void CheckManifest(const Manifest& manifest) {
  REQUIRE_FALSE(manifest.method.empty());
  std::set<std::string> known = {"exact", "fuzzy", "per file"};
  REQUIRE(known.contains(manifest.consistency));
  for (const Missing& missing : manifest.missing) {
    REQUIRE_FALSE(missing.what.empty());
    REQUIRE_FALSE(missing.reason.empty());
    REQUIRE_FALSE(missing.reason.ends_with('.'));
  }
  Manifest back = Unwrap(DecodeManifest(EncodeManifest(manifest)));
  REQUIRE(back.position == manifest.position);
  REQUIRE(back.details == manifest.details);
}

inline std::set<std::string> PathsOf(const FakeSnapshotView& view) {
  std::set<std::string> paths;
  for (const auto& [path, node] : view.nodes) paths.insert(path);
  return paths;
}

// Files of the service's state, without those of members.
inline std::set<std::string> StateFiles(const TakenSnapshot& taken) {
  std::set<std::string> files;
  for (std::size_t i = 0; i < taken.order.size(); ++i) {
    const bool is_state = !taken.order[i].starts_with("members/");
    if (is_state && taken.types[i] != NodeType::kDirectory) files.insert(taken.order[i]);
  }
  return files;
}

// REQUIRES: the kind can restore in place.
inline InPlaceRestore InPlaceOf(const SourceKind& kind) {
  const RestoreMethod* method = kind.InPlaceMethod();
  REQUIRE(method != nullptr);
  return std::get<InPlaceRestore>(method->open);
}

// Checks what command lines, policy.yaml and the restore job expect of the restore methods.
inline void CheckRestoreMethods(const SourceKind& kind) {
  std::set<std::string> names;
  std::map<std::string, config::OptionType> types;
  std::size_t in_place = 0;
  for (const RestoreMethod& method : kind.restore_methods) {
    INFO(kind.kind << " " << method.name);
    REQUIRE(names.insert(method.name).second);
    REQUIRE(method.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos);
    REQUIRE_FALSE(method.summary.empty());
    REQUIRE_FALSE(method.summary.ends_with('.'));
    for (const config::OptionSpec& option : method.options.options) {
      INFO(option.name);
      REQUIRE_FALSE(option.help.empty());
      const auto [known, is_new] = types.emplace(option.name, option.type);
      REQUIRE((is_new || known->second == option.type));
    }
    const config::MethodSchema schema{method.name, method.options};
    const config::OptionSpec* own = schema.SelectorOption();
    if (const auto* restore = std::get_if<InPlaceRestore>(&method.open)) {
      ++in_place;
      REQUIRE(method.name == kInPlaceName);
      REQUIRE(own == nullptr);
      REQUIRE(method.needs.source_settings);
      REQUIRE(method.has_dry_run);
      REQUIRE(restore->open);
      SourceContext context;
      context.kind = kind.kind;
      REQUIRE_FALSE(restore->recover(context, "no journal of ours").has_value());
    } else {
      REQUIRE(own != nullptr);
      REQUIRE(own->required);
      REQUIRE(std::get<OneShotRestore>(method.open).run);
    }
  }
  REQUIRE(in_place + (kind.no_in_place.empty() ? 0 : 1) == 1);
}

// Reads at most `pieces` pieces of new content.
inline void ReadContent(Item& item, std::size_t pieces = SIZE_MAX) {
  auto* reader = std::get_if<std::unique_ptr<ByteReader>>(&item.content);
  std::array<std::uint8_t, 100> buffer;
  for (; reader != nullptr && pieces > 0; --pieces) {
    if (Unwrap((*reader)->Read(buffer)) == 0) return;
  }
}

// The number of entries in a directory, for fingerprints: files, open descriptors, threads. 0 if it
// does not exist.
inline std::size_t CountEntries(const std::string& path) {
  std::error_code none;
  const std::filesystem::directory_iterator entries(path, none);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

// The resources of this process and the source's state directory, for fingerprints.
inline std::string HeldText(const std::string& state_dir) {
  return std::to_string(CountEntries("/proc/self/fd")) + " descriptors, " +
         std::to_string(CountEntries("/proc/self/task")) + " threads, " +
         std::to_string(CountEntries(state_dir)) + " left behind";
}

inline void CheckSourceContract(const SourceUnderTest& test) {
  std::unique_ptr<Source> source = test.open();
  const std::string before = test.fingerprint();

  SECTION("probe looks and changes nothing") {
    SourceInfo info = Unwrap(source->Probe(std::stop_token()));
    REQUIRE(info.healthy);
    REQUIRE_FALSE(info.health.empty());
    REQUIRE_FALSE(info.would_save.empty());
    REQUIRE(test.fingerprint() == before);
  }

  SECTION("a backup gives valid paths, depth-first, and a manifest") {
    auto session = Unwrap(source->OpenBackup({}));
    TakenSnapshot taken;
    TakeSnapshot(*session, taken);
    for (const std::string& path : taken.order) {
      INFO(path);
      REQUIRE(PathFault(path).empty());
    }
    REQUIRE(OrderFault(taken.order).empty());
    for (const std::string& path : test.expected_paths) {
      INFO(path);
      REQUIRE(taken.view.nodes.contains(path));
    }
    CheckManifest(*taken.view.the_manifest);
    session.reset();
    REQUIRE(test.fingerprint() == before);
  }

  SECTION("a session dropped at any step gives everything back") {
    for (BackupScope scope : ScopesOf(test.topology)) {
      for (int steps = 0; steps <= 4; ++steps) {
        auto session = Unwrap(source->OpenBackup({.previous = nullptr, .scope = scope}));
        std::optional<Item> held;  // may outlive the session's next step, but not the session
        if (steps > 0) REQUIRE_OK(session->Prepare(std::stop_token()));
        if (steps > 1) REQUIRE_OK(session->Cut());
        for (int item = 2; item < steps; ++item) {
          if (held) ReadContent(*held);
          held = Unwrap(session->Next());
        }
        if (held) ReadContent(*held, 1);  // the last one is dropped halfway
        held.reset();
        session.reset();
        REQUIRE(test.fingerprint() == before);
      }
    }
  }

  SECTION("a member's scope gives what only this member has, and nothing that two can have") {
    if (test.topology == Topology::kReplicated) {
      TakenSnapshot whole;
      TakenSnapshot member;
      TakeSnapshot(*Unwrap(source->OpenBackup({})), whole);
      auto session =
          Unwrap(source->OpenBackup({.previous = &whole.view, .scope = BackupScope::kMember}));
      TakeSnapshot(*session, member, &whole.view);
      session.reset();
      REQUIRE(test.fingerprint() == before);

      const std::string own = "members/" + test.node;
      std::vector<std::string> expected;
      for (const std::string& path : whole.order) {
        if (path.starts_with(own + "/")) expected.push_back(path);
      }
      std::vector<std::string> given;
      for (const std::string& path : member.order) {
        INFO(path);
        bool is_own = path.starts_with(own + "/");
        bool is_above = (own + "/").starts_with(path + "/");
        REQUIRE((is_own || is_above));
        if (is_own) given.push_back(path);
      }
      REQUIRE(given == expected);
      // The manifest identifies the service, and has no position.
      CheckManifest(*member.view.the_manifest);
      REQUIRE_FALSE(member.view.the_manifest->identity.empty());
      REQUIRE(member.view.the_manifest->position.empty());
    }
  }

  SECTION("of a sharded service what each node saves and the rest together are the whole") {
    if (test.topology == Topology::kSharded) {
      std::unique_ptr<Source> other = test.open_other();
      TakenSnapshot whole;
      TakenSnapshot lead;
      TakenSnapshot shards;
      TakeSnapshot(*Unwrap(source->OpenBackup({})), whole);
      TakeSnapshot(*Unwrap(source->OpenBackup({.scope = BackupScope::kLead})), lead);
      TakeSnapshot(*Unwrap(other->OpenBackup({.scope = BackupScope::kShards})), shards);
      const auto expect_whole = [&](const std::vector<TakenSnapshot*>& others) {
        TakenSnapshot rest;
        BackupSpec spec{.scope = others.front() == &lead ? BackupScope::kRest
                                                         : BackupScope::kRestWithData};
        for (TakenSnapshot* one : others) spec.others.push_back(&one->view);
        TakeSnapshot(*Unwrap(source->OpenBackup(spec)), rest);
        std::set<std::string> all = StateFiles(rest);
        for (TakenSnapshot* one : others) {
          for (const std::string& path : StateFiles(*one)) {
            INFO(path);
            REQUIRE_FALSE(StateFiles(rest).contains(path));
            all.insert(path);
          }
        }
        REQUIRE(all == StateFiles(whole));
        for (const std::string& path : rest.order) {
          INFO(path);
          REQUIRE_FALSE((path + "/").starts_with("members/"));
        }
        CheckManifest(*rest.view.the_manifest);
      };
      expect_whole({&lead, &shards});
      expect_whole({&shards});  // the lead's part is lost
      expect_whole({&lead});
      for (const TakenSnapshot* taken : {&lead, &shards}) {
        REQUIRE(OrderFault(taken->order).empty());
        CheckManifest(*taken->view.the_manifest);
        REQUIRE_FALSE(taken->view.the_manifest->identity.empty());
      }
      REQUIRE(test.fingerprint() == before);
    }
  }

  SECTION("two sessions one after the other give the same things") {
    TakenSnapshot first;
    TakenSnapshot second;
    TakeSnapshot(*Unwrap(source->OpenBackup({})), first);
    TakeSnapshot(*Unwrap(source->OpenBackup({})), second);
    REQUIRE(first.order == second.order);
  }

  SECTION("a stop that was requested ends the backup") {
    for (BackupScope scope : ScopesOf(test.topology)) {
      std::stop_source stop;
      auto session = Unwrap(source->OpenBackup({.previous = nullptr, .scope = scope}));
      stop.request_stop();
      Result<void> outcome = session->Prepare(stop.get_token());
      if (outcome) outcome = session->Cut();
      bool is_at_end = false;
      while (outcome && !is_at_end) {
        Result<std::optional<Item>> item = session->Next();
        if (!item) {
          outcome = Fail(std::move(item).error());
        } else if (!*item) {
          is_at_end = true;
        } else if (auto* reader = std::get_if<std::unique_ptr<ByteReader>>(&(*item)->content)) {
          Result<Bytes> content = ReadAll(**reader);
          if (!content) outcome = Fail(std::move(content).error());
        }
      }
      REQUIRE_FAILS(outcome, ErrorCode::kCancelled, "");
      session.reset();
      REQUIRE(test.fingerprint() == before);
    }
  }

  SECTION("a second run builds on the first one") {
    TakenSnapshot first;
    TakeSnapshot(*Unwrap(source->OpenBackup({})), first);
    TakenSnapshot second;
    BackupSpec spec;
    spec.previous = &first.view;
    auto session = Unwrap(source->OpenBackup(spec));
    TakeSnapshot(*session, second, &first.view);
    REQUIRE(OrderFault(second.order).empty());
    // Reused content may have been returned as one directory.
    REQUIRE(PathsOf(first.view) == PathsOf(second.view));
    if (test.reuses_unchanged) {
      REQUIRE(second.view.files_reused > 0);
      for (const auto& [path, node] : first.view.nodes) {
        INFO(path);
        REQUIRE(second.view.nodes.at(path).content == node.content);
      }
    }
  }
}

}  // namespace holdfast::testing
