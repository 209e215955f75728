// A fake /proc with processes that do not exist.
#pragma once

#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "agent/sources/host/process.h"
#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::testing {

struct FakeProcess {
  int pid = 0;
  std::vector<std::string> command;
  std::vector<std::string> environment;
  std::string directory = "/";  // empty: not readable
  std::string cgroup = "0::/\n";
  int parent = 1;
  std::string program;
  std::string root;  // its own root; empty: none
};

// The places of a host without services. Creates its system directories in `top`.
inline host::Places EmptyHost(const std::string& top) {
  host::Places places{top + "/proc", top + "/root"};
  REQUIRE_OK(MakeDirectories(places.proc));
  REQUIRE_OK(MakeDirectories(places.etc_root));
  return places;
}

class FakeProcesses {
 public:
  FakeProcesses() {
    REQUIRE_OK(MakeDirectories(places_.proc));
    places_.etc_root = top_.path();
    WriteText(places_.proc + "/version", "Linux");
  }

  const std::string& top() const { return top_.path(); }
  const host::Places& places() const { return places_; }

  std::string Run(const FakeProcess& process) const {
    const std::string proc = fmt::format("{}/{}", places_.proc, process.pid);
    REQUIRE_OK(MakeDirectories(proc));
    WriteText(proc + "/cmdline", WithNuls(process.command));
    WriteText(proc + "/environ", WithNuls(process.environment));
    WriteText(proc + "/cgroup", process.cgroup);
    WriteText(proc + "/stat", fmt::format("{} (a ) b) S {} 1 1 0", process.pid, process.parent));
    Link(process.directory, proc + "/cwd");
    Link(process.program, proc + "/exe");
    Link(process.root, proc + "/root");
    return proc;
  }

  // Writes a file and returns its path.
  std::string Write(const std::string& name, std::string_view text) const {
    const std::string path = top_.path() + "/" + name;
    REQUIRE_OK(MakeDirectories(path.substr(0, path.rfind('/'))));
    WriteText(path, text);
    return path;
  }

  host::LocalProcess Read(int pid) const {
    std::optional<host::LocalProcess> found;
    Unwrap(host::VisitProcesses(places_, [&](const host::LocalProcess& process) {
      if (process.pid == pid) found = process;
      return true;
    }));
    REQUIRE(found);
    return *found;
  }

  static std::string WithNuls(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += part + '\0';
    return text;
  }

 private:
  static void Link(const std::string& target, const std::string& path) {
    if (!target.empty()) REQUIRE(::symlink(target.c_str(), path.c_str()) == 0);
  }

  TempDir top_ = Unwrap(TempDir::Create("processes"));
  host::Places places_{top_.path() + "/proc", ""};
};

}  // namespace holdfast::testing
