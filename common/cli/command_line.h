// The command line of a program: verbs, their options, and the text of --help. Every verb declares
// its options once; parsing, --help and suggestions for mistyped names all come from that
// declaration. CLI11 parses; command_line.cc is the only file that includes it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/result.h"

namespace holdfast::cli {

// Stores the text of an option's value; an error is shown as "--option: message".
using ParseValue = std::function<Result<void>(const std::string& text)>;

struct Option {
  // "--dry-run,-n"; a name without a dash is a positional argument.
  std::string names;
  // Placeholder for the value in --help, e.g. "FILE". Empty for a flag.
  std::string metavar;
  std::string help;
  // Receives the value: a flag sets bool; std::string and ParseValue take one value; a vector takes
  // a repeated option, or several positional arguments. Must outlive parsing.
  std::variant<bool*, std::string*, std::vector<std::string>*, ParseValue> value = {};
  bool is_required = false;
  // For a vector. Only the last positional argument may be a vector.
  std::size_t count_max = SIZE_MAX;
  std::size_t count_min = 0;
};

// A ParseValue for whole numbers up to `max`.
ParseValue NumberInto(std::uint32_t& target, std::uint32_t max = UINT32_MAX);

// A ParseValue for an operator's note on a run or a snapshot.
ParseValue NoteInto(std::string& target);

// The options of one verb, in the order in which --help shows them.
class OptionList {
 public:
  struct Group {
    std::string title;  // empty: the verb's own options
    std::vector<Option> options;
  };

  // An option may be added to several groups: --help shows it in each, and they share its value.
  OptionList& Add(Option option);
  // Options added from now on appear below `title` in --help.
  void BeginGroup(std::string title);
  // Null if no option has this name, e.g. "--to".
  const Option* Find(std::string_view name) const;

  const std::vector<Group>& groups() const { return groups_; }

 private:
  std::vector<Group> groups_ = {{}};
};

// One verb as typed. A new object is created for each command line.
class Verb {
 public:
  Verb() = default;
  virtual ~Verb() = default;
  Verb(const Verb&) = delete;
  Verb& operator=(const Verb&) = delete;
  virtual void Declare(OptionList& /*options*/) {}
  // Lines for --help, between options and examples.
  virtual std::string Notes() const { return ""; }
  // Checks rules between options. Called once, after parsing. Errors get a hint that names --help.
  virtual Result<void> Check() { return {}; }
};

// What --help says about a verb.
struct VerbText {
  // As typed: "ls"; further names are aliases, e.g. "repository ls". The first words of a longer
  // name become a group.
  std::vector<std::string> names;
  std::string section;  // heading in the program's --help; empty: not listed there
  std::string summary;  // one line
  std::string examples;
  // Name in JSON; empty: the first name. Never changes once released.
  std::string json_name;

  const std::string& JsonName() const { return json_name.empty() ? names.front() : json_name; }
};

struct ProgramText {
  std::string name;  // "holdfast-agent"
  std::string summary;
  std::string version;
  std::string examples;
  std::vector<std::pair<std::string, std::string>> groups;  // "repository" -> summary
  // Commands that only another program has, and what to do about them.
  std::vector<std::string> commands_elsewhere;
  std::string elsewhere;  // "is a command of holdfast-agent: run it on the node"
};

struct ParsedCommandLine {
  // Set if the line is valid; `verb` is then an object of registration `index`.
  std::unique_ptr<Verb> verb;
  std::size_t index = 0;
  std::string out;                              // --help, help or --version: text for stdout
  std::optional<Error> mistake = std::nullopt;  // kInvalidArgument, for stderr
  std::string verb_name;                        // for JSON, as far as it was recognised
};

class CommandLine {
 public:
  using MakeVerb = std::function<std::unique_ptr<Verb>()>;

  // `globals` are accepted before, between and after the words of every verb.
  CommandLine(ProgramText program, OptionList globals);
  // Registrations are numbered from 0 in the order of the calls.
  void Add(VerbText text, MakeVerb make);

  // `argv` without the program's name. `width`: columns for --help.
  ParsedCommandLine Parse(const std::vector<std::string>& argv, std::size_t width) const;

  // What --help prints for "repository" or "repository ls"; for the program if `words` is empty.
  // kInvalidArgument for an unknown verb.
  Result<std::string> Help(const std::vector<std::string>& words, std::size_t width) const;

  const std::vector<VerbText>& verbs() const { return texts_; }

 private:
  struct FoundVerb {
    std::optional<std::size_t> index;
    std::string words;              // as typed, e.g. "repository ls"; or a group
    std::vector<std::string> rest;  // argv without these words
    std::optional<Error> mistake;
  };
  FoundVerb FindVerb(const std::vector<std::string>& argv) const;
  std::optional<std::size_t> IndexOf(std::string_view words) const;
  bool IsGroup(std::string_view words) const;
  // Words that may follow `group`; all first words if it is empty.
  std::vector<std::string> WordsAfter(std::string_view group) const;
  Error UnknownCommand(const std::string& group, const std::string& word) const;
  Result<void> ParseOptions(const OptionList& options, const std::vector<std::string>& argv,
                            const std::string& words) const;
  Error HintHelp(Error error, const std::string& words) const;
  std::string ProgramHelp(std::size_t width) const;
  std::string GroupHelp(const std::string& group, std::size_t width) const;
  std::string VerbHelp(std::size_t index, const std::string& words, std::size_t width) const;

  ProgramText program_;
  OptionList globals_;
  std::vector<VerbText> texts_;
  std::vector<MakeVerb> makes_;
};

}  // namespace holdfast::cli
