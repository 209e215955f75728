#include "common/filetree/existing_tree.h"

#include <sys/xattr.h>

#include <algorithm>

#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::filetree {
namespace {

using namespace holdfast::testing;  // NOLINT

struct TreeFixture {
  TempDir temp = Unwrap(TempDir::Create("existing-tree-test"));
  std::string out = temp.path() + "/out";
  std::string victim = temp.path() + "/victim";
  TreeFixture() {
    REQUIRE_OK(MakeDirectories(out + "/d"));
    REQUIRE_OK(MakeDirectories(victim));
    WriteText(out + "/d/f", "content", 0640);
    WriteText(victim + "/f", "safe", 0600);
    REQUIRE(symlink(victim.c_str(), (out + "/link").c_str()) == 0);
    REQUIRE(mkfifo((out + "/fifo").c_str(), 0600) == 0);
    top = Unwrap(OpenFile(out, O_RDONLY | O_DIRECTORY));
    tree.emplace(top.get(), out);
  }
  bool HasAttributes(const std::string& path, const Attributes& wanted) {
    return Unwrap(tree->HasAttributes(path, *Unwrap(tree->Stat(path)), wanted, true));
  }
  Fd top;
  std::optional<ExistingTree> tree;
  std::vector<std::string> warnings;
};

TEST_CASE_METHOD(TreeFixture, "existing tree: looks up without following symlinks") {
  REQUIRE(S_ISREG(Unwrap(tree->Stat("d/f"))->st_mode));
  REQUIRE(S_ISLNK(Unwrap(tree->Stat("link"))->st_mode));
  REQUIRE_FALSE(Unwrap(tree->Stat("d/none")));
  REQUIRE_FALSE(Unwrap(tree->Stat("none/f")));
  REQUIRE_FALSE(Unwrap(tree->Stat("d/f/below")));
  REQUIRE_FAILS(tree->Stat("link/f"), ErrorCode::kDenied, "symlink");
  REQUIRE_FAILS(tree->OpenFile("link/f"), ErrorCode::kDenied, "symlink");
  REQUIRE(Unwrap(tree->OpenFile("d/f")).is_open());
  for (const char* path : {"link", "fifo", "d", "none"}) {
    INFO(path);
    REQUIRE_FALSE(Unwrap(tree->OpenFile(path)).is_open());
  }
  std::vector<std::string> names = Unwrap(tree->Names(""));
  std::ranges::sort(names);
  REQUIRE(names == std::vector<std::string>{"d", "fifo", "link"});
  REQUIRE(Unwrap(tree->Names("none")).empty());
  ExistingTree nothing(std::nullopt, "/nowhere");
  REQUIRE_FALSE(Unwrap(nothing.Stat("d")));
  REQUIRE(Unwrap(nothing.Names("")).empty());
}

TEST_CASE_METHOD(TreeFixture, "existing tree: says whether an entry has the wanted attributes") {
  const Attributes as_it_is = Unwrap(ReadAttributes(out + "/d/f"));
  REQUIRE(HasAttributes("d/f", as_it_is));
  Attributes other = as_it_is;
  other.mode = 0600;
  REQUIRE_FALSE(HasAttributes("d/f", other));
  other = as_it_is;
  ++other.mtime.nanoseconds;
  REQUIRE_FALSE(HasAttributes("d/f", other));
  other = as_it_is;
  ++other.uid;
  REQUIRE_FALSE(HasAttributes("d/f", other));
  REQUIRE(Unwrap(tree->HasAttributes("d/f", *Unwrap(tree->Stat("d/f")), other, false)));
  other = as_it_is;
  other.type = NodeType::kFifo;
  REQUIRE_FALSE(HasAttributes("d/f", other));
  REQUIRE(setxattr((out + "/d/f").c_str(), "user.a", "b", 1, 0) == 0);
  REQUIRE_FALSE(HasAttributes("d/f", as_it_is));
  const Attributes with_it = Unwrap(ReadAttributes(out + "/d/f"));
  REQUIRE(HasAttributes("d/f", with_it));
  REQUIRE(setxattr((out + "/d/f").c_str(), "user.a", "c", 1, 0) == 0);
  REQUIRE_FALSE(HasAttributes("d/f", with_it));
  Attributes link = Unwrap(ReadAttributes(out + "/link"));
  REQUIRE(HasAttributes("link", link));
  link.link_target += "x";
  REQUIRE_FALSE(HasAttributes("link", link));
}

TEST_CASE_METHOD(TreeFixture, "existing tree: sets attributes only on the entry itself") {
  Attributes wanted = Unwrap(ReadAttributes(out + "/d/f"));
  wanted.mode = 0604;
  wanted.mtime = {1'600'000'000, 9};
  REQUIRE(setxattr((out + "/d/f").c_str(), "user.a", "b", 1, 0) == 0);
  const Fd file = Unwrap(tree->OpenFile("d/f"));

  REQUIRE(Unwrap(tree->SetAttributes(file.get(), "d/f", wanted, true, warnings)));

  REQUIRE(HasAttributes("d/f", wanted));
  REQUIRE(warnings.empty());
  REQUIRE(link((out + "/d/f").c_str(), (victim + "/other").c_str()) == 0);
  wanted.mode = 0600;
  REQUIRE_FALSE(Unwrap(tree->SetAttributes(file.get(), "d/f", wanted, true, warnings)));
  REQUIRE(Unwrap(ReadAttributes(victim + "/other")).mode == 0604);
}

TEST_CASE_METHOD(TreeFixture,
                 "existing tree: removes what it is asked to, and no symlink's target") {
  REQUIRE_FALSE(Unwrap(tree->RemoveEmpty("d")));
  REQUIRE_OK(MakeDirectories(out + "/empty"));
  REQUIRE(Unwrap(tree->RemoveEmpty("empty")));
  REQUIRE(symlink(victim.c_str(), (out + "/d/link").c_str()) == 0);
  REQUIRE(Unwrap(tree->Remove("d")));
  REQUIRE(Unwrap(tree->Remove("link")));
  REQUIRE(Unwrap(tree->Remove("none")));
  REQUIRE_FALSE((Exists(out + "/d") || Exists(out + "/link") || Exists(out + "/empty")));
  REQUIRE(ReadText(victim + "/f") == "safe");
  REQUIRE(symlink(victim.c_str(), (out + "/link").c_str()) == 0);
  REQUIRE_FAILS(tree->Remove("link/f"), ErrorCode::kDenied, "symlink");
}

}  // namespace
}  // namespace holdfast::filetree
