#include "common/filetree/walker.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <map>
#include <set>

#include "common/filetree/background_counter.h"
#include "common/filetree/exclude.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::filetree {
namespace {

using namespace holdfast::testing;  // NOLINT

struct Walked {
  FakeSnapshotView view;
  std::vector<std::string> order;
  std::vector<Missing> missing;
  std::vector<std::string> warnings;
  bool Has(const std::string& path) const { return view.nodes.contains(path); }
};

Walked Walk(WalkOptions options, FakeSnapshotView* previous = nullptr) {
  Walked walked;
  options.previous = previous;
  auto walker = Unwrap(Walker::Create(options));
  while (std::optional<Item> item = Unwrap(walker->Next())) {
    walked.order.push_back(item->path);
    REQUIRE_OK(walked.view.Add(std::move(*item), previous));
  }
  walked.missing = walker->missing();
  walked.warnings = walker->warnings();
  return walked;
}

struct Fixture {
  TempDir temp = Unwrap(TempDir::Create("walker-test"));
  std::string top =
      Unwrap(ResolveParents(temp.path() + "/x", nullptr)).substr(0, temp.path().size());
  std::string in = top.substr(1);  // as in an item's path

  WalkOptions Options(std::vector<std::string> roots) const {
    WalkOptions options;
    options.roots = std::move(roots);
    return options;
  }
  std::string Dir(const std::string& name) const {
    REQUIRE_OK(MakeDirectories(top + "/" + name));
    return top + "/" + name;
  }
};

TEST_CASE_METHOD(Fixture, "walker: items come depth-first by ascending name bytes") {
  Dir("b/c");
  Dir("a");
  WriteText(top + "/b/c/f", "1");
  WriteText(top + "/b.txt", "2");
  WriteText(top + "/b/\xff\n", "3");

  Walked walked = Walk(Options({top}));

  std::vector<std::string> below;
  for (const std::string& path : walked.order) {
    if (path.starts_with(in + "/")) below.push_back(path.substr(in.size() + 1));
  }
  REQUIRE(below == std::vector<std::string>{"a", "b", "b/c", "b/c/f", "b/\xff\n", "b.txt"});
  REQUIRE(walked.missing.empty());
}

TEST_CASE_METHOD(Fixture, "walker: ancestors of the roots and the prefix have attributes") {
  chmod(Dir("p").c_str(), 0711);
  WriteText(top + "/p/f", "x");

  WalkOptions options = Options({top + "/p/f"});
  options.prefix = "members/n/files";
  Walked walked = Walk(options);

  REQUIRE(walked.order.front() == "members/n/files");
  REQUIRE(walked.view.nodes.at("members/n/files/" + in + "/p").attributes.mode == 0711);
  REQUIRE(AsText(walked.view.nodes.at("members/n/files/" + in + "/p/f").content) == "x");
}

TEST_CASE_METHOD(Fixture, "walker: all types of entries keep their metadata") {
  WriteText(top + "/file", "content", 04755);
  REQUIRE(link((top + "/file").c_str(), (top + "/hard").c_str()) == 0);
  REQUIRE(symlink("/no\xff/where", (top + "/link").c_str()) == 0);
  REQUIRE(mkfifo((top + "/fifo").c_str(), 0600) == 0);
  REQUIRE(mknod((top + "/socket").c_str(), S_IFSOCK | 0600, 0) == 0);
  REQUIRE(setxattr((top + "/file").c_str(), "user.comment", "v\0w", 3, 0) == 0);
  SetTime(top + "/file", 1'000'000'000);

  Walked walked = Walk(Options({top}));

  const Attributes& file = walked.view.nodes.at(in + "/file").attributes;
  REQUIRE(file.mode == 04755);
  REQUIRE(file.links == 2);
  REQUIRE(file.inode == walked.view.nodes.at(in + "/hard").attributes.inode);
  REQUIRE(file.mtime == UnixTime{1'000'000'000, 7});
  REQUIRE(file.extended == std::vector<ExtendedAttribute>{{"user.comment", {'v', 0, 'w'}}});
  REQUIRE(walked.view.nodes.at(in + "/link").attributes.link_target == "/no\xff/where");
  REQUIRE(walked.view.nodes.at(in + "/fifo").attributes.type == NodeType::kFifo);
  REQUIRE(walked.view.nodes.at(in + "/socket").attributes.type == NodeType::kSocket);
  REQUIRE(file == [&] {
    Attributes direct = Unwrap(ReadAttributes(top + "/file"));
    direct.atime = file.atime;
    return direct;
  }());
}

TEST_CASE("walker: a literal pattern matches its path and no other") {
  const std::string path = "/a/[b]*?\\c";
  const filetree::ExcludeList list({filetree::LiteralPattern(path)});
  CHECK(list.MatchesPath(path));
  for (const char* other : {"/a/bx?\\c", "/a/[b]xy\\c", "/a/[b]*?c", "/a/[b]*?\\cc"}) {
    INFO(other);
    CHECK_FALSE(list.MatchesPath(other));
  }
}

TEST_CASE_METHOD(Fixture, "walker: excluded entries are skipped, but not roots below them") {
  Dir("keep");
  Dir("cache/deep/root");
  WriteText(top + "/keep/a.tmp", "");
  WriteText(top + "/keep/a", "");
  WriteText(top + "/cache/x", "");
  WriteText(top + "/cache/deep/root/f.tmp", "");
  WriteText(top + "/cache/deep/root/f", "");

  WalkOptions options = Options({top, top + "/cache/deep/root"});
  options.exclude = {"*.tmp", top + "/cache/"};
  Walked walked = Walk(options);

  REQUIRE(walked.Has(in + "/keep/a"));
  REQUIRE_FALSE(walked.Has(in + "/keep/a.tmp"));
  REQUIRE_FALSE(walked.Has(in + "/cache/x"));
  REQUIRE(walked.Has(in + "/cache/deep"));
  REQUIRE(walked.Has(in + "/cache/deep/root/f"));
  REQUIRE_FALSE(walked.Has(in + "/cache/deep/root/f.tmp"));
}

TEST_CASE_METHOD(Fixture, "walker: overlapping roots give every entry once") {
  Dir("a/b");
  WriteText(top + "/a/b/f", "");

  Walked walked = Walk(Options({top + "/a/b/f", top + "/a/", top + "/a/b", top + "/a"}));

  std::set<std::string> unique(walked.order.begin(), walked.order.end());
  REQUIRE(unique.size() == walked.order.size());
  REQUIRE(walked.Has(in + "/a/b/f"));
}

TEST_CASE_METHOD(Fixture,
                 "walker: a root below a symlink is saved at its real path, with the link") {
  Dir("real/conf");
  WriteText(top + "/real/conf/f", "x");
  REQUIRE(symlink("real", (top + "/app").c_str()) == 0);
  REQUIRE(symlink("conf", (top + "/real/current").c_str()) == 0);

  WalkOptions options = Options({top + "/app/conf", top + "/real/current"});
  options.exclude = {top + "/app/conf/g*"};
  WriteText(top + "/real/conf/g1", "excluded by the path as given");
  Walked walked = Walk(options);

  REQUIRE(walked.view.nodes.at(in + "/app").attributes.type == NodeType::kSymlink);
  REQUIRE(walked.Has(in + "/real/conf/f"));
  REQUIRE_FALSE(walked.Has(in + "/real/conf/g1"));
  REQUIRE(walked.view.nodes.at(in + "/real/current").attributes.link_target == "conf");
  REQUIRE(walked.warnings.size() == 1);
}

TEST_CASE_METHOD(Fixture, "walker: some missing roots are named, all missing is an error") {
  WriteText(top + "/f", "");
  WalkOptions options = Options({top + "/none/x", top + "/f", top + "/f/below"});

  Walked walked = Walk(options);
  REQUIRE(walked.missing.size() == 2);
  REQUIRE(walked.missing[0].what == top + "/none/x");
  REQUIRE(walked.missing[0].reason == "does not exist");
  REQUIRE(walked.Has(in + "/f"));

  options.tolerate_missing_roots = false;
  REQUIRE_FAILS(Walker::Create(options), ErrorCode::kNotFound, "none/x");
  REQUIRE_FAILS(Walker::Create(Options({"relative"})), ErrorCode::kInvalidArgument, "absolute");
}

TEST_CASE_METHOD(Fixture, "walker: cache directories keep only their tag on request") {
  Dir("c");
  Dir("fake");
  WriteText(top + "/c/CACHEDIR.TAG",
            "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test");
  WriteText(top + "/c/big", "x");
  WriteText(top + "/fake/CACHEDIR.TAG", "no signature");
  WriteText(top + "/fake/kept", "x");

  WalkOptions options = Options({top});
  options.skip_cache_dirs = true;
  Walked walked = Walk(options);
  REQUIRE(walked.Has(in + "/c/CACHEDIR.TAG"));
  REQUIRE_FALSE(walked.Has(in + "/c/big"));
  REQUIRE(walked.Has(in + "/fake/kept"));

  options.roots = {top + "/c"};
  REQUIRE(Walk(options).Has(in + "/c/big"));
}

TEST_CASE_METHOD(Fixture,
                 "walker: one_file_system stops at mount points, which stay as directories") {
  WalkOptions options = Options({"/dev"});
  options.one_file_system = true;
  struct stat above {};
  struct stat below {};
  if (stat("/dev", &above) != 0 || stat("/dev/pts", &below) != 0 || above.st_dev == below.st_dev) {
    SUCCEED("nothing is mounted below /dev here");
    return;
  }

  auto walker = Unwrap(Walker::Create(options));
  std::set<std::string> paths;
  while (std::optional<Item> item = Unwrap(walker->Next())) paths.insert(item->path);

  REQUIRE(paths.contains("dev/pts"));
  REQUIRE_FALSE(paths.contains("dev/pts/ptmx"));
}

TEST_CASE_METHOD(Fixture,
                 "walker: unchanged files are reused, recent and changed ones are read again") {
  for (const char* name : {"same", "grown", "touched", "recent"}) {
    WriteText(top + "/" + name, name);
    SetTime(top + "/" + name, 1'000'000'000);
  }
  WalkOptions options = Options({top});
  Walked first = Walk(options);
  UnixTime ctime = first.view.nodes.at(in + "/same").attributes.ctime;
  first.view.nodes.at(in + "/touched").attributes.ctime.seconds -= 1;
  WriteText(top + "/grown", "grown more");

  options.previous_cut = UnixTime{ctime.seconds + 60, 0};
  Walked second = Walk(options, &first.view);
  REQUIRE(second.view.files_reused == 2);  // same and recent
  REQUIRE(AsText(second.view.nodes.at(in + "/grown").content) == "grown more");
  REQUIRE(AsText(second.view.nodes.at(in + "/same").content) == "same");

  options.previous_cut = UnixTime{ctime.seconds + 1, 0};  // within the clock's granularity
  REQUIRE(Walk(options, &first.view).view.files_reused == 0);
  options.previous_cut.reset();
  REQUIRE(Walk(options, &first.view).view.files_reused == 0);
}

TEST_CASE_METHOD(Fixture, "walker: a file removed after the walk passed it is still read") {
  WriteText(top + "/f", "pinned");
  auto walker = Unwrap(Walker::Create(Options({top})));
  std::optional<Item> file;
  while (std::optional<Item> item = Unwrap(walker->Next())) {
    if (item->path == in + "/f") file = std::move(item);
  }
  REQUIRE(unlink((top + "/f").c_str()) == 0);

  auto& reader = std::get<std::unique_ptr<ByteReader>>(file->content);
  REQUIRE(AsText(Unwrap(ReadAll(*reader))) == "pinned");
}

TEST_CASE_METHOD(Fixture, "walker: a file removed before its turn is named") {
  WriteText(top + "/a", "");
  WriteText(top + "/b", "");
  auto walker = Unwrap(Walker::Create(Options({top})));
  while (std::optional<Item> item = Unwrap(walker->Next())) {
    if (item->path == in + "/a") REQUIRE(unlink((top + "/b").c_str()) == 0);
  }
  REQUIRE(walker->missing().size() == 1);
  REQUIRE(walker->missing()[0].what == top + "/b");
}

TEST_CASE_METHOD(Fixture,
                 "walker: a file that changes while it is read ends, and is marked as changed") {
  std::size_t size = GENERATE(std::size_t{1000}, std::size_t{3U << 20});
  bool grows = GENERATE(true, false);
  std::string path = top + "/f";
  WriteText(path, std::string(size, 'a'));
  auto walker = Unwrap(Walker::Create(Options({path})));
  std::optional<Item> file;
  while (std::optional<Item> item = Unwrap(walker->Next())) file = std::move(item);
  auto& reader = std::get<std::unique_ptr<ByteReader>>(file->content);

  Bytes buffer(600);
  std::size_t total = Unwrap(reader->Read(buffer));
  if (grows) {
    Fd more = Unwrap(OpenFile(path, O_WRONLY | O_APPEND));
    REQUIRE_OK(WriteAll(more.get(), Bytes(9000, 'b'), path));
  } else {
    REQUIRE(truncate(path.c_str(), 700) == 0);
  }
  while (std::size_t count = Unwrap(reader->Read(buffer))) total += count;
  ByteReader::Outcome outcome = Unwrap(reader->Finish());

  REQUIRE(outcome.changed);
  REQUIRE(outcome.attributes->size == total);
  REQUIRE(total >= 600);
  if (size == 1000 || grows) REQUIRE(total == size);  // small files were read completely before
}

TEST_CASE_METHOD(Fixture,
                 "walker: a small file that changes before it is read is read as it is then") {
  WriteText(top + "/f", "old");
  auto walker = Unwrap(Walker::Create(Options({top + "/f"})));
  std::optional<Item> file;
  while (std::optional<Item> item = Unwrap(walker->Next())) file = std::move(item);
  WriteText(top + "/f", "newer");

  auto& reader = std::get<std::unique_ptr<ByteReader>>(file->content);
  REQUIRE(AsText(Unwrap(ReadAll(*reader))) == "newer");
  ByteReader::Outcome outcome = Unwrap(reader->Finish());
  REQUIRE_FALSE(outcome.changed);
  REQUIRE(outcome.attributes->size == 5);
}

TEST_CASE_METHOD(Fixture,
                 "walker: holes read as zeros, and files without a size are read to the end") {
  std::string path = top + "/sparse";
  Fd file = Unwrap(OpenFile(path, O_WRONLY | O_CREAT, 0644));
  REQUIRE(pwrite(file.get(), "mid", 3, 8U << 20) == 3);
  REQUIRE(ftruncate(file.get(), 20U << 20) == 0);

  Walked walked = Walk(Options({path, "/proc/self/limits"}));

  const Bytes& content = walked.view.nodes.at(in + "/sparse").content;
  REQUIRE(content.size() == 20U << 20);
  REQUIRE(std::string(content.begin() + (8 << 20), content.begin() + (8 << 20) + 4) ==
          std::string("mid\0", 4));
  REQUIRE(std::ranges::count(content, 0) == (20 << 20) - 3);
  REQUIRE(walked.view.changed.empty());
  bool found = false;
  for (const auto& [name, node] : walked.view.nodes) {
    if (name.ends_with("/limits")) found = node.attributes.size > 100;
  }
  REQUIRE(found);
}

TEST_CASE_METHOD(Fixture,
                 "walker: trees deeper than PATH_MAX and the descriptor limit are walked") {
  constexpr int kLevels = 1500;
  const std::string name(200, 'd');
  Fd at = Unwrap(OpenFile(top, O_RDONLY | O_DIRECTORY));
  for (int level = 0; level < kLevels; ++level) {
    REQUIRE(mkdirat(at.get(), name.c_str(), 0755) == 0);
    at = Unwrap(OpenFileAt(at.get(), name, O_RDONLY | O_DIRECTORY, 0, name));
    Fd file = Unwrap(OpenFileAt(at.get(), "z", O_WRONLY | O_CREAT, 0644, name));
  }
  int files = 0;
  auto walker = Unwrap(Walker::Create(Options({top})));
  while (std::optional<Item> item = Unwrap(walker->Next())) {
    if (item->attributes.type == NodeType::kFile) ++files;
  }
  REQUIRE(files == kLevels);
  REQUIRE(walker->missing().empty());
  REQUIRE(walker->warnings().empty());
  REQUIRE_OK(RemoveTree(top + "/" + name));
  REQUIRE_FALSE(Exists(top + "/" + name));
}

TEST_CASE_METHOD(Fixture, "walker: unreadable entries are named, and the rest is saved") {
  REQUIRE(chmod(top.c_str(), 0755) == 0);
  WriteText(top + "/open", "x", 0644);
  WriteText(top + "/secret", "x", 0600);
  Dir("closed");
  WriteText(top + "/closed/f", "x");
  REQUIRE(chmod((top + "/closed").c_str(), 0700) == 0);
  if (geteuid() != 0) {
    REQUIRE(chmod((top + "/closed").c_str(), 0) == 0);
    REQUIRE(chmod((top + "/secret").c_str(), 0) == 0);
  }

  bool is_right = AsNobody([&] {
    WalkOptions options;
    options.roots = {top};
    auto walker = Walker::Create(options);
    std::set<std::string> paths;
    for (auto item = (*walker)->Next(); *item; item = (*walker)->Next())
      paths.insert((*item)->path);
    const std::vector<Missing>& missing = (*walker)->missing();
    return paths.contains(in + "/open") && paths.contains(in + "/closed") &&
           !paths.contains(in + "/secret") && missing.size() == 2 &&
           missing[0].what == top + "/closed" && missing[1].what == top + "/secret" &&
           missing[1].reason.find("permission denied") != std::string::npos;
  });

  REQUIRE(is_right);
  REQUIRE(chmod((top + "/closed").c_str(), 0700) == 0);
}

TEST_CASE_METHOD(Fixture, "walker: an estimate counts items and bytes up to its limit") {
  for (int i = 0; i < 10; ++i) WriteText(top + "/f" + std::to_string(i), "12345");
  auto walker = Unwrap(Walker::Create(Options({top})));

  Walker::Totals all = walker->Estimate(1000);
  REQUIRE(all.bytes == 50);
  REQUIRE(all.items >= 11);
  REQUIRE(all.is_whole);
  REQUIRE(walker->Estimate(5).items == 5);
  REQUIRE_FALSE(walker->Estimate(5).is_whole);
  REQUIRE(Unwrap(walker->Next()).has_value());
}

TEST_CASE_METHOD(Fixture, "walker: the total is known at once, later or never") {
  for (int i = 0; i < 10; ++i) WriteText(top + "/f" + std::to_string(i), "12345");
  SECTION("few items are counted at once") {
    REQUIRE(BackgroundCounter(Options({top}), 1000).bytes() == 50);
  }
  SECTION("many are counted on a thread") {
    BackgroundCounter count(Options({top}), 5);
    count.Wait();
    REQUIRE(count.bytes() == 50);
  }
  SECTION("missing roots count nothing") {
    REQUIRE(BackgroundCounter(Options({top + "/none"}), 1000).bytes() == 0);
  }
}

}  // namespace
}  // namespace holdfast::filetree
