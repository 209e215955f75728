#include "agent/daemon/agent_daemon.h"

#include <memory>
#include <string>
#include <utility>

#include "agent/daemon/agent_loop.h"
#include "agent/daemon/agent_trust.h"
#include "agent/daemon/identity.h"
#include "agent/daemon/spool_launcher.h"
#include "agent/daemon/state_paths.h"
#include "agent/jobs/session/job_context.h"
#include "agent/journal/journal.h"
#include "agent/settings/policy.h"
#include "common/base/format.h"
#include "common/base/log.h"
#include "common/bus/bus_client.h"
#include "common/io/fd.h"
#include "common/service/logging.h"
#include "common/trust/root_document.h"

namespace holdfast::agent {
namespace {

// The kernel's id of this boot (random(4)).
Result<std::string> BootId() {
  HF_ASSIGN(const Bytes bytes, ReadWholeFile("/proc/sys/kernel/random/boot_id", 128));
  std::string id(AsText(bytes));
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

Result<Options> CoreOptions(const AgentSettings& settings, const std::vector<SourceKind>& kinds) {
  Options options;
  options.version = HOLDFAST_VERSION;
  HF_ASSIGN(options.boot_id, BootId());
  for (const SourceSettings& source : settings.sources) {
    for (const SourceKind& kind : kinds) {
      if (kind.kind != source.kind) continue;
      options.sources[source.label()] = {source.repository,
                                         std::string(TopologyName(kind.topology))};
    }
  }
  for (const RepositorySettings& repository : settings.repositories) {
    options.repositories.push_back(repository.name);
  }
  options.tasks_max = settings.limits.tasks;
  return options;
}

bus::BusClientOptions BusOptions(const AgentSettings& settings, Identity& identity,
                                 const bus::ServerKeys& server) {
  bus::BusClientOptions options;
  options.endpoint = settings.controller_endpoint.value_or(identity.endpoint);
  options.keys = std::move(identity.curve);
  options.server = server;
  return options;
}

void LogFailure(const Result<void>& result) {
  if (!result) Log(LogLevel::kWarning, "{}", result.error().Text());
}

}  // namespace

Result<void> RunAgentDaemon(const AgentSettings& configured, const std::vector<SourceKind>& kinds,
                            const Notifier& notifier, const std::stop_token& stop, Random& random,
                            const Clock& clock) {
  AgentSettings settings = configured;
  HF_ASSIGN(Identity identity, LoadIdentity(settings.state_dir));
  if (identity.node != settings.node) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("this node joined as {}, but {} calls it {}", Quote(identity.node),
                            settings.file, Quote(settings.node)),
                "set \"node\" back, or join again under the new name");
  }
  HF_ASSIGN(const Policy policy, LoadPolicy(PolicyPath(settings), jobs::TargetMethodsOf(kinds)));
  const ConfiguredPolicy local(settings, policy);
  HF_ASSIGN(Journal journal, Journal::Open(JournalPath(settings.state_dir), DatabaseMode::kWrite));
  HF_ASSIGN(const std::vector<std::string> damage, journal.Check());
  if (!damage.empty()) {
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("the journal in {} is damaged: {}", Quote(settings.state_dir), damage.front()),
        "let this node join again: holdfast agent token NODE, holdfast-agent join");
  }
  HF_ASSIGN(const Loaded loaded, journal.Load());
  HF_ASSIGN(trust::RootDocument root, trust::RootDocument::Load(loaded.identity.root));
  settings.cluster = root.cluster();  // recorded in every snapshot
  AgentTrust trust(std::move(root), std::move(identity.signing_key),
                   {identity.node, identity.incarnation}, local,
                   RootsDirectory(settings.state_dir));
  HF_ASSIGN(const Options options, CoreOptions(settings, kinds));
  const bus::BusClientOptions bus_options =
      BusOptions(settings, identity, ServerKeysOf(trust.BusKey(), loaded.identity.former_bus_key));
  HF_ASSIGN(const std::unique_ptr<bus::BusClient> bus, bus::BusClient::Open(bus_options, random));
  HF_ASSIGN(const std::unique_ptr<RestoreLauncher> restores, OpenSpoolLauncher(settings, clock));

  TaskRunnerOptions runner;
  runner.settings = &settings;
  runner.kinds = &kinds;
  runner.clock = &clock;
  runner.random = &random;
  runner.restores = restores.get();
  runner.policy = &policy;
  runner.open_storage = MakeStorageOpener(stop, LogRetry);
  AgentLoop loop(options, loaded, journal, trust, *bus, std::move(runner), random, clock);
  Log(LogLevel::kInfo, "node {} of cluster {}, incarnation {}: {}, controller at {}", identity.node,
      trust.root().cluster(), identity.incarnation, FormatCount(settings.sources.size(), "source"),
      bus_options.endpoint);
  LogFailure(notifier.Ready(fmt::format("node {}", identity.node)));
  Result<void> ended = loop.Run(stop, notifier);
  LogFailure(notifier.Stopping("stopping"));
  return ended;
}

}  // namespace holdfast::agent
