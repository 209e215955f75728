// A service that runs on this host, as a kind recognises it among the processes: what `source list
// --discover` shows, and the line of agent.yaml that saves it.
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
  std::string name = "main";  // a suggestion; a number is added where it is taken
  // Of the kind's options, those first that matter most. Paths are the process's own.
  std::vector<std::pair<std::string, config::OptionValue>> options = {};
  // (option, value): a configured source that has one of these is this service.
  std::vector<std::pair<std::string, std::string>> known_by = {};
  std::map<std::string, std::string> facts = {};  // worth knowing, e.g. "data directory"
  std::vector<std::string> notes = {};            // what is not known, or left to do

  void Set(std::string option, config::OptionValue value) {
    options.emplace_back(std::move(option), std::move(value));
  }
  // A list that is empty is left out.
  void SetList(std::string option, std::vector<std::string> values) {
    if (!values.empty()) Set(std::move(option), std::move(values));
  }
  // The value of `option` is relative to a directory that is not known.
  void NoteRelative(std::string_view option);
};

// Whether `values` are those of a source that saves what was found.
bool IsConfiguredBy(const DiscoveredSource& found, const config::Values& values,
                    const config::Schema& options);

// "- {kind: etcd, name: main, endpoints: ["http://127.0.0.1:2379"]}", without a newline: an entry
// of "sources" in agent.yaml. Bytes that are no UTF-8 become U+FFFD.
std::string SourceLine(std::string_view kind, std::string_view name, std::string_view repository,
                       const std::vector<std::pair<std::string, config::OptionValue>>& options);

}  // namespace holdfast
