// A verb of holdfast, the operators' program, and options that several verbs share. Each verb is
// one file in verbs/, with its options, work, text and JSON. verbs/all_verbs.cc lists them.
//
// This room is the command line of operators. Start with program.h; session.h is one run,
// connection.h its connection to the controller, and signing.h shows and signs an order. It does
// not trust the controller: draft_check.h and restore_checks.h compare every draft with the request
// before it is signed. It links no source: kind_table.h has their declarations.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/cli/command_line.h"

namespace holdfast::cli {

class Session;

// Options that may be anywhere on the command line.
struct OperatorGlobals {
  std::string config;      // empty: HOLDFAST_CONFIG, or the default
  std::string controller;  // empty: from cli.yaml
  bool json = false;
  bool yes = false;
};

class OperatorVerb : public Verb {
 public:
  // Returns the exit code, or the error that prevented a report.
  virtual Result<int> Run(Session& session) = 0;

  bool no_wait() const { return no_wait_; }
  const std::string& passphrase_file() const { return passphrase_file_; }

  Result<void> Check() final;

 protected:
  // Rules between the verb's own options. Called by Check().
  virtual Result<void> CheckOptions() { return {}; }

  // A positional argument that is required, e.g. NODE.
  static void AddName(OptionList& options, std::string& name, const std::string& metavar,
                      const std::string& help);
  static void AddRun(OptionList& options, std::string& run);
  static void AddDraft(OptionList& options, std::string& draft);
  // `more` is appended to the help.
  static void AddSnapshot(OptionList& options, std::string& snapshot, const std::string& more = "");
  // --limit, 0 for all; `limit` holds the default.
  static void AddLimit(OptionList& options, std::uint32_t& limit);
  // Positional sources, any number; `help` says what happens without any.
  void AddSelectors(OptionList& options, const std::string& help);
  void AddNote(OptionList& options, const std::string& help);
  void AddNoWait(OptionList& options);
  void AddPassphraseFile(OptionList& options);
  void AddNoPassphrase(OptionList& options);

  std::vector<std::string> selectors_;
  std::string note_;
  bool no_passphrase_ = false;

 private:
  bool no_wait_ = false;
  std::string passphrase_file_;
};

// A verb's entry in the list of verbs/all_verbs.cc.
struct OperatorVerbEntry {
  VerbText text;
  std::unique_ptr<OperatorVerb> (*make)() = nullptr;
};

template <typename T>
std::unique_ptr<OperatorVerb> MakeOperatorVerb() {
  return std::make_unique<T>();
}

// What `latest` accepts besides complete and valid snapshots.
struct LatestOptions {
  bool allow_partial = false;
  bool allow_invalid = false;

  // `invalid_too` says what else --allow-invalid does.
  void Declare(OptionList& options, const std::string& invalid_too = "");
};

// kInvalidArgument with `message`.
std::unexpected<Error> WrongUsage(std::string message);
// kInvalidArgument unless it is "*", kind/name or kind/name@node.
Result<void> CheckSelector(const std::string& selector);
// kInvalidArgument unless it can name a snapshot.
Result<void> CheckSnapshotName(const std::string& name);

}  // namespace holdfast::cli
