// Simulates the agents of several nodes in one process, as far as the repository sees them: saves
// the parts of a replicated source and composes them into one snapshot. Stores in files what an
// agent's journal would store, so a killed tool can be resumed.
//
//   compose_tool AGENT_YAML RUN NODE...      the first node saves the data
//
// Prints the snapshot's id, and "was there" or "made".
#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "agent/jobs/backup/held_parts.h"
#include "agent/jobs/parts/compose_job.h"
#include "common/base/format.h"
#include "common/filetree/walker.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::jobs {
namespace {

// A "ring": `data` is common to all members, `own`/NODE belongs to one.
class RingSession final : public BackupSession {
 public:
  RingSession(std::string data, std::string own, std::string node, const BackupSpec& spec)
      : data_(std::move(data)), own_(std::move(own)), node_(std::move(node)), spec_(spec) {}

  Result<void> Prepare(std::stop_token) override {
    if (spec_.scope == BackupScope::kWhole) HF_TRY(Add(data_, "data"));
    return Add(own_ + "/" + node_, "members/" + node_ + "/files");
  }
  Result<void> Cut() override { return {}; }
  Result<std::optional<Item>> Next() override {
    for (; at_ < walkers_.size(); ++at_) {
      HF_ASSIGN(std::optional<Item> item, walkers_[at_]->Next());
      if (item) return item;
    }
    return std::nullopt;
  }
  Result<Manifest> Finish() override {
    Manifest manifest;
    manifest.method = "copy";
    manifest.consistency = "per file";
    return manifest;
  }

 private:
  Result<void> Add(const std::string& root, const std::string& prefix) {
    filetree::WalkOptions options;
    options.roots = {root};
    options.prefix = prefix;
    HF_ASSIGN(auto walker, filetree::Walker::Create(std::move(options)));
    walkers_.push_back(std::move(walker));
    return {};
  }

  std::string data_;
  std::string own_;
  std::string node_;
  BackupSpec spec_;
  std::vector<std::unique_ptr<filetree::Walker>> walkers_;
  std::size_t at_ = 0;
};

class RingSource final : public Source {
 public:
  RingSource(std::string data, std::string own, std::string node)
      : data_(std::move(data)), own_(std::move(own)), node_(std::move(node)) {}
  Result<SourceInfo> Probe(std::stop_token) override { return SourceInfo{}; }
  Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec& spec) override {
    return std::make_unique<RingSession>(data_, own_, node_, spec);
  }

 private:
  std::string data_;
  std::string own_;
  std::string node_;
};

SourceKind RingKind() {
  using config::OptionType;
  SourceKind kind;
  kind.kind = "ring";
  kind.topology = Topology::kReplicated;
  kind.options.options = {
      {.name = "data", .type = OptionType::kPath, .required = true, .help = "what all have"},
      {.name = "own", .type = OptionType::kPath, .required = true, .help = "what one has"}};
  kind.open = [](const SourceContext& context,
                 const config::Values& values) -> Result<std::unique_ptr<Source>> {
    return std::make_unique<RingSource>(values.Text("data"), values.Text("own"), context.node);
  };
  return kind;
}

// One line per part: node, tree, bytes added, bytes stored.
class PartsFile {
 public:
  explicit PartsFile(std::string path) : path_(std::move(path)) {}

  Result<std::vector<ComposeRequest::Part>> Load() {
    std::vector<ComposeRequest::Part> parts;
    std::ifstream file(path_);
    std::string tree;
    for (ComposeRequest::Part part;
         file >> part.node >> tree >> part.bytes_added >> part.bytes_stored;) {
      HF_ASSIGN(part.tree, repository::ParseId(tree));
      parts.push_back(part);
    }
    return parts;
  }
  Result<void> Save(const std::vector<ComposeRequest::Part>& parts) {
    std::string text;
    for (const ComposeRequest::Part& part : parts) {
      text += fmt::format("{} {} {} {}\n", part.node, part.tree.Hex(), part.bytes_added,
                          part.bytes_stored);
    }
    return WriteFileAtomic(path_, AsBytes(text), 0600);
  }

 private:
  std::string path_;
};

class SealedFile final : public SealedJournal {
 public:
  explicit SealedFile(std::string path) : path_(std::move(path)) {}
  Result<std::optional<Bytes>> Recorded() override {
    Result<Bytes> bytes = ReadWholeFile(path_);
    if (!bytes && bytes.error().code() == ErrorCode::kNotFound) return std::nullopt;
    HF_ASSIGN(Bytes sealed, std::move(bytes));
    return sealed;
  }
  Result<void> Record(const ComposedSnapshot&, ByteView sealed) override {
    return WriteFileAtomic(path_, sealed, 0600);
  }

 private:
  std::string path_;
};

class Tool {
 public:
  Tool(AgentSettings settings, std::vector<SourceKind> kinds, std::string run)
      : settings_(std::move(settings)),
        kinds_(std::move(kinds)),
        parts_file_(settings_.state_dir + "/parts"),
        sealed_(settings_.state_dir + "/sealed") {
    context_.settings = &settings_;
    context_.kinds = &kinds_;
    context_.clock = &clock_;
    context_.random = &random_;
    context_.run = std::move(run);
    context_.user = "tester";
    context_.repositories = &pool_;
  }

  Result<void> Run(const std::vector<std::string>& nodes) {
    const auto scope_of = [&](const std::string& node) {
      return node == nodes.front() ? BackupScope::kWhole : BackupScope::kMember;
    };
    HF_TRY(MakeDirectories(settings_.state_dir));
    HF_ASSIGN(std::vector<ComposeRequest::Part> parts, parts_file_.Load());
    std::vector<UncomposedPart> waiting;
    for (const auto& part : parts) waiting.push_back({part.node, "ring/r", "main"});
    std::vector<Error> failed = held_.TakeUp(context_, waiting);
    if (!failed.empty()) return Fail(failed.front());
    for (const std::string& node : nodes) {
      if (std::ranges::count(parts, node, &ComposeRequest::Part::node) > 0) continue;
      HF_ASSIGN(ComposeRequest::Part part, Save(node, scope_of(node)));
      parts.push_back(part);
      HF_TRY(parts_file_.Save(parts));
    }
    for (ComposeRequest::Part& part : parts) part.scope = scope_of(part.node);
    ComposeRequest request{.kind = "ring",
                           .name = "r",
                           .host = settings_.cluster,
                           .note = "",
                           .parts = parts,
                           .lacking = {},
                           .cut_barrier_met = true};
    ComposeReport report = RunCompose(context_, AddressOf(settings_.repositories.at(0)), request,
                                      sealed_, clock_.Now() + std::chrono::minutes(10));
    if (report.error) return Fail(*report.error);
    for (const std::string& node : nodes) (void)held_.Release(node);
    std::cout << report.snapshot.id.Hex()
              << (report.snapshot.was_there ? " was there\n" : " made\n");
    return {};
  }

 private:
  Result<ComposeRequest::Part> Save(const std::string& node, BackupScope scope) {
    settings_.node = node;
    BackupTask task(
        context_,
        {.settings = settings_.FindSource("ring", "r"), .scope = scope, .compose = false});
    HF_TRY(task.Prepare());
    HF_TRY(task.Cut());
    HF_TRY(task.Save());
    const SavedPart& saved = task.saved();
    ComposeRequest::Part part{.node = node,
                              .tree = saved.tree,
                              .scope = scope,
                              .bytes_added = saved.bytes_added,
                              .bytes_stored = saved.bytes_stored};
    held_.Add(node, task.TakePart());
    return part;
  }

  AgentSettings settings_;
  std::vector<SourceKind> kinds_;
  SystemClock clock_;
  SystemRandom random_;
  RepositoryPool pool_;
  JobContext context_;
  PartsFile parts_file_;
  SealedFile sealed_;
  HeldParts held_;
};

Result<void> Main(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) {
    return Fail(ErrorCode::kInvalidArgument, "usage: compose_tool AGENT_YAML RUN NODE...");
  }
  std::vector<SourceKind> kinds = {RingKind()};
  HF_ASSIGN(AgentSettings settings, LoadSettings(arguments[0], {}, SchemasOf(kinds)));
  return Tool(std::move(settings), std::move(kinds), arguments[1])
      .Run({arguments.begin() + 2, arguments.end()});
}

}  // namespace
}  // namespace holdfast::jobs

int main(int argc, char** argv) {
  const auto outcome = holdfast::jobs::Main({argv + 1, argv + argc});
  if (outcome) return 0;
  std::cerr << outcome.error().Text() << "\n";
  return 1;
}
