// A data directory that tests fill like a server.
#pragma once

#include <fcntl.h>

#include <filesystem>
#include <string>

#include "common/io/atomic_file.h"
#include "tests/support/results.h"
#include "tests/unit/sources/zookeeper/real_files.h"

namespace holdfast::testing {

class DataDirectory {
 public:
  DataDirectory() : temp_(Unwrap(TempDir::Create("zookeeper"))) {
    REQUIRE_OK(MakeDirectories(path() + "/version-2"));
  }

  const std::string& top() const { return temp_.path(); }
  std::string path() const { return temp_.path() + "/data"; }
  std::string PathOf(const std::string& name) const { return path() + "/version-2/" + name; }

  void Write(const std::string& name, ByteView content) const {
    REQUIRE_OK(WriteFileAtomic(PathOf(name), content, 0600));
  }
  void Append(const std::string& name, ByteView content) const {
    const Fd file = Unwrap(OpenFile(PathOf(name), O_WRONLY | O_APPEND));
    REQUIRE_OK(WriteAll(file.get(), content, name));
  }
  void Remove(const std::string& name) const { std::filesystem::remove(PathOf(name)); }
  // The files that a real server of `version` left.
  void CopyReal(const std::string& version) const {
    for (const auto& file :
         std::filesystem::directory_iterator(std::string(HOLDFAST_ZOOKEEPER_DATA) + "/" + version))
      Write(file.path().filename(), Unwrap(ReadWholeFile(file.path())));
  }

 private:
  TempDir temp_;
};

}  // namespace holdfast::testing
