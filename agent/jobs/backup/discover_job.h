// Finds services on this host that could be backed up, by its processes. Does not contact them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/sources/host/process.h"

namespace holdfast::jobs {

struct FoundService {
  std::string kind;
  std::string name;  // of the source that backs it up, or an unused name
  bool is_configured = false;
  pid_t process = 0;
  std::string user;  // that it runs as
  std::string unit;  // empty: not a systemd service
  std::map<std::string, std::string> facts;
  std::string line;  // for "sources" in agent.yaml
  std::vector<std::string> notes;
};

// JSON: docs/json.md#source-list.
struct DiscoveryReport {
  std::vector<FoundService> services;  // by kind in help order, then by process
  host::Sweep sweep;
};

// Without settings, no service counts as configured.
Result<DiscoveryReport> RunDiscovery(const JobContext& context, const host::Places& places);

}  // namespace holdfast::jobs
