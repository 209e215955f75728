// A service found among the processes of this host: what `source list --discover` prints, and the
// line of agent.yaml that backs it up.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sources/host/process.h"
#include "common/config/schema.h"

namespace holdfast {

struct DiscoveredSource {
  std::string name = "main";  // a suggestion; gets a number if it is taken
  // Options of the kind, most important first. Paths are as the process sees them.
  std::vector<std::pair<std::string, config::OptionValue>> options;
  // (option, value): a configured source with one of these values is this service.
  std::vector<std::pair<std::string, std::string>> known_by;
  std::map<std::string, std::string> facts;  // e.g. "data directory"
  std::vector<std::string> notes;            // what is unknown, or left to do

  void Set(std::string option, config::OptionValue value) {
    options.emplace_back(std::move(option), std::move(value));
  }
  // Leaves out an empty list.
  void SetList(std::string option, std::vector<std::string> values) {
    if (!values.empty()) Set(std::move(option), std::move(values));
  }
  // Notes that the value of `option` is relative to an unknown directory.
  void NoteRelative(std::string_view option);
};

// Whether a source with `values` backs up the service that was found.
bool IsConfiguredBy(const DiscoveredSource& found, const config::Values& values,
                    const config::Schema& options);

// "- {kind: etcd, name: main, endpoints: ["http://127.0.0.1:2379"]}", without a newline: an entry
// of "sources" in agent.yaml. Bytes that are not UTF-8 become U+FFFD.
std::string SourceLine(std::string_view kind, std::string_view name, std::string_view repository,
                       const std::vector<std::pair<std::string, config::OptionValue>>& options);

}  // namespace holdfast
