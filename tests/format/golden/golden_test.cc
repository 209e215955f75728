// Frozen repositories, which every build must read in the same way: list, restore, check. Then with
// damage: the check must name exactly the paths that need the damaged data, and everything else
// must still be restored. Content and origin: tests/format/golden/README.md.
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/io/atomic_file.h"
#include "common/repository/maintain/check.h"
#include "common/repository/maintain/index_repair.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/store/key_cache.h"
#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/memory_storage.h"
#include "tests/support/results.h"

namespace holdfast::repository {
namespace {
using testing::MemoryStorage;
using testing::ReadText;
using testing::Unwrap;

// Lines of first.txt or second.txt: the description of each entry, by path.
using Expected = std::map<std::string, std::string>;

Expected ReadExpected(const std::string& path) {
  Expected expected;
  const std::string text = ReadText(path);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::size_t space = text.rfind(' ', end);
    expected[PercentDecode(text.substr(space + 1, end - space - 1))] = text.substr(at, space - at);
    at = end + 1;
  }
  return expected;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~/";
  std::string out;
  for (char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// Describes an entry like expect.py.
std::string Describe(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return "missing";
  const std::int64_t mtime =
      std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  const unsigned mode = status.st_mode & 07777;
  if (S_ISDIR(status.st_mode)) return fmt::format("dir {:o} {} 0 -", mode, mtime);
  if (S_ISFIFO(status.st_mode)) return fmt::format("fifo {:o} {} 0 -", mode, mtime);
  if (S_ISLNK(status.st_mode)) {
    std::string target(static_cast<std::size_t>(status.st_size), '\0');
    REQUIRE(readlink(path.c_str(), target.data(), target.size()) == status.st_size);
    return fmt::format("link - {} 0 {}", mtime, PercentEncode(target));
  }
  const Bytes content = Unwrap(ReadWholeFile(path));
  return fmt::format("file {:o} {} {} {}", mode, mtime, content.size(),
                     HexEncode(crypto::Sha256Of(content)));
}

std::string TextOf(const nlohmann::json& object, const char* name) {
  return object.at(name).get<std::string>();
}

struct Golden {
  explicit Golden(const std::string& name) : directory(std::string(HOLDFAST_GOLDEN) + "/" + name) {
    const auto about = nlohmann::json::parse(ReadText(directory + "/about.json"));
    prefix = about["prefix"].get<std::string>();
    above = about["above"].get<std::string>();
    snapshots = about["snapshots"].get<std::vector<std::string>>();
    expected = {ReadExpected(directory + "/first.txt"), ReadExpected(directory + "/second.txt")};
    damages = nlohmann::json::parse(ReadText(directory + "/damages.json"));
    std::string text = ReadText(directory + "/password");
    password = Secret(text.substr(0, text.size() - 1));
    const std::filesystem::path top = directory + "/repository";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top)) {
      if (!entry.is_regular_file()) continue;
      files[entry.path().lexically_relative(top)] = Unwrap(ReadWholeFile(entry.path()));
    }
  }

  // Copies the files, with `damage` applied to one of them.
  void Fill(MemoryStorage& storage, const nlohmann::json* damage) const {
    for (const auto& [path, good] : files) {
      Bytes content = good;
      if (damage != nullptr && TextOf(*damage, "file") == path) {
        const std::string what = TextOf(*damage, "do");
        if (what == "remove") continue;
        const auto at = (*damage)["at"].get<std::size_t>();
        REQUIRE(at < content.size());
        if (what == "flip") content[at] ^= 1;
        if (what == "cut") content.resize(at);
      }
      const std::string folder = path.substr(0, path.find('/'));
      const std::string name = path.substr(path.rfind('/') + 1);
      FileKind kind = FileKind::kConfig;
      for (FileKind each : {FileKind::kKey, FileKind::kPack, FileKind::kIndex, FileKind::kSnapshot,
                            FileKind::kLock}) {
        if (FileKindName(each) == folder) kind = each;
      }
      Unwrap(
          storage.Put({kind, kind == FileKind::kConfig ? "" : name}, content, PutMode::kReplace));
    }
  }

  std::string directory;
  std::string prefix;  // of the source's entries, in a restored tree
  std::string above;   // of `prefix`, in the snapshot's paths
  std::vector<std::string> snapshots;
  std::vector<Expected> expected;
  nlohmann::json damages;
  Secret password;
  std::map<std::string, Bytes> files;
};

// An open golden repository.
struct OpenGolden {
  OpenGolden(const Golden& from, const nlohmann::json* damage) : golden(from) {
    golden.Fill(storage, damage);
    static KeyCache keys;  // scrypt of the frozen keys is slow
    OpenOptions options;
    options.keys = &keys;
    opened = Repository::Open(std::make_unique<testing::BorrowedStorage>(storage), golden.password,
                              options, random, clock);
  }
  Repository& repository() { return **opened; }

  CheckReport Check() {
    Progress progress;
    return Unwrap(CheckRepository(repository(), {.read_data = true}, progress, {}));
  }

  // Restores the snapshot. Returns the wrong paths, relative to the source.
  std::set<std::string> Restore(std::size_t number) {
    const SnapshotInfo snapshot =
        Unwrap(LoadSnapshot(repository().files(), Unwrap(ParseId(golden.snapshots[number]))));
    Unwrap(repository().index().Load({}));
    auto view = OpenSnapshot(repository(), snapshot);
    const TempDir target = Unwrap(TempDir::Create("golden"));
    is_whole = false;
    if (view) {
      Progress progress;
      ExtractOptions options;
      options.restore_owner = false;
      is_whole = (*view)->Extract(target.path(), options, progress, {}).has_value();
    }
    std::set<std::string> wrong;
    for (const auto& [path, line] : golden.expected[number]) {
      if (Describe(target.path() + "/" + golden.prefix + "/" + path) != line) wrong.insert(path);
    }
    CHECK((wrong.empty() || !is_whole));
    return wrong;
  }

  const Golden& golden;
  MemoryStorage storage;
  bool is_whole = false;  // the last restore succeeded
  SystemRandom random;
  SystemClock clock;
  Result<std::unique_ptr<Repository>> opened = Fail(ErrorCode::kInternal, "not opened");
};

// The paths that the check's errors name for a snapshot, in the format of the damage table.
std::set<std::string> PathsNamed(const CheckReport& report, const std::string& snapshot) {
  std::set<std::string> paths;
  const std::string head = "snapshot " + snapshot.substr(0, 8) + ": \"";
  for (const std::string& error : report.errors) {
    if (!error.starts_with(head)) continue;
    paths.insert(error.substr(head.size() - 1, error.find("\": ") + 2 - head.size()));
  }
  return paths;
}

std::set<std::string> PathsExpected(const nlohmann::json& list) {
  std::set<std::string> paths;
  for (const nlohmann::json& path : list) {
    paths.insert(Quote(PercentDecode(path.get<std::string>())));
  }
  return paths;
}

// Whether a named path is the entry itself or a directory above it.
bool Covers(const nlohmann::json& named, const std::string& path) {
  return std::ranges::any_of(named, [&](const nlohmann::json& encoded) {
    const std::string each = PercentDecode(encoded.get<std::string>());
    return each == path || (each.ends_with('/') && path.starts_with(each));
  });
}

TEST_CASE("golden: healthy repositories are listed, sound, and restored as they were saved") {
  const Golden golden(GENERATE(as<std::string>(), "restic-0.14", "holdfast-0.1"));
  INFO(golden.directory);
  OpenGolden open(golden, nullptr);
  REQUIRE_OK(open.opened);

  const auto snapshots = Unwrap(ListSnapshots(open.repository()));
  REQUIRE(snapshots.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(snapshots[i].id.Hex() == golden.snapshots[i]);
    CHECK(snapshots[i].host == "golden");
    CHECK(open.Restore(i) == std::set<std::string>{});
    CHECK(open.is_whole);
  }
  const CheckReport report = open.Check();
  CHECK(report.errors == std::vector<std::string>{});
  CHECK(report.hints == std::vector<std::string>{});
}

TEST_CASE("golden: of damage the check names exactly the paths, and all others are restored") {
  const Golden golden(GENERATE(as<std::string>(), "restic-0.14", "holdfast-0.1"));
  for (const nlohmann::json& damage : golden.damages) {
    INFO(golden.directory << ": " << TextOf(damage, "name"));
    const std::string file = TextOf(damage, "file");
    const std::string id = file.substr(file.rfind('/') + 1);
    OpenGolden open(golden, &damage);
    if (TextOf(damage, "says") == "open") {
      REQUIRE_FAILS(open.opened, ErrorCode::kCorrupt, id);
      continue;
    }
    REQUIRE_OK(open.opened);

    const CheckReport report = open.Check();

    REQUIRE_FALSE(report.errors.empty());
    const std::string all = fmt::format("{}", fmt::join(report.errors, "\n"));
    INFO(all);
    // A pack that is in no index is not named by errors.
    if (TextOf(damage, "says") != "path") CHECK_THAT(all, Catch::Contains(id));
    const char* const order[] = {"first", "second"};
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(PathsNamed(report, golden.snapshots[i]) == PathsExpected(damage[order[i]]));
      if (TextOf(damage, "says") == "file") continue;
      for (const std::string& wrong : open.Restore(i)) {
        CAPTURE(wrong);
        CHECK(Covers(damage[order[i]], "/" + golden.above + golden.prefix + "/" + wrong));
      }
    }
  }
}

TEST_CASE("golden: a damaged snapshot or index leaves the others in reach") {
  const Golden golden(GENERATE(as<std::string>(), "restic-0.14", "holdfast-0.1"));
  for (const nlohmann::json& damage : golden.damages) {
    if (TextOf(damage, "says") != "file" && TextOf(damage, "says") != "path") continue;
    INFO(golden.directory << ": " << TextOf(damage, "name"));
    OpenGolden open(golden, &damage);
    REQUIRE_OK(open.opened);
    const std::string file = TextOf(damage, "file");
    if (file.starts_with("snapshots/")) {
      CHECK(open.Restore(0) == std::set<std::string>{});
      continue;
    }
    // Follow the check's hint.
    Progress progress;
    Unwrap(RepairIndex(open.repository(), {}, progress, {}));
    CHECK(open.Check().errors == std::vector<std::string>{});
    for (std::size_t i = 0; i < 2; ++i) CHECK(open.Restore(i) == std::set<std::string>{});
  }
}

}  // namespace
}  // namespace holdfast::repository
