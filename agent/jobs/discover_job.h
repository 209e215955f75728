// Looks for services on this host that could be saved, among its processes. Asks none of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/sources/host/process.h"

namespace holdfast::jobs {

struct FoundService {
  std::string kind;
  std::string name;  // of the source that saves it, or a free one
  bool is_configured = false;
  pid_t process = 0;
  std::string user;  // whom it runs as
  std::string unit;  // empty: none of systemd's
  std::map<std::string, std::string> facts;
  std::string line;  // of "sources" in agent.yaml
  std::vector<std::string> notes;
};

// JSON: docs/json.md#source-list.
struct DiscoveryReport {
  std::vector<FoundService> services;  // by kind as help shows them, and process
  host::Sweep sweep;
};

// Without settings nothing is configured yet.
Result<DiscoveryReport> RunDiscovery(const JobContext& context, const host::Places& places = {});

}  // namespace holdfast::jobs
