// Snapshots with any content, given to the planners of restores in place. The input is text, one
// object of the snapshot in each line: a type, a mode, and a path below the live directory, or an
// absolute one:
//
//   f 4755 etc/certs/site.pem
//   l 777 etc/certs/link.pem -> ../../evil/there
//   p 666 srv/app/pipe          a FIFO; also "d" directory, "c" device
//   = srv/app                   a path of the snapshot, as in the manifest's details
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "agent/sources/files/restore_plan.h"
#include "agent/sources/haproxy/restore_plan.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/text.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/fuzz/target.h"
#include "tests/support/fake_snapshot_view.h"

namespace holdfast::fuzz {
namespace {

constexpr std::size_t kLinesMax = 64;
constexpr std::size_t kLineBytesMax =
    512;  // the snapshot in memory has every directory's whole path
constexpr std::string_view kMember = "members/n/files";

void Check(bool is_done) { FUZZ_REQUIRE(is_done); }

// A node with a HAProxy, a directory of files, and other files, which no source names.
class Node {
 public:
  Node() : directory_(TempDir::Create("fuzz-in-place")) {
    Check(directory_.has_value());
    const auto real = std::filesystem::canonical(directory_->path());
    top_ = real.string();
    for (const char* name : {"etc/certs", "etc/maps", "evil", "srv/app/sub", "policy"}) {
      Check(MakeDirectories(Path(name)).has_value());
    }
    Write("etc/h.cfg",
          fmt::format("frontend f\n    bind :80 ssl crt {}\n    acl a path -f {}\n"
                      "    acl b path -f {}\n",
                      Path("etc/certs"), Path("etc/maps/a.map"), Path("etc/lost/deep/b.map")));
    for (const char* name : {"etc/certs/later.pem", "etc/maps/a.map", "etc/maps/other.map",
                             "evil/there", "evil/x.pem", "evil/x.cfg", "srv/app/sub/file"}) {
      Write(name, "live\n");
    }
    for (const char* name : {"etc/certs/out", "srv/app/out", "policy/out", "in"}) {
      const char* target = std::string_view(name) == "in" ? "etc/certs" : "evil";
      Check(::symlink(Path(target).c_str(), Path(name).c_str()) == 0);
    }
    haproxy_.config = {Path("etc/h.cfg")};
    files_.paths = {Path("srv/app"), Path("srv/lost/deep")};
    survey_ = haproxy::TakeSurvey(haproxy_);
    allowed_ = {Path("policy")};
    haproxy_allowed_ = {Path("etc/h.cfg"), Path("etc/certs"), Path("etc/maps/a.map"),
                        Path("etc/lost/deep/b.map"), Path("policy")};
    files_allowed_ = {Path("srv/app"), Path("srv/lost/deep"), Path("policy")};
  }

  std::string Path(std::string_view name) const {
    return name.starts_with('/') ? std::string(name) : fmt::format("{}/{}", top_, name);
  }

  bool PlanHaproxy(UntrustedView& view) const {
    const InPlaceRule rule = haproxy::MakeRule({.roots = allowed_, .file = ""}, survey_);
    const auto plan = haproxy::PlanRestore(
        view, survey_, rule, {.prefix = std::string(kMember), .scope = RestoreScope()}, {});
    if (!plan) return IsRefusal(plan.error());
    for (const haproxy::Target& target : plan->targets) {
      RequireInside(target.path, target.attributes, haproxy_allowed_);
      if (target.action == haproxy::Target::Action::kRemove) continue;
      Check(haproxy::VisitTarget(
                *plan, rule, view, target,
                [&](const std::string& path, const Attributes& attributes) -> Result<void> {
                  RequireInside(path, attributes, haproxy_allowed_);
                  RequireLinkInside(path, attributes);
                  return {};
                })
                .has_value());
    }
    return !plan->targets.empty();
  }

  bool PlanFiles(UntrustedView& view) const {
    const InPlaceRule rule = files::MakeRule({.roots = allowed_, .file = ""}, files_);
    const auto plan = files::PlanRestore(view, rule, RestoreScope(), {});
    if (!plan) return IsRefusal(plan.error());
    for (const files::Target& target : plan->targets) {
      RequireInside(target.path, target.attributes, files_allowed_);
      for (const std::string& root : target.roots) {
        FUZZ_REQUIRE(RestoreScope::IsWithin(root, target.path));
        RequireInside(root, Attributes{}, files_allowed_);
      }
    }
    return !plan->targets.empty();
  }

 private:
  void Write(const std::string& name, std::string_view text) const {
    Check(WriteFileAtomic(Path(name), AsBytes(text), 0644).has_value());
  }

  static bool IsRefusal(const Error& error) {
    FUZZ_REQUIRE(error.code() != ErrorCode::kInternal && error.code() != ErrorCode::kUnavailable);
    return false;
  }

  // The real path, as the kernel resolves it.
  static std::string Real(const std::string& path) {
    std::error_code failure;
    const auto parent = std::filesystem::weakly_canonical(ParentPath(path), failure);
    FUZZ_REQUIRE(!failure);
    return fmt::format("{}/{}", parent == "/" ? "" : parent.string(), BaseName(path));
  }

  static bool IsInside(const std::string& path, const std::vector<std::string>& allowed) {
    return std::ranges::any_of(
        allowed, [&](const std::string& one) { return RestoreScope::IsWithin(path, one); });
  }

  // Either allowed, or a missing directory above something that is allowed.
  static void RequireInside(const std::string& path, const Attributes& attributes,
                            const std::vector<std::string>& allowed) {
    const std::string real = Real(path);
    FUZZ_REQUIRE(real == path);
    const bool is_file = attributes.type != NodeType::kDirectory;
    // A symlink's mode is never set.
    const bool has_mode = is_file && attributes.type != NodeType::kSymlink;
    FUZZ_REQUIRE(!has_mode || (attributes.mode & (S_ISUID | S_ISGID)) == 0);
    FUZZ_REQUIRE(MayExist(SpecialRights::None(), attributes.type));
    if (IsInside(real, allowed)) return;
    struct stat status {};
    FUZZ_REQUIRE(!is_file && ::lstat(path.c_str(), &status) != 0);
    FUZZ_REQUIRE(std::ranges::any_of(
        allowed, [&](const std::string& one) { return RestoreScope::IsWithin(one, path); }));
  }

  // A symlink leads to nothing that exists and may not be restored.
  void RequireLinkInside(const std::string& path, const Attributes& attributes) const {
    if (attributes.type != NodeType::kSymlink) return;
    std::error_code failure;
    const auto target = std::filesystem::canonical(
        std::filesystem::path(ParentPath(path)) / attributes.link_target, failure);
    FUZZ_REQUIRE(failure || IsInside(target.string(), haproxy_allowed_));
  }

  Result<TempDir> directory_;
  std::string top_;
  haproxy::Settings haproxy_;
  haproxy::Survey survey_;
  files::Settings files_;
  std::vector<std::string> allowed_;
  std::vector<std::string> haproxy_allowed_;
  std::vector<std::string> files_allowed_;
};

NodeType TypeOf(char letter) {
  switch (letter) {
    case 'd':
      return NodeType::kDirectory;
    case 'l':
      return NodeType::kSymlink;
    case 'p':
      return NodeType::kFifo;
    case 'c':
      return NodeType::kCharDevice;
    default:
      return NodeType::kFile;
  }
}

void AddLine(const Node& node, std::string_view line, testing::FakeSnapshotView& view) {
  if (line.size() < 2 || line.size() > kLineBytesMax) return;
  const char letter = line[0];
  std::string_view rest = line.substr(2);
  if (letter == '=') {
    for (const char* detail : {"roots", "certificate_directories", "config_directories"}) {
      view.the_manifest->details[detail].push_back(node.Path(rest));
    }
    return;
  }
  Attributes attributes;
  attributes.type = TypeOf(letter);
  for (; !rest.empty() && rest[0] >= '0' && rest[0] <= '7'; rest.remove_prefix(1)) {
    attributes.mode = (attributes.mode * 8 + static_cast<unsigned>(rest[0] - '0')) & 07777U;
  }
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  if (const std::size_t arrow = rest.find(" -> "); arrow != rest.npos) {
    attributes.link_target = rest.substr(arrow + 4);
    rest = rest.substr(0, arrow);
  }
  attributes.size = attributes.type == NodeType::kFile ? rest.size() : 0;
  for (const std::string_view prefix : {kMember, std::string_view("data")}) {
    testing::FakeSnapshotView::Node& added =
        view.nodes[std::string(prefix) + std::string(WithoutSlashes(node.Path(rest)))];
    added.attributes = attributes;
    added.content = ToBytes(rest);
  }
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET_OF_COST(in_place_plan, 4) {
  using namespace holdfast;
  static const fuzz::Node node;
  testing::FakeSnapshotView snapshot;
  snapshot.the_manifest.emplace();
  std::string_view text = AsText(input);
  for (std::size_t i = 0; i < fuzz::kLinesMax && !text.empty(); ++i) {
    fuzz::AddLine(node, TakePart(text, '\n'), snapshot);
  }
  snapshot.Complete();
  UntrustedView view(snapshot, SpecialRights::None());
  const bool has_haproxy = node.PlanHaproxy(view);
  const bool has_files = node.PlanFiles(view);
  return has_haproxy || has_files;
}
