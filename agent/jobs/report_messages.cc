#include "agent/jobs/report_messages.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "common/base/format.h"
#include "common/base/utf8.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::jobs {
namespace {

constexpr std::size_t kShownMax = 20;
constexpr std::size_t kLinesMax = 100;  // output that a user requested
constexpr std::size_t kMapMax = 50;
constexpr std::size_t kTextMax = 1000;
constexpr std::size_t kNameMax = 200;

// Protobuf rejects a message that has a string with invalid UTF-8.
std::string Clean(std::string_view text, std::size_t bytes_max = kTextMax) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  constexpr std::string_view kCut = "...";
  std::string clean;
  while (!text.empty()) {
    const CodePoint character = DecodeUtf8(text);
    const std::string_view next = character.valid ? text.substr(0, character.length) : kReplacement;
    if (clean.size() + next.size() + kCut.size() > bytes_max && text.size() > kCut.size()) {
      return clean.append(kCut);
    }
    clean += next;
    text.remove_prefix(character.length);
  }
  return clean;
}

std::string Raw(const repository::Id& id) { return std::string(AsText(id.bytes)); }

std::int64_t ToMilliseconds(WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

template <typename Field>
void FillTexts(const std::vector<std::string>& texts, Field& field,
               std::size_t shown_max = kShownMax) {
  for (std::size_t i = 0; i < std::min(texts.size(), shown_max); ++i)
    *field.Add() = Clean(texts[i]);
}

template <typename Field>
void FillMap(const std::map<std::string, std::string>& map, Field& field) {
  for (const auto& [key, value] : map) {
    if (field.size() == kMapMax) return;
    field[Clean(key, kNameMax)] = Clean(value);
  }
}

template <typename Field>
void FillSeconds(const PhaseSeconds& seconds, Field& field) {
  for (const auto& [phase, value] : seconds) {
    if (field.size() == kMapMax) return;
    field[Clean(phase, kNameMax)] = value;
  }
}

template <typename Field>
void FillMissing(const std::vector<Missing>& missing, Field& field) {
  for (std::size_t i = 0; i < std::min(missing.size(), kShownMax); ++i) {
    v1::MissingItem& item = *field.Add();
    item.set_what(Clean(missing[i].what));
    item.set_reason(Clean(missing[i].reason));
    item.set_remedy(Clean(missing[i].remedy));
  }
}

v1::ProbedSource ProbedOf(const ProbeReport& report) {
  v1::ProbedSource source;
  source.set_source(Clean(report.kind + "/" + report.name, kNameMax));
  source.set_repository(Clean(report.repository, kNameMax));
  source.set_topology(std::string(TopologyName(report.topology)));
  source.set_healthy(!report.error && report.info.healthy);
  source.set_health(Clean(report.info.health));
  FillMap(report.info.identity, *source.mutable_identity());
  for (const auto& member : report.info.members) {
    if (source.members_size() == static_cast<int>(kMapMax)) break;
    FillMap(member, *source.add_members()->mutable_facts());
  }
  FillTexts(report.info.would_save, *source.mutable_would_save());
  FillMissing(report.info.missing, *source.mutable_missing());
  FillTexts(report.info.warnings, *source.mutable_warnings());
  const std::optional<Error>& error = report.error ? report.error : report.journal_error;
  if (error) FillMessage(*error, false, false, *source.mutable_error());
  return source;
}

// Removes fields, the least important first, until the source fits.
void Shrink(v1::ProbedSource& source, std::size_t bytes_max) {
  using Clear = void (*)(v1::ProbedSource&);
  constexpr Clear kSteps[] = {
      [](v1::ProbedSource& s) { s.clear_would_save(); },
      [](v1::ProbedSource& s) { s.clear_members(); },
      [](v1::ProbedSource& s) { s.clear_warnings(); },
      [](v1::ProbedSource& s) { s.clear_missing(); },
      [](v1::ProbedSource& s) { s.clear_identity(); },
      [](v1::ProbedSource& s) { s.set_health(Clean(s.health(), 100)); },
      [](v1::ProbedSource& s) {
        if (!s.has_error()) return;
        s.mutable_error()->set_message(Clean(s.error().message(), 200));
        s.mutable_error()->clear_hint();
      },
  };
  for (Clear clear : kSteps) {
    if (source.ByteSizeLong() <= bytes_max) return;
    clear(source);
  }
}

v1::InventoriedSnapshot InventoriedOf(const InventoriedSnapshot& snapshot) {
  v1::InventoriedSnapshot message;
  message.set_id(Raw(snapshot.id));
  message.set_source(Clean(snapshot.source, kNameMax));
  message.set_host(Clean(snapshot.host, kNameMax));
  message.set_run(Clean(snapshot.run, kNameMax));
  message.set_time_ms(snapshot.time.seconds * 1000 + snapshot.time.nanoseconds / 1'000'000);
  message.set_partial(snapshot.is_partial);
  message.set_invalid(snapshot.is_invalid);
  message.set_safety(snapshot.is_safety);
  if (snapshot.parent) message.set_parent(Raw(*snapshot.parent));
  message.set_items(snapshot.counts.items);
  message.set_files(snapshot.counts.files);
  message.set_bytes(snapshot.counts.bytes);
  message.set_note(
      Clean(snapshot.error ? "cannot be read: " + snapshot.error->message() : snapshot.note));
  return message;
}

// The fields of one-shot methods and dry runs.
void FillMethod(const RestoreReport& report, v1::Restored& message) {
  FillTexts(report.lines, *message.mutable_lines(), kLinesMax);
  for (std::size_t i = 0; i < std::min(report.plan.size(), kLinesMax); ++i) {
    const PlannedChange& change = report.plan[i];
    v1::PlannedItem& item = *message.add_plan();
    item.set_what(Clean(change.what, kNameMax));
    item.set_name(Clean(change.name, kNameMax));
    item.set_target(Clean(change.target, kNameMax));
    item.set_parts(change.parts);
    item.set_items(change.items);
    item.set_bytes(change.bytes);
    item.set_there(Clean(change.there));
    item.set_action(Clean(change.action));
  }
  message.set_plan_count(report.plan_count);
  message.set_dry_run(report.dry_run);
  message.set_resumed(report.resumed);
  if (report.error) FillMessage(*report.error, report.began, false, *message.mutable_partly());
}

}  // namespace

void FillMessage(const SavedPart& part, v1::Part& message) {
  const Manifest& manifest = part.manifest;
  message.set_node(Clean(part.node, kNameMax));
  message.set_tree_id(Raw(part.tree));
  message.set_data(HasData(part.scope));
  message.set_rest(IsRest(part.scope));
  message.set_cut_time_ms(ToMilliseconds(manifest.cut_time));
  message.set_items(part.items);
  message.set_bytes(part.bytes);
  message.set_bytes_read(part.bytes_read);
  message.set_bytes_added(part.bytes_added);
  message.set_bytes_stored(part.bytes_stored);
  if (!manifest.parts.empty()) {
    FillSeconds(manifest.parts.front().seconds, *message.mutable_seconds());
  }
  FillMap(manifest.position, *message.mutable_position());
  message.set_endpoint(Clean(manifest.endpoint));
  message.set_missing_count(manifest.missing.size());
  FillMissing(manifest.missing, *message.mutable_missing());
  message.set_warning_count(part.warnings.size());
  FillTexts(part.warnings, *message.mutable_warnings());
}

void FillMessage(const ComposedSnapshot& composed, v1::Composed& message) {
  const Manifest& manifest = composed.manifest;
  message.set_snapshot(Raw(composed.id));
  if (composed.parent) message.set_parent(Raw(*composed.parent));
  message.set_partial(composed.is_partial);
  message.set_invalid(composed.is_invalid);
  message.set_host(Clean(composed.host, kNameMax));
  message.set_time_ms(ToMilliseconds(composed.time));
  message.set_was_there(composed.was_there);
  message.set_missing_count(manifest.missing.size());
  FillMissing(manifest.missing, *message.mutable_missing());
  FillMap(manifest.position, *message.mutable_position());
  message.set_cut_barrier_met(manifest.cut_barrier.value_or(false));
  message.set_items(composed.counts.items);
  message.set_files(composed.counts.files);
  message.set_bytes(composed.counts.bytes);
}

void FillMessage(const std::vector<ProbeReport>& reports, v1::ProbeResult& message) {
  if (reports.empty()) return;
  constexpr std::size_t kFraming = 8;  // per source in the list
  const std::size_t share = kOutcomeBytesMax / reports.size();
  std::size_t left = kOutcomeBytesMax - 2 * kNameMax;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    v1::ProbedSource source = ProbedOf(reports[i]);
    Shrink(source, share > kFraming ? share - kFraming : 0);
    const std::size_t bytes = source.ByteSizeLong() + kFraming;
    if (bytes > left) {
      message.mutable_sources(message.sources_size() - 1)
          ->add_warnings(FormatCount(reports.size() - i, "more source") + " not shown");
      return;
    }
    left -= bytes;
    *message.add_sources() = std::move(source);
  }
}

void FillMessage(const CheckTaskReport& report, v1::VerifyResult& message) {
  message.set_sound(report.is_sound());
  message.set_snapshots(report.check.snapshots);
  message.set_packs(report.check.packs);
  message.set_bytes_read(report.check.bytes_read);
  message.set_error_count(report.check.findings);
  FillTexts(report.check.errors, *message.mutable_errors());
  FillTexts(report.warnings, *message.mutable_warnings());
}

void FillMessage(const InventoryPage& page, v1::InventoryResult& message) {
  constexpr std::size_t kFraming = 8;
  message.set_repository_id(Clean(page.repository_id, kNameMax));
  std::size_t left = kOutcomeBytesMax - kNameMax;
  for (const InventoriedSnapshot& snapshot : page.snapshots) {
    v1::InventoriedSnapshot described = InventoriedOf(snapshot);
    const std::size_t bytes = described.ByteSizeLong() + kFraming;
    if (bytes > left) {
      message.set_more(true);
      return;
    }
    left -= bytes;
    *message.add_snapshots() = std::move(described);
  }
  message.set_more(page.more);
}

void FillMessage(const RestoreReport& report, v1::Restored& message, bool with_plan) {
  message.set_directory(Clean(report.directory));
  message.set_items(report.items);
  message.set_bytes(report.bytes);
  FillSeconds(report.seconds, *message.mutable_seconds());
  FillTexts(report.changes, *message.mutable_changes());
  FillTexts(report.warnings, *message.mutable_warnings());
  if (with_plan) FillMethod(report, message);
  if (!report.safety_snapshot) return;
  if (auto id = repository::ParseId(report.safety_snapshot->snapshot)) {
    message.set_safety_snapshot(Raw(*id));
    const BackupTaskReport& saved = *report.safety_snapshot;
    v1::SafetySnapshot& safety = *message.mutable_safety();
    safety.set_snapshot(Raw(*id));
    safety.set_repository(Clean(saved.repository, kNameMax));
    safety.set_host(Clean(saved.host, kNameMax));
    safety.set_time_ms(ToMilliseconds(saved.time));
    safety.set_partial(saved.is_partial);
    safety.set_invalid(!saved.manifest.invalid.empty());
    safety.set_items(saved.counts.items);
    safety.set_files(saved.counts.files);
    safety.set_bytes(saved.counts.bytes);
    safety.set_missing_count(saved.manifest.missing.size());
  }
}

void FillMessage(const Error& error, bool began, bool rolled_back, v1::Failure& message) {
  message.set_code(std::string(ErrorCodeName(error.code())));
  message.set_message(Clean(error.message()));
  message.set_hint(Clean(error.hint()));
  message.set_retryable(error.retryable());
  message.set_began(began);
  message.set_rolled_back(rolled_back);
}

}  // namespace holdfast::jobs
