#include "agent/jobs/parts/compose_job.h"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/jobs/parts/part_record.h"
#include "common/base/format.h"
#include "common/base/version.h"
#include "common/repository/maintain/pack_presence.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::jobs {
namespace {

using repository::Part;

std::string PartName(const ComposeRequest::Part& part) {
  return fmt::format("{} of node {}", IsRest(part.scope) ? "rest" : "part", Quote(part.node));
}

Result<void> CheckRequest(const ComposeRequest& request) {
  const auto refuse = [&](std::string_view why) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the order to compose {} {}", Quote(request.kind + "/" + request.name), why));
  };
  if (request.kind.empty() || request.name.empty() || request.host.empty()) {
    return refuse("does not name the source and the host");
  }
  const auto count = [&](bool (&is_counted)(BackupScope)) {
    return std::ranges::count_if(request.parts, is_counted, &ComposeRequest::Part::scope);
  };
  if (count(HasData) != 1) {
    return refuse("must name exactly one part that has the data");
  }
  const bool is_sharded = std::cmp_equal(count(IsSharded), request.parts.size());
  if (count(IsRest) > (is_sharded ? 1 : 0)) {
    return refuse(is_sharded ? "names more than one rest part"
                             : "names a rest part, but the source is not sharded");
  }
  std::set<std::string_view> nodes;
  for (const ComposeRequest::Part& part : request.parts) {
    if (!IsRest(part.scope) && !nodes.insert(part.node).second) {
      return refuse(fmt::format("names two parts of node {}", Quote(part.node)));
    }
  }
  return {};
}

class ComposeJob {
 public:
  ComposeJob(const JobContext& context, const ComposeRequest& request, SealedJournal& journal,
             WallTime deadline)
      : context_(context),
        request_(request),
        slot_{request.kind, request.name, request.host},
        once_{journal, PutDeadline(*context.clock, deadline)},
        progress_(context, "compose " + request.kind + "/" + request.name) {}

  Result<ComposedSnapshot> Run(const RepositoryAddress& address) {
    HF_TRY(CheckRequest(request_));
    progress_.progress().SetPhase("open");
    HF_ASSIGN(session_, RepositorySession::Open(context_, address, LockUse::kRequired));
    // Snapshots before the index, so that the index knows every blob of each snapshot listed.
    HF_ASSIGN(auto snapshots, repository::ListSnapshots(session_->repository()));
    HF_TRY(session_->repository().index().LoadWithCache(context_.stop));
    HF_ASSIGN(auto found, FindComposed(context_, *session_, slot_, snapshots));
    if (found) return *std::move(found);
    HF_TRY(once_.deadline.Check());
    HF_ASSIGN(auto repeated, RepeatRecorded(context_, *session_, slot_, once_));
    if (repeated) return *std::move(repeated);
    progress_.progress().SetPhase("check");
    HF_TRY(CheckParts());
    HF_TRY(LoadRecords());
    progress_.progress().SetPhase("compose");
    const Composition composition = Compose();
    HF_ASSIGN(repository::Id id, WriteSnapshot(context_, *session_, composition, &once_));
    progress_.progress().SetPhase("verify");
    return ReadBack(context_, *session_, id);
  }

  bool began() const { return once_.began; }

 private:
  Result<void> CheckParts() {
    std::vector<repository::NamedTree> trees;
    for (const ComposeRequest::Part& part : request_.parts) {
      trees.push_back({PartName(part), part.tree});
    }
    return repository::CheckPacksOf(session_->repository(), trees, context_.stop);
  }

  Result<void> LoadRecords() {
    std::uint64_t bytes_left = kPartRecordsBytesMax;
    for (const ComposeRequest::Part& part : request_.parts) {
      Result<PartRecord> record = LoadPartRecord(session_->repository(), part.tree, bytes_left);
      if (!record) return Fail(std::move(record).error().While(PartName(part)));
      HF_TRY(CheckRecord(part, *record));
      records_.push_back(*std::move(record));
    }
    return {};
  }

  // Another node wrote the record, so it is compared with the order.
  Result<void> CheckRecord(const ComposeRequest::Part& part, const PartRecord& record) const {
    const Result<void> checked =
        CheckPartRecord(record, {request_.kind, request_.name, context_.run, part.node});
    if (!checked) return Fail(Error(checked.error()).While(PartName(part)));
    if (record.manifest.parts.front().is_rest == IsRest(part.scope) &&
        record.has_data == HasData(part.scope)) {
      return {};
    }
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: its {} describes a {} {} data", PartName(part), kPartRecordName,
                            record.manifest.parts.front().is_rest ? "rest" : "part",
                            record.has_data ? "with" : "without"),
                "back the source up again");
  }

  Composition Compose() {
    const auto data = std::ranges::find(records_, true, &PartRecord::has_data);
    Composition composition;
    composition.slot = slot_;
    composition.manifest = data->manifest;
    composition.parent = data->parent;
    composition.time = data->manifest.cut_time;
    composition.leave_out = kPartRecordName;
    // The nodes do not cut at the same moment, so shards may move between them. The rest part also
    // saves again what a node saved only partly.
    if (IsSharded(request_.parts.front().scope))
      composition.same_file = repository::SameFile::kTakeFirst;
    Manifest& manifest = composition.manifest;
    manifest.holdfast_version = Version();
    manifest.holdfast_commit = Commit();
    manifest.note = request_.note;
    manifest.cluster = context_.settings->cluster;
    manifest.cut_barrier = request_.cut_barrier_met;
    manifest.parts.clear();
    manifest.missing.clear();
    manifest.warnings.clear();
    manifest.invalid.clear();
    // With a single node, messages need no node prefix.
    const bool is_alone = request_.parts.size() == 1 && request_.lacking.empty();
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const ComposeRequest::Part& part = request_.parts[i];
      AddPart(part, records_[i], is_alone ? "" : part.node + ": ", composition);
    }
    for (const ComposeRequest::Lacking& lacking : request_.lacking) {
      manifest.missing.push_back(
          lacking.node.empty()
              ? Missing{"shards that no node saved", lacking.reason, "back the source up again"}
              : Missing{"members/" + lacking.node, lacking.reason, ""});
      composition.is_partial = true;
    }
    return composition;
  }

  static void AddPart(const ComposeRequest::Part& part, PartRecord& record,
                      const std::string& whose, Composition& composition) {
    Manifest& manifest = composition.manifest;
    PartManifest described = record.manifest.parts.front();
    described.tree_id = part.tree.Hex();
    described.cut_time = record.manifest.cut_time;
    manifest.parts.push_back(std::move(described));
    for (Missing& missing : record.manifest.missing) {
      manifest.missing.push_back(
          {whose + missing.what, std::move(missing.reason), std::move(missing.remedy)});
    }
    for (const std::string& warning : record.manifest.warnings) {
      manifest.warnings.push_back(whose + warning);
    }
    for (const std::string& reason : record.manifest.invalid) {
      manifest.invalid.push_back(whose + reason);
    }
    if (!HasData(part.scope)) {
      for (auto& [key, values] : record.manifest.details) {
        const std::string whose_key = IsRest(part.scope) ? "rest" : "members/" + part.node;
        manifest.details[fmt::format("{}/{}", whose_key, key)] = std::move(values);
      }
    }
    composition.is_partial = composition.is_partial || record.is_partial;
    Part merged;
    merged.tree = part.tree;
    merged.statistics = record.statistics;
    merged.statistics.blobs.bytes_added = part.bytes_added;
    merged.statistics.blobs.bytes_packed = part.bytes_stored;
    // The rest part takes precedence over all others.
    composition.parts.insert(
        IsRest(part.scope) ? composition.parts.begin() : composition.parts.end(),
        std::move(merged));
  }

  const JobContext& context_;
  const ComposeRequest& request_;
  const SnapshotSlot slot_;
  PutOnce once_;
  ObservedProgress progress_;
  std::unique_ptr<RepositorySession> session_;
  std::vector<PartRecord> records_;  // in the order of request_.parts
};

}  // namespace

ComposeReport RunCompose(const JobContext& context, const RepositoryAddress& address,
                         const ComposeRequest& request, SealedJournal& journal, WallTime deadline) {
  ComposeReport report;
  ComposeJob job(context, request, journal, deadline);
  Result<ComposedSnapshot> composed = job.Run(address);
  report.began = job.began();
  if (composed) {
    report.snapshot = *std::move(composed);
  } else {
    report.error = std::move(composed).error().While(
        fmt::format("compose {}", Quote(request.kind + "/" + request.name)));
  }
  return report;
}

}  // namespace holdfast::jobs
