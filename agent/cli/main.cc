// holdfast-agent: one node's daemon and its standalone verbs.
#include "agent/cli/process.h"
#include "agent/sources/registry/all_sources.h"

int main(int argc, char** argv) {
  return holdfast::cli::RunAgentProcess(argc, argv, holdfast::AllSourceKinds());
}
