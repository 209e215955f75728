// Root's restore helper reads a ticket that the agent's user has written. Only an order that
// operators have signed has an effect.
#include <filesystem>
#include <string>

#include "agent/daemon/plan_spool.h"
#include "agent/daemon/restore_helper.h"
#include "agent/daemon/state_paths.h"
#include "agent/jobs/session/job_context.h"
#include "agent/sources/registry/all_sources.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/trust_seeds.h"
#include "tests/support/manual_clock.h"
#include "tests/support/seeded_random.h"

namespace holdfast::fuzz {
namespace {

struct HelpersNode {
  HelpersNode() {
    FUZZ_REQUIRE(WriteFileAtomic(live, AsBytes("live"), 0644));
    FUZZ_REQUIRE(WriteFileAtomic(top + "/policy.yaml", AsBytes("restore: in-place\n"), 0644));
    FUZZ_REQUIRE(MakeDirectories(agent::RestoresDirectory(settings.state_dir)));
    const v1::Plan plan = plans.scene.RestoreInPlace();
    plan_id = ToBytes(plan.plan_id());
    FUZZ_REQUIRE(agent::SaveHelperIdentity(settings, plan.node(), plan.incarnation(),
                                           plans.root.envelope()));
  }

  // Returns the outcome of a ticket.
  v1::Report Run(ByteView ticket) {
    const std::string file = agent::PlanPath(settings.state_dir, plan_id);
    const std::string outcome = agent::OutcomePath(settings.state_dir, plan_id);
    FUZZ_REQUIRE(WriteFileAtomic(file, ticket, 0640));
    FUZZ_REQUIRE(agent::RunRestoreHelper(settings, kinds, {}, random, clock));
    FUZZ_REQUIRE(!std::filesystem::exists(file));
    v1::Report report;
    const Result<Bytes> bytes = ReadWholeFile(outcome);
    FUZZ_REQUIRE(bytes && report.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())));
    FUZZ_REQUIRE(RemoveFile(outcome));
    const Result<Bytes> now = ReadWholeFile(live);
    FUZZ_REQUIRE(now && AsText(*now) == "live");
    return report;
  }

  SignedPlans plans;
  TempDir directory = *TempDir::Create("hf-fuzz");
  std::string top = directory.path();
  std::string live = top + "/live";
  std::vector<SourceKind> kinds = {*FindSourceKind("files")};
  AgentSettings settings =
      *ParseSettings(fmt::format("node: db-1\nstate_dir: agent\n"
                                 "repositories:\n"
                                 "  other: {{url: 'file:{0}/none', password_file: p}}\n"
                                 "sources:\n"
                                 "  - {{kind: files, name: app, paths: ['{0}/live']}}\n",
                                 top),
                     top + "/agent.yaml", {}, jobs::SchemasOf(kinds));
  Bytes plan_id;
  testing::ManualClock clock;
  testing::SeededRandom random;
};

}  // namespace
}  // namespace holdfast::fuzz

// The repository does not exist, so even an accepted order fails. The error code shows whether the
// order was accepted.
FUZZ_TARGET_OF_COST(spool, 200) {
  using namespace holdfast;
  static fuzz::HelpersNode node;
  const v1::Report report = node.Run(input);
  FUZZ_REQUIRE(report.has_failed());
  return report.failed().code() != "denied" && report.failed().code() != "corrupt";
}
