#include "common/filetree/mounts.h"

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::filetree {
namespace {

using testing::Unwrap;

struct Host {
  Host() {
    Write("mountinfo",
          "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
          "22 21 8:2 / /srv rw - ext4 /dev/sda2 rw\n"
          "23 21 8:3 / /with\\040blank rw - ext4 /dev/sda3 rw\n");
    Write("fstab",
          "# /dev/none /srv/comment ext4\n"
          "/dev/sda1 / ext4 defaults 0 1\n"
          "\n"
          "/dev/sda2\t/srv\text4\n"
          "/dev/sda3 /with\\040blank ext4\n"
          "/dev/sda4 /srv/data/ ext4 defaults,nofail 0 2\n"
          "/dev/sda5 /media/cd iso9660 ro,noauto 0 0\n"
          "/dev/sda6 none swap sw 0 0\n"
          "/dev/sda7 /with\\040blank/b ext4\n");
    REQUIRE_OK(MakeDirectories(Path("units"), 0700));
    Write("units/mnt-share.mount", "[Mount]\nWhat=nas:/share\nWhere=/mnt/share\n");
    Write("units/other.service", "Where=/mnt/service\n");
  }
  std::string Path(const std::string& name) const { return directory.path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) const {
    Unwrap(WriteFileAtomic(Path(name), AsBytes(text), 0600));
  }
  std::vector<std::string> Points(const std::string& path) const {
    std::vector<std::string> points;
    for (const Unmounted& one : FindMissingMounts(path, sources)) points.push_back(one.point);
    return points;
  }

  TempDir directory = Unwrap(TempDir::Create("mounts"));
  MountSources sources{
      .mountinfo = Path("mountinfo"), .fstab = Path("fstab"), .units = Path("units")};
};

using Points = std::vector<std::string>;

TEST_CASE("mounts: an unmounted fstab entry hides paths at it, below it and above it") {
  const Host host;
  REQUIRE(host.Points("/srv/data") == Points{"/srv/data"});
  REQUIRE(host.Points("/srv/data/app") == Points{"/srv/data"});
  REQUIRE(host.Points("/srv") == Points{"/srv/data"});
  REQUIRE(host.Points("/srv/database").empty());
  REQUIRE(host.Points("/with blank/b/c") == Points{"/with blank/b"});
  REQUIRE(host.Points("/").size() == 2);
  REQUIRE(FindMissingMounts("/srv/data", host.sources).front().said_by == host.Path("fstab"));
}

TEST_CASE("mounts: a mount on demand hides only paths below its mount point") {
  const Host host;
  REQUIRE(host.Points("/media/cd/a") == Points{"/media/cd"});
  REQUIRE(host.Points("/media").empty());
  REQUIRE(host.Points("/mnt/share/a") == Points{"/mnt/share"});
  REQUIRE(host.Points("/mnt").empty());
  REQUIRE(host.Points("/mnt/service").empty());
  REQUIRE(FindMissingMounts("/mnt/share", host.sources).front().said_by ==
          host.Path("units/mnt-share.mount"));
}

TEST_CASE("mounts: mounted entries and unreadable tables hide nothing") {
  Host host;
  host.Write("mountinfo",
             "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
             "24 21 8:4 / /srv/data rw - ext4 /dev/sda4 rw\n");
  REQUIRE(host.Points("/srv/data") == Points{"/srv"});
  const MountSources whole = host.sources;
  host.sources.mountinfo = host.Path("none");
  REQUIRE(host.Points("/srv/data").empty());
  host.sources = whole;
  host.sources.fstab = host.sources.units = host.Path("none");
  REQUIRE(host.Points("/srv/data").empty());
}

}  // namespace
}  // namespace holdfast::filetree
