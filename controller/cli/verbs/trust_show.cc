#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/trust/orders.h"
#include "common/trust/root_document.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/pinned_root.h"
#include "controller/cli/report.h"
#include "controller/cli/root_change.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

std::string TrustText(const v1::RootDocument& document, WallTime now, Screen screen) {
  const bool has_expired = trust::UnixMilliseconds(now) > document.expires_at_ms();
  std::vector<std::pair<std::string, std::string>> words = {
      {"cluster", fmt::format("{} ({})", document.cluster(), document.cluster_id())},
      {"version", fmt::format("{}, epoch {}", document.version(), document.epoch())},
      {"valid", fmt::format("{} to {}{}", TimeText(document.issued_at_ms()),
                            TimeText(document.expires_at_ms()),
                            has_expired ? ": EXPIRED, agents accept no orders" : "")},
      {"bus key", BusKeyText(document)},
      {"to change it", FormatCount(document.root_threshold(), "person") + " with root keys"},
  };
  for (const v1::Threshold& threshold : document.thresholds()) {
    words.emplace_back(trust::OrderKindText(threshold.kind()),
                       FormatCount(threshold.operators(), "operator"));
  }
  Rows rows;
  for (const v1::RoleKey& key : document.keys()) {
    auto public_key = crypto::PublicKeyFromBytes(AsBytes(key.public_key()));
    rows.push_back({std::string(trust::RoleText(key.role())), key.person(),
                    public_key ? crypto::ShortKeyId(crypto::KeyIdOf(*public_key)) : "",
                    TimeText(key.not_before_ms()), TimeText(key.not_after_ms())});
  }
  return Aligned(words) + "\n" +
         FormatTable({{.title = "ROLE"},
                      {.title = "PERSON", .is_flexible = true},
                      {.title = "KEY", .drop_rank = 1},
                      {.title = "FROM", .drop_rank = 3},
                      {.title = "UNTIL", .drop_rank = 2}},
                     rows, screen);
}

std::string TrustJson(const v1::RootDocument& document, WallTime now) {
  Json shown = Document("trust show", 0);
  shown.update(RootObject(document));
  shown["expired"] = trust::UnixMilliseconds(now) > document.expires_at_ms();
  return Dump(shown);
}

class TrustShowVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    options.Add({.names = "--base",
                 .metavar = "FILE",
                 .help =
                     "a successor of the pinned document, without asking the controller; may be "
                     "repeated",
                 .value = &bases_});
  }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const trust::RootDocument root, CurrentRoot(session, bases_));
    return session.Finish(
        kExitDone, [&] { return TrustText(root.document(), session.now(), session.screen()); },
        [&] { return TrustJson(root.document(), session.now()); });
  }

 private:
  std::vector<std::string> bases_;
};

}  // namespace

OperatorVerbEntry TrustShowEntry() {
  return {
      .text = {.names = {"trust show"},
               .section = "Set up and maintain the cluster",
               .summary = "show the persons, their roles and keys",
               .examples = "  holdfast trust show\n  holdfast trust show --base root.holdfast\n"},
      .make = MakeOperatorVerb<TrustShowVerb>};
}

}  // namespace holdfast::cli::cluster
