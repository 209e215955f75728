#include "controller/daemon/controller_daemon.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/log.h"
#include "common/bus/bus_server.h"
#include "common/bus/curve_key.h"
#include "common/bus/join_server.h"
#include "common/io/fd.h"
#include "common/trust/key_file.h"
#include "common/trust/orders.h"
#include "common/trust/root_document.h"
#include "controller/catalog/catalog.h"
#include "controller/catalog/catalog_reader.h"
#include "controller/daemon/admin_loop.h"
#include "controller/daemon/agent_keys.h"
#include "controller/daemon/bus_key.h"
#include "controller/daemon/controller_trust.h"
#include "controller/daemon/core_loop.h"
#include "controller/daemon/roster.h"

namespace holdfast::controller {
namespace {

constexpr std::string_view kInitHint = "`holdfast init` creates one";

struct Keys {
  trust::RootDocument root;  // from root_file
  crypto::SigningKey signing;
  bus::CurveKeys bus;
};

Result<Keys> LoadKeys(const ControllerSettings& settings) {
  Result<Bytes> envelope = ReadWholeFile(settings.root_file);
  if (!envelope) return Fail(std::move(envelope).error().WithHint(std::string(kInitHint)));
  Result<trust::RootDocument> root = trust::RootDocument::Load(*envelope);
  if (!root) return Fail(std::move(root).error().While(Quote(settings.root_file)));
  if (root->cluster() != settings.cluster) {
    return settings.values.Invalid(
        "cluster", fmt::format("\"cluster\" is {}; {} is of cluster {}", Quote(settings.cluster),
                               Quote(settings.root_file), Quote(root->cluster())));
  }
  HF_ASSIGN(crypto::SigningKey signing, trust::ReadSigningKeyFile(settings.signing_key_file));
  HF_ASSIGN(bus::CurveKeys bus, bus::LoadCurveKeys(settings.bus_key_file));
  return Keys{*std::move(root), std::move(signing), std::move(bus)};
}

// Opens the catalog. Creates one with its cluster if it does not exist.
Result<Catalog> OpenCatalog(const ControllerSettings& settings, const trust::RootDocument& root,
                            const Clock& clock) {
  const std::string path = settings.state_dir + "/catalog.db";
  if (::access(path.c_str(), F_OK) == 0) return Catalog::Open(path, DatabaseMode::kWrite);
  HF_ASSIGN(Catalog catalog, Catalog::Open(path, DatabaseMode::kCreate));
  Log(LogLevel::kInfo, "created the catalog {}", path);
  const std::int64_t now_ms = trust::UnixMilliseconds(clock.Now());
  const std::vector<Change> changes = {
      ClusterRecord{.cluster_id = root.cluster_id(),
                    .cluster = root.cluster(),
                    .epoch = root.epoch(),
                    .root_version = root.version(),
                    .root = root.envelope()},
      RootRecord{root.version(), root.envelope()},
      AuditEntry{.time_ms = now_ms,
                 .type = "cluster.created",
                 .actor = "controller",
                 .subject = root.cluster(),
                 .run = {},
                 .facts = {{"root_version", std::to_string(root.version())}},
                 .evidence = root.envelope()}};
  HF_TRY(catalog.Apply(changes));
  return catalog;
}

Result<void> LookAtCatalog(const std::string& path, const std::stop_token& stop) {
  HF_ASSIGN(CatalogReader reader, CatalogReader::Open(path));
  HF_ASSIGN(const CatalogCheck check, reader.Check(CheckDepth::kQuick, stop));
  if (check.damage.empty()) return {};
  return Fail(ErrorCode::kCorrupt,
              fmt::format("catalog {} is damaged: {}", Quote(path), check.damage.front()),
              "move it away, start the controller and run `holdfast catalog rebuild`; or restore a "
              "copy that `holdfast catalog backup` created");
}

// The document in force: the catalog's, or the file's if that follows it.
struct Document {
  trust::RootDocument root;
  bool is_from_file = false;
};
Result<Document> CurrentRoot(const Loaded& loaded, const Keys& keys,
                             const ControllerSettings& settings, const Clock& clock) {
  HF_ASSIGN(trust::RootDocument known, trust::RootDocument::Load(loaded.cluster->root));
  if (known.cluster_id() != keys.root.cluster_id()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is of cluster {}, but the catalog in {} is of {}",
                            Quote(settings.root_file), keys.root.cluster_id(),
                            Quote(settings.state_dir), known.cluster_id()),
                "give this controller the files of its cluster");
  }
  if (keys.root.version() <= known.version()) return Document{std::move(known)};
  Result<trust::RootDocument> next = known.VerifyNext(keys.root.envelope(), clock.Now());
  if (!next) return Fail(std::move(next).error().While(Quote(settings.root_file)));
  return Document{*std::move(next), true};
}

Result<void> CheckBusKey(const Loaded& loaded, const trust::RootDocument& root,
                         const trust::BusKey& own, const std::string& key_file) {
  HF_ASSIGN(BusKeyVersions versions, BusKeysOf(loaded.roots));
  versions[root.version()] = root.bus_key();
  HF_ASSIGN(const bool is_former, IsFormerBusKey(versions, own, key_file));
  if (!is_former) return {};
  Log(LogLevel::kWarning,
      "{} has the former bus key: install the key of root document {} when `holdfast status` says "
      "that all agents have confirmed it",
      Quote(key_file), root.version());
  return {};
}

Result<void> TakeFromFile(Catalog& catalog, ClusterRecord cluster, const trust::RootDocument& root,
                          const Clock& clock) {
  cluster.root_version = root.version();
  cluster.epoch = std::max(cluster.epoch, root.epoch());
  cluster.root = root.envelope();
  const std::vector<Change> changes = {
      cluster, RootRecord{root.version(), root.envelope()},
      AuditEntry{.time_ms = trust::UnixMilliseconds(clock.Now()),
                 .type = "trust.changed",
                 .actor = "controller",
                 .subject = root.cluster(),
                 .run = {},
                 .facts = {{"root_version", std::to_string(root.version())}},
                 .evidence = root.envelope()}};
  return catalog.Apply(changes);
}

// Adds what a lost or restored catalog is missing, from the files next to it. Reloads `loaded` if
// anything was added.
Result<void> TakeBack(Catalog& catalog, const Roster& roster, Loaded& loaded, const Clock& clock) {
  for (const std::string& warning : roster.warnings()) Log(LogLevel::kWarning, "{}", warning);
  HF_ASSIGN(const std::vector<Change> lacked, roster.MissingFrom(loaded, clock.Now()));
  if (lacked.empty()) return {};
  HF_TRY(catalog.Apply(lacked));
  const auto agents = std::ranges::count_if(
      lacked, [](const Change& change) { return std::holds_alternative<AgentRecord>(change); });
  const auto roots = std::ranges::count_if(
      lacked, [](const Change& change) { return std::holds_alternative<RootRecord>(change); });
  Log(LogLevel::kWarning, "added {} and {} to the catalog from the files next to it",
      FormatCount(static_cast<std::uint64_t>(agents), "agent"),
      FormatCount(static_cast<std::uint64_t>(roots), "root document"));
  HF_ASSIGN(loaded, catalog.Load());
  return {};
}

// What lives as long as the process. Members are destroyed from the last to the first.
class Daemon {
 public:
  Daemon(const ControllerSettings& settings, Catalog catalog, Roster roster,
         trust::RootDocument root, Keys keys, Random& random, const Clock& clock)
      : settings_(settings),
        random_(random),
        clock_(clock),
        bus_keys_(std::move(keys.bus)),
        catalog_(std::move(catalog)),
        roster_(std::move(roster)),
        trust_(std::move(root), std::move(keys.signing), bus_keys_.public_key, clock) {}

  Result<void> Start(const std::stop_token& stop) {
    HF_TRY(trust_.CheckOwnKey(trust::UnixMilliseconds(clock_.Now())));
    HF_TRY(LookAtCatalog(catalog_.path(), stop));
    bus::BusServerOptions bus;
    bus.endpoint = settings_.bus.listen;
    bus.keys = bus_keys_;
    HF_ASSIGN(bus_, bus::BusServer::Open(std::move(bus), agents_));
    HF_TRY(bus_->SelfTest());
    bus::JoinServerOptions join;
    join.endpoint = settings_.join.listen;
    join.keys = bus_keys_;
    HF_ASSIGN(join_, bus::JoinServer::Open(join));
    CoreLoopOptions options;
    options.core.cut_window_ms = settings_.cut_barrier.count();
    options.core.starts_burst = settings_.saves_at_once;
    options.core.starts_per_s = settings_.saves_per_minute / 60.0;
    options.core.backup_life_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(settings_.run_deadline).count();
    options.version = HOLDFAST_VERSION;
    options.bus_endpoint = settings_.bus.endpoint;
    core_ = std::make_unique<CoreLoop>(std::move(options), catalog_, roster_, trust_, agents_,
                                       *bus_, *join_, random_, clock_);
    HF_TRY(core_->Start());
    AdminServiceOptions admin;
    admin.catalog = catalog_.path();
    admin.copies = settings_.admin_catalog_dir;
    admin.version = HOLDFAST_VERSION;
    admin.join_endpoint = settings_.join.endpoint;
    admin.bus_key = bus_keys_.public_key;
    admin.signing_key = trust_.own_key();
    HF_ASSIGN(admin.rights, AdminRights::Resolve(settings_));
    HF_ASSIGN(admin_,
              AdminLoop::Open(settings_, std::move(admin), *core_, bus_keys_, random_, clock_));
    core_->OnRunEnded([this] { admin_->ShowRuns(); });
    Log(LogLevel::kInfo, "cluster {}: agents at {}, joining at {}, operators at {}{}{}",
        settings_.cluster, bus_->endpoint(), join_->endpoint(), settings_.admin_socket,
        admin_->endpoint().empty() ? "" : " and ", admin_->endpoint());
    return {};
  }

  Result<void> Run(const std::stop_token& stop, const Notifier& notifier) {
    return core_->Run(stop, notifier);
  }

  // Waiting operators get an answer before their listeners close.
  ~Daemon() {
    if (core_) core_->Close();
    admin_.reset();
  }

 private:
  const ControllerSettings& settings_;
  Random& random_;
  const Clock& clock_;
  const bus::CurveKeys bus_keys_;
  Catalog catalog_;
  Roster roster_;
  ControllerTrust trust_;
  AgentKeys agents_;
  std::unique_ptr<bus::BusServer> bus_;
  std::unique_ptr<bus::JoinServer> join_;
  std::unique_ptr<CoreLoop> core_;
  std::unique_ptr<AdminLoop> admin_;
};

void LogFailure(const Result<void>& result) {
  if (!result) Log(LogLevel::kWarning, "{}", result.error().Text());
}

}  // namespace

Result<void> RunController(const ControllerSettings& settings, const Notifier& notifier,
                           const std::stop_token& stop, Random& random, const Clock& clock) {
  HF_ASSIGN(Keys keys, LoadKeys(settings));
  HF_TRY(MakeDirectories(settings.state_dir, 0700));
  HF_ASSIGN(Roster roster, Roster::Open(settings.state_dir, keys.root.cluster_id()));
  HF_ASSIGN(Catalog catalog, OpenCatalog(settings, keys.root, clock));
  HF_ASSIGN(Loaded loaded, catalog.Load());
  if (!loaded.cluster) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("catalog {} has no cluster", Quote(catalog.path())),
                "its creation was interrupted: move it away and start the controller again");
  }
  HF_TRY(TakeBack(catalog, roster, loaded, clock));
  HF_ASSIGN(Document document, CurrentRoot(loaded, keys, settings, clock));
  HF_TRY(CheckBusKey(loaded, document.root, keys.bus.public_key, settings.bus_key_file));
  if (document.is_from_file) {
    HF_TRY(TakeFromFile(catalog, *loaded.cluster, document.root, clock));
  }
  Daemon daemon(settings, std::move(catalog), std::move(roster), std::move(document.root),
                std::move(keys), random, clock);
  HF_TRY(daemon.Start(stop));
  LogFailure(notifier.Ready(fmt::format("cluster {}", settings.cluster)));
  Result<void> ended = daemon.Run(stop, notifier);
  LogFailure(notifier.Stopping("stopping"));
  return ended;
}

}  // namespace holdfast::controller
