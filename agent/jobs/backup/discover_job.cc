#include "agent/jobs/backup/discover_job.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

// Paths are as seen by the process. If it has its own root or mounts, the same path on this host
// may be another file or missing.
void NoteOtherFiles(const host::LocalProcess& process, const config::Schema& options,
                    DiscoveredSource& found) {
  std::vector<std::string> others;
  const auto look = [&](const std::string& path) {
    if (path.starts_with('/') && !process.SeesAsWeDo(path)) others.push_back(path);
  };
  for (const auto& [name, value] : found.options) {
    const config::OptionSpec* spec = options.Find(name);
    HF_CHECK(spec != nullptr);
    if (spec->type == config::OptionType::kPath) look(std::get<std::string>(value));
    if (spec->type == config::OptionType::kPathList)
      for (const std::string& path : std::get<std::vector<std::string>>(value)) look(path);
  }
  if (others.empty()) return;
  found.notes.push_back(
      fmt::format("it runs in a container, where these paths are not this host's: {}; use this "
                  "host's paths, or run an agent in the container",
                  fmt::join(others, ", ")));
}

class Discovery {
 public:
  explicit Discovery(const JobContext& context) : settings_(context.settings) {
    if (settings_ == nullptr) return;
    for (const SourceSettings& source : settings_->sources) used_.insert(source.label());
    if (settings_->repositories.size() > 1) repository_ = settings_->repositories.front().name;
  }

  FoundService Describe(const SourceKind& kind, const host::LocalProcess& process,
                        DiscoveredSource found) {
    NoteOtherFiles(process, kind.options, found);
    FoundService service;
    service.kind = kind.kind;
    service.process = process.pid;
    service.user = process.user;
    service.unit = process.unit;
    if (const SourceSettings* source = ConfiguredAs(kind, found)) {
      service.name = source->name;
      service.is_configured = true;
    } else {
      service.name = FreeName(kind.kind, found.name);
      if (!repository_.empty())
        found.notes.push_back("several repositories are configured; this is the first");
    }
    service.line = SourceLine(kind.kind, service.name, repository_, found.options);
    service.facts = std::move(found.facts);
    service.notes = std::move(found.notes);
    return service;
  }

 private:
  const SourceSettings* ConfiguredAs(const SourceKind& kind, const DiscoveredSource& found) const {
    if (settings_ == nullptr) return nullptr;
    const auto source = std::ranges::find_if(settings_->sources, [&](const SourceSettings& one) {
      return one.kind == kind.kind && IsConfiguredBy(found, one.values, kind.options);
    });
    return source == settings_->sources.end() ? nullptr : &*source;
  }

  std::string FreeName(const std::string& kind, const std::string& wanted) {
    std::string name = wanted;
    for (int number = 2; !used_.insert(kind + "/" + name).second; ++number)
      name = fmt::format("{}-{}", wanted, number);
    return name;
  }

  const AgentSettings* settings_;
  std::set<std::string> used_;
  std::string repository_;  // empty: need not be named
};

}  // namespace

Result<DiscoveryReport> RunDiscovery(const JobContext& context, const host::Places& places) {
  Discovery discovery(context);
  std::vector<std::vector<FoundService>> by_kind(context.kinds->size());
  const auto visit = [&](const host::LocalProcess& process) {
    for (std::size_t i = 0; i < by_kind.size(); ++i) {
      const SourceKind& kind = (*context.kinds)[i];
      if (!kind.discover) continue;
      std::optional<DiscoveredSource> found = kind.discover(process, places);
      if (found) by_kind[i].push_back(discovery.Describe(kind, process, *std::move(found)));
    }
    return !context.stop.stop_requested();
  };
  DiscoveryReport report;
  HF_ASSIGN(report.sweep, host::VisitProcesses(places, visit));
  HF_TRY(CheckStop(context.stop));
  for (std::vector<FoundService>& services : by_kind)
    std::ranges::move(services, std::back_inserter(report.services));
  return report;
}

}  // namespace holdfast::jobs
