#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "controller/cli/init_cluster.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

std::string InitClusterText(const InitClusterReport& report) {
  std::string text = fmt::format(
      "created the keys of a new cluster ({}) in {}, valid until {}\n\nWhere the files go:\n",
      report.cluster_id, Printable(report.directory), TimeText(report.expires_ms));
  std::vector<std::pair<std::string, std::string>> places = {
      {"controller/", "to the controller's host, in /etc/holdfast; copy nothing else there"}};
  for (const InitClusterReport::Person& person : report.operators) {
    places.emplace_back("operators/" + person.name + "/",
                        fmt::format("to {}'s machine, in ~/.config/holdfast", person.name));
    places.emplace_back(
        "root/" + person.name + ".key",
        fmt::format("to {}, offline, for example on a USB stick in a safe; it signs who is trusted",
                    person.name));
  }
  text += Aligned(places);
  std::string host;
  for (const InitClusterReport::Placement& one : report.placements) {
    if (one.host != host) {
      host = one.host;
      const bool is_controller = host == "controller";
      text += is_controller ? "\nOn the controller's host, as root, in controller/:\n"
                            : fmt::format("\nOn {0}'s machine, as {0}, in operators/{0}/:\n", host);
    }
    text += fmt::format("  {}\n", one.command);
  }
  text +=
      "\nMove the keys of operators and of root off this machine, and never to the "
      "controller:\nanyone who has them can restore over live data, or change which keys agents "
      "trust.\n\n"
      "Next:\n"
      "  1. on the controller's host:    systemctl enable --now holdfast-controller\n"
      "  2. on an operator's machine:    holdfast status\n"
      "  3. for each node, there:        holdfast agent token NODE > token\n"
      "     and on the node:             holdfast-agent join --token-file token\n"
      "  4. when all have their keys:    remove this directory\n";
  std::vector<std::string> warnings = report.warnings;
  if (!warnings.empty()) text += "\n";
  AddLines(text, "warnings", warnings);
  return text;
}

std::string InitClusterJson(const InitClusterReport& report) {
  Json document = Document("init", 0);
  document["directory"] = report.directory;
  document["cluster_id"] = report.cluster_id;
  document["controller_directory"] = report.controller_directory;
  document["operators"] = Json::array();
  for (const InitClusterReport::Person& person : report.operators) {
    document["operators"].push_back({{"person", person.name},
                                     {"directory", person.directory},
                                     {"root_key_file", person.root_key_file}});
  }
  document["placements"] = Json::array();
  for (const InitClusterReport::Placement& one : report.placements) {
    document["placements"].push_back(
        {{"host", one.host}, {"file", one.file}, {"target", one.target}, {"command", one.command}});
  }
  document["expires"] = TimeOrNull(report.expires_ms);
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

class InitVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    const auto number = [&](const std::string& name, unsigned& value, const std::string& help) {
      options.Add({.names = name, .metavar = "N", .help = help, .value = NumberInto(value)});
    };
    options
        .Add({.names = "--dir",
              .metavar = "DIR",
              .help = "a new directory for all files",
              .value = &options_.directory,
              .is_required = true})
        .Add({.names = "--cluster",
              .metavar = "NAME",
              .help = "the cluster's name",
              .value = &options_.cluster,
              .is_required = true})
        .Add({.names = "--operator",
              .metavar = "PERSON",
              .help = "a person who may sign; repeat it for each",
              .value = &options_.operators,
              .is_required = true})
        .Add({.names = "--host",
              .metavar = "HOST",
              .help = "the controller's host, as agents reach it; default: this one",
              .value = &options_.host});
    number("--root-threshold", options_.root_threshold,
           "how many persons must sign a new root document");
    number("--restore-operators", options_.restore_operators,
           "how many operators must sign a restore to a directory");
    number("--restore-in-place-operators", options_.restore_in_place_operators,
           "how many operators must sign a restore in place");
    number("--days", options_.valid_days,
           "how many days the keys and the document are valid; default 365");
    AddPassphraseFile(options);
    AddNoPassphrase(options);
  }

  Result<int> Run(Session& session) override {
    const OperatorContext& context = session.context();
    InitClusterOptions options = options_;
    if (options.host.empty()) {
      options.host = context.host;
      session.Tell(
          fmt::format("using {} as the controller's host; --host sets another one", options.host));
    }
    if (!no_passphrase_ && passphrase_file().empty() && !context.prompt->is_there()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the keys need a passphrase, but there is no terminal to ask on",
                  "use --passphrase-file FILE, or --no-passphrase for keys that are protected in "
                  "another way");
    }
    if (!no_passphrase_) {
      options.passphrase = [&](const std::string& person) -> Result<Secret> {
        if (!passphrase_file().empty()) return ReadPassphraseFile(passphrase_file());
        return AskNewPassphrase(*context.prompt, person);
      };
    }
    HF_ASSIGN(const InitClusterReport report,
              InitCluster(options, *context.random, *context.clock));
    return session.FinishVerbatim(
        0, [&] { return InitClusterText(report); }, [&] { return InitClusterJson(report); });
  }

 private:
  InitClusterOptions options_;  // except `passphrase`
};

}  // namespace

OperatorVerbEntry InitEntry() {
  return {
      .text = {.names = {"init"},
               .section = "Set up and maintain the cluster",
               .summary = "create a cluster's keys, root document and configuration files",
               .examples =
                   "  holdfast init --dir prod --cluster prod --operator anna\n"
                   "  holdfast init --dir prod --cluster prod --operator anna --operator ben \\\n"
                   "      --host backup-1 --root-threshold 2 --restore-in-place-operators 2\n"},
      .make = MakeOperatorVerb<InitVerb>};
}

}  // namespace holdfast::cli::cluster
