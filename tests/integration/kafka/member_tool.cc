// Saves the files of this node's broker, for test_member.py.
//
//   kafka_member_tool DIRECTORY LOG_DIR...
//
// Writes them into DIRECTORY, which must exist and be empty, as a restore would. Prints the
// content of a manifest as one JSON object.
#include <nlohmann/json.hpp>

#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/member_files.h"
#include "common/base/clock.h"
#include "tests/support/fake_snapshot_view.h"

namespace holdfast::kafka {
namespace {

using Json = nlohmann::json;

Result<Json> Save(const std::string& directory, const std::vector<std::string>& log_dirs) {
  SystemClock clock;
  SourceContext context;
  context.node = "n1";
  context.clock = &clock;
  const LogDirectories directories = LogDirectories::Open(log_dirs);
  HF_ASSIGN(BrokerFiles files, BrokerFiles::Prepare(context, {.files = {}, .log_dirs = log_dirs},
                                                    directories, nullptr));
  testing::FakeSnapshotView view;
  for (;;) {
    HF_ASSIGN(std::optional<Item> item, files.Next());
    if (!item) break;
    HF_TRY(view.Add(*std::move(item)));
  }
  view.Complete();
  Progress progress;
  HF_TRY(view.Extract(directory, {.restore_owner = false}, progress, {}));
  Manifest manifest;
  std::vector<std::string> warnings;
  files.Describe(manifest, warnings);
  Json said = {{"details", manifest.details},
               {"warnings", warnings},
               {"changed", view.changed},
               {"has_metadata_log", files.has_metadata_log()}};
  said["missing"] = Json::array();
  for (const Missing& entry : manifest.missing)
    said["missing"].push_back(entry.what + ": " + entry.reason);
  for (const Missing& entry : directories.missing())
    said["missing"].push_back(entry.what + ": " + entry.reason);
  return said;
}

}  // namespace
}  // namespace holdfast::kafka

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const auto said = holdfast::kafka::Save(argv[1], {argv + 2, argv + argc});
  if (!said) {
    std::cerr << said.error().Text() << "\n";
    return 1;
  }
  std::cout << *said << "\n";
  return 0;
}
