#include <string>
#include <string_view>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/key_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string KeyChangeText(const jobs::KeyChangeReport& report) {
  std::string text;
  const std::string label = Printable(report.repository);
  if (!report.added.IsZero()) {
    text += fmt::format("{}: added key {}\n", label, ShortId(report.added.Hex()));
  }
  if (!report.removed.IsZero()) {
    text += fmt::format("{}: removed key {}; its password no longer opens the repository\n", label,
                        ShortId(report.removed.Hex()));
  }
  if (report.password_file.empty()) return text;
  text += fmt::format("  {} password: {}\n", report.password_generated ? "its new random" : "its",
                      Printable(report.password_file));
  if (!report.added.IsZero() && !report.removed.IsZero()) {
    text +=
        "  Give this file to the other nodes that use the repository, and keep a copy somewhere "
        "else.\n";
  }
  return text;
}

std::string KeyChangeJson(const jobs::KeyChangeReport& report, std::string_view verb) {
  Json document = Document(verb, 0);
  document["repository"] = report.repository;
  document["added"] = report.added.IsZero() ? Json() : Json(report.added.Hex());
  document["removed"] = report.removed.IsZero() ? Json() : Json(report.removed.Hex());
  document["password_file"] = OrNull(report.password_file);
  document["password_made"] = report.password_generated;
  return Dump(document);
}

// Base of the three verbs that change keys.
class KeyChangeVerb : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    if (!new_password_file_.empty()) {
      HF_ASSIGN(new_password_file_, AbsolutePath(new_password_file_));
    }
    HF_ASSIGN(const jobs::KeyChangeReport report, Change(program.job(), repository));
    return program.Finish(
        kExitDone, [&] { return KeyChangeText(report); },
        [&] { return KeyChangeJson(report, program.verb_name()); });
  }

 protected:
  virtual Result<jobs::KeyChangeReport> Change(const jobs::JobContext& job,
                                               const jobs::RepositoryAddress& repository) = 0;

  std::string new_password_file_;
};

class KeyAddVerb final : public KeyChangeVerb {
 public:
  using KeyChangeVerb::KeyChangeVerb;

  void Declare(OptionList& options) override {
    AddRepositoryChoice(options);
    options.Add(
        {.names = "--new-password-file",
         .metavar = "FILE",
         .help = "the new password's file; created with a random password if it does not exist",
         .value = &new_password_file_,
         .is_required = true});
    AddRetryLock(options);
  }

  bool stays_root() const override { return true; }

 private:
  Result<jobs::KeyChangeReport> Change(const jobs::JobContext& job,
                                       const jobs::RepositoryAddress& repository) override {
    return jobs::RunKeyAdd(job, repository, new_password_file_);
  }
};

class KeyPasswdVerb final : public KeyChangeVerb {
 public:
  using KeyChangeVerb::KeyChangeVerb;

  void Declare(OptionList& options) override {
    AddRepositoryChoice(options);
    options.Add({.names = "--new-password-file",
                 .metavar = "FILE",
                 .help = "the new password's file; default: a random password",
                 .value = &new_password_file_});
    AddRetryLock(options);
  }

  bool stays_root() const override { return true; }

 private:
  Result<jobs::KeyChangeReport> Change(const jobs::JobContext& job,
                                       const jobs::RepositoryAddress& repository) override {
    return jobs::RunKeyPasswd(job, repository, new_password_file_);
  }
};

class KeyRemoveVerb final : public KeyChangeVerb {
 public:
  using KeyChangeVerb::KeyChangeVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "key",
                 .metavar = "KEY",
                 .help = "the beginning of its id",
                 .value = &key_,
                 .is_required = true});
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

 private:
  Result<jobs::KeyChangeReport> Change(const jobs::JobContext& job,
                                       const jobs::RepositoryAddress& repository) override {
    return jobs::RunKeyRemove(job, repository, key_);
  }

  std::string key_;
};

}  // namespace

VerbEntry KeyAddEntry() {
  return {
      .text =
          {.names = {"key add", "repository key add"},
           .section = "Repository",
           .summary = "add a key, so that another password opens the repository too",
           .examples =
               "  holdfast-agent key add --new-password-file /etc/holdfast/emergency-password\n",
           .json_name = "repository key add"},
      .make = MakeVerb<KeyAddVerb>};
}

VerbEntry KeyPasswdEntry() {
  return {.text = {.names = {"key passwd", "repository key passwd"},
                   .section = "Repository",
                   .summary = "replace the current password, also in the password file",
                   .examples = "  holdfast-agent key passwd\n"
                               "  holdfast-agent key passwd --new-password-file new-password\n",
                   .json_name = "repository key passwd"},
          .make = MakeVerb<KeyPasswdVerb>};
}

VerbEntry KeyRemoveEntry() {
  return {.text = {.names = {"key remove", "repository key remove"},
                   .section = "Repository",
                   .summary = "remove a key, so that its password no longer opens the repository",
                   .examples = "  holdfast-agent key list\n"
                               "  holdfast-agent key remove 3fa2b1c4\n",
                   .json_name = "repository key remove"},
          .make = MakeVerb<KeyRemoveVerb>};
}

}  // namespace holdfast::cli
