#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/cli/terminal.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/run_report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

std::string RunListJson(const std::vector<v1::RunView>& runs, bool more) {
  Json document = Document("run list", 0);
  document["runs"] = Json::array();
  for (const v1::RunView& run : runs) document["runs"].push_back(RunHead(run));
  document["more"] = more;
  return Dump(document);
}

class RunListVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddLimit(options, limit_);
    options
        .Add({.names = "--source",
              .metavar = "KIND/NAME[@NODE]",
              .help = "only runs of this source; * allowed",
              .value = &source_})
        .Add({.names = "--running",
              .help = "only runs that have not ended",
              .value = &running_only_});
  }

  Result<int> Run(Session& session) override {
    std::vector<v1::RunView> runs;
    bool more = true;
    while (more && (limit_ == 0 || runs.size() < limit_)) {
      v1::AdminRequest request;
      v1::RunListRequest& list = *request.mutable_run_list();
      list.set_before(runs.empty() ? "" : runs.back().run());
      list.set_limit(limit_ == 0 ? 0 : limit_ - static_cast<std::uint32_t>(runs.size()));
      list.set_source(source_);
      list.set_running_only(running_only_);
      HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kRuns));
      runs.insert(runs.end(), reply.runs().runs().begin(), reply.runs().runs().end());
      more = reply.runs().more();
      if (reply.runs().runs_size() == 0) break;  // an empty page names no next one
    }
    return session.Finish(
        0,
        [&] {
          if (!runs.empty() || more || source_.empty()) {
            return RunListText(runs, more, session.screen());
          }
          return fmt::format("no {}runs of {}\n", running_only_ ? "running " : "",
                             Printable(source_));
        },
        [&] { return RunListJson(runs, more); });
  }

 protected:
  Result<void> CheckOptions() override {
    return source_.empty() ? Result<void>{} : CheckSelector(source_);
  }

 private:
  std::uint32_t limit_ = 50;
  std::string source_;
  bool running_only_ = false;
};

}  // namespace

OperatorVerbEntry RunListEntry() {
  return {.text = {.names = {"run list"},
                   .section = "Follow runs",
                   .summary = "show runs, newest first",
                   .examples =
                       "  holdfast run list\n  holdfast run list --source etcd/main --limit 5\n"},
          .make = MakeOperatorVerb<RunListVerb>};
}

}  // namespace holdfast::cli::cluster
