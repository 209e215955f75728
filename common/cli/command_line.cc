#include "common/cli/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <charconv>
#include <deque>

#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/base/note.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

constexpr std::string_view kExitCodes =
    "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 partly done, 4 refused or busy, "
    "5 service unreachable before anything began, 130 interrupted.";
constexpr std::size_t kHelpWidthMax = 100;
// Columns for names, to the left of their descriptions.
constexpr std::size_t kOptionColumns = 28;
constexpr std::size_t kVerbColumns = 20;

template <typename T>
bool Holds(const Option& option) {
  return std::holds_alternative<T>(option.value);
}

bool IsFlag(const Option& option) { return Holds<bool*>(option); }
bool IsPositional(const Option& option) { return !option.names.starts_with('-'); }
bool IsRepeatable(const Option& option) { return Holds<std::vector<std::string>*>(option); }

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin) parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool HasName(const Option& option, std::string_view name) {
  const std::vector<std::string> names = Split(option.names, ',');
  return std::ranges::find(names, name) != names.end();
}

// "--to" of "--to=DIR".
std::string_view NameIn(std::string_view argument) {
  return argument.substr(0, argument.find('='));
}

// The name in messages: "--to", "SNAPSHOT".
std::string NameOf(const Option& option) {
  return IsPositional(option) ? option.metavar : Split(option.names, ',').front();
}

// Wraps `text` and indents it by `indent` columns. The first line already begins there.
std::string Wrap(std::string_view text, std::size_t indent, std::size_t width) {
  std::string wrapped;
  std::size_t column = indent;
  for (const std::string& word : Split(text, ' ')) {
    if (column > indent && column + 1 + Columns(word) > width) {
      wrapped += "\n" + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) {
      wrapped += ' ';
      ++column;
    }
    wrapped += word;
    column += Columns(word);
  }
  return wrapped + "\n";
}

// "  TERM    description", with the description wrapped below itself.
std::string Row(const std::string& term, std::size_t term_columns, const std::string& description,
                std::size_t width) {
  std::string row = "  " + term;
  if (Columns(row) + 2 > term_columns) {
    row += "\n" + std::string(term_columns, ' ');
  } else {
    row += std::string(term_columns - Columns(row), ' ');
  }
  return row + Wrap(description, term_columns, width);
}

// "-n, --dry-run", "    --to DIR".
std::string Term(const Option& option) {
  if (IsPositional(option)) return option.metavar + (IsRepeatable(option) ? "..." : "");
  std::string short_name;
  std::string long_name;
  for (const std::string& name : Split(option.names, ',')) {
    (name.starts_with("--") ? long_name : short_name) = name;
  }
  std::string term = short_name.empty() ? "    " : short_name + (long_name.empty() ? "" : ", ");
  term += long_name;
  return option.metavar.empty() ? term : term + " " + option.metavar;
}

std::string OptionRows(const std::vector<Option>& options, bool positional, std::size_t width) {
  std::string rows;
  for (const Option& option : options) {
    if (IsPositional(option) == positional)
      rows += Row(Term(option), kOptionColumns, option.help, width);
  }
  return rows;
}

// "SNAPSHOT [PATH]".
std::string UsageOf(const OptionList& options) {
  std::string usage;
  for (const OptionList::Group& group : options.groups()) {
    for (const Option& option : group.options) {
      const bool is_needed = option.is_required || option.count_min > 0;
      if (IsPositional(option)) {
        usage += is_needed ? " " + Term(option) : " [" + Term(option) + "]";
      } else if (is_needed) {
        usage += fmt::format(" {} {}", NameOf(option), option.metavar);
      }
    }
  }
  return usage;
}

std::size_t HelpWidth(std::size_t width) {
  return width == 0 ? 80 : std::clamp<std::size_t>(width, 40, kHelpWidthMax);
}

std::string ExamplesText(const std::string& examples) {
  return examples.empty() ? "" : "\nExamples:\n" + examples;
}

// CLI11 keeps the addresses of the variables that it sets.
struct Parser {
  CLI::App app;
  std::deque<std::vector<std::string>> texts;  // in the order of the options
  std::vector<const Option*> options;
  std::vector<std::string> words;  // positional arguments

  Parser() {
    app.set_help_flag();
    app.add_option("words", words)
        ->expected(0, static_cast<int>(CLI::detail::expected_max_vector_size));
  }

  void Add(const Option& option) {
    if (std::ranges::find(options, option.names, &Option::names) != options.end()) return;
    options.push_back(&option);
    std::vector<std::string>& values = texts.emplace_back();
    if (IsFlag(option)) {
      app.add_flag(
          option.names, [&values](std::int64_t count) { values.assign(count > 0 ? 1 : 0, "true"); },
          option.help);
      return;
    }
    if (IsPositional(option)) return;
    app.add_option(option.names, values, option.help)
        ->expected(1, static_cast<int>(CLI::detail::expected_max_vector_size))
        ->allow_extra_args(false);
  }

  // Assigns words to the positional arguments in order. Returns the words left over.
  std::vector<std::string> ShareOutWords() {
    std::size_t next = 0;
    for (std::size_t i = 0; i < options.size(); ++i) {
      if (!IsPositional(*options[i])) continue;
      const std::size_t count_max = IsRepeatable(*options[i]) ? options[i]->count_max : 1;
      while (next < words.size() && texts[i].size() < count_max) texts[i].push_back(words[next++]);
    }
    return {words.begin() + static_cast<std::ptrdiff_t>(next), words.end()};
  }
};

std::unexpected<Error> Wrong(std::string message) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<void> CheckCount(const Option& option, const std::vector<std::string>& values) {
  const std::string name = NameOf(option);
  if (values.empty() && option.is_required) return Wrong(fmt::format("{} is missing", name));
  if (!IsRepeatable(option)) {
    if (values.size() <= 1) return {};
    return Wrong(fmt::format("{} is given {} times; expected it once", name, values.size()));
  }
  if (values.size() < option.count_min) {
    return Wrong(fmt::format("expected {} of {}, got {}", option.count_min, name, values.size()));
  }
  return {};
}

Result<void> Store(const Option& option, const std::vector<std::string>& values) {
  HF_TRY(CheckCount(option, values));
  if (values.empty()) return {};
  if (bool* const* flag = std::get_if<bool*>(&option.value)) **flag = true;
  if (std::string* const* text = std::get_if<std::string*>(&option.value)) **text = values.front();
  if (IsRepeatable(option)) *std::get<std::vector<std::string>*>(option.value) = values;
  if (const ParseValue* parse = std::get_if<ParseValue>(&option.value)) {
    if (Result<void> parsed = (*parse)(values.front()); !parsed) {
      return Fail(std::move(parsed).error().While(NameOf(option)));
    }
  }
  return {};
}

// CLI11's message in our style: no capital at the beginning, no full stop at the end.
std::string Message(const CLI::ParseError& error) {
  std::string message = error.what();
  std::ranges::replace(message, '\n', ' ');
  while (message.ends_with(' ') || message.ends_with('.')) message.pop_back();
  if (!message.empty() && message[0] >= 'A' && message[0] <= 'Z') {
    message[0] = static_cast<char>(message[0] - 'A' + 'a');
  }
  return message;
}

}  // namespace

ParseValue NumberInto(std::uint32_t& target, std::uint32_t max) {
  return [&target, max](const std::string& text) -> Result<void> {
    const char* end = text.data() + text.size();
    const auto [rest, failure] = std::from_chars(text.data(), end, target);
    if (failure == std::errc() && rest == end && target <= max) return {};
    return Wrong(fmt::format("{}; expected a whole number{}", Quote(text),
                             max == UINT32_MAX ? "" : fmt::format(" of at most {}", max)));
  };
}

ParseValue NoteInto(std::string& target) {
  return [&target](const std::string& text) -> Result<void> {
    if (text.size() > kNoteBytesMax) {
      return Wrong(fmt::format("{} bytes; expected at most {}", text.size(), kNoteBytesMax));
    }
    target = text;
    return {};
  };
}

OptionList& OptionList::Add(Option option) {
  groups_.back().options.push_back(std::move(option));
  return *this;
}

void OptionList::BeginGroup(std::string title) { groups_.push_back({std::move(title), {}}); }

const Option* OptionList::Find(std::string_view name) const {
  for (const Group& group : groups_) {
    for (const Option& option : group.options) {
      if (HasName(option, name)) return &option;
    }
  }
  return nullptr;
}

CommandLine::CommandLine(ProgramText program, OptionList globals)
    : program_(std::move(program)), globals_(std::move(globals)) {}

void CommandLine::Add(VerbText text, MakeVerb make) {
  HF_CHECK(!text.names.empty());
  for (const std::string& name : text.names) HF_CHECK(!IndexOf(name));
  texts_.push_back(std::move(text));
  makes_.push_back(std::move(make));
}

std::optional<std::size_t> CommandLine::IndexOf(std::string_view words) const {
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    if (std::ranges::find(texts_[i].names, words) != texts_[i].names.end()) return i;
  }
  return std::nullopt;
}

std::vector<std::string> CommandLine::WordsAfter(std::string_view group) const {
  const std::string prefix = group.empty() ? "" : std::string(group) + " ";
  std::vector<std::string> words;
  for (const VerbText& text : texts_) {
    for (const std::string& name : text.names) {
      if (!name.starts_with(prefix)) continue;
      const std::string rest = name.substr(prefix.size());
      std::string word = rest.substr(0, rest.find(' '));
      if (std::ranges::find(words, word) == words.end()) words.push_back(std::move(word));
    }
  }
  return words;
}

bool CommandLine::IsGroup(std::string_view words) const { return !WordsAfter(words).empty(); }

Error CommandLine::HintHelp(Error error, const std::string& words) const {
  return std::move(error).WithHint(
      fmt::format("see `{}{}{} --help`", program_.name, words.empty() ? "" : " ", words));
}

Error CommandLine::UnknownCommand(const std::string& group, const std::string& word) const {
  std::string message =
      fmt::format("unknown command {}", Quote(group.empty() ? word : group + " " + word));
  if (group.empty() &&
      std::ranges::find(program_.commands_elsewhere, word) != program_.commands_elsewhere.end()) {
    return Error(ErrorCode::kInvalidArgument, std::move(message))
        .WithHint(fmt::format("{} {}", Quote(word), program_.elsewhere));
  }
  const std::string nearest = FindNearest(word, WordsAfter(group));
  if (!nearest.empty()) {
    message +=
        fmt::format("; did you mean {}?", Quote(group.empty() ? nearest : group + " " + nearest));
  }
  return HintHelp(Error(ErrorCode::kInvalidArgument, std::move(message)), group);
}

CommandLine::FoundVerb CommandLine::FindVerb(const std::vector<std::string>& argv) const {
  FoundVerb found;
  std::string other_option;  // the first one that is not global
  for (std::size_t i = 0; i < argv.size(); ++i) {
    const std::string& argument = argv[i];
    const bool is_option = argument.size() > 1 && argument.starts_with('-');
    if (found.index || is_option) {
      found.rest.push_back(argument);
      if (found.index) continue;
      const Option* option = globals_.Find(NameIn(argument));
      if (option == nullptr && other_option.empty()) other_option = argument;
      const bool takes_next =
          option != nullptr && !IsFlag(*option) && argument.find('=') == std::string::npos;
      if (takes_next && i + 1 < argv.size()) found.rest.push_back(argv[++i]);
      continue;
    }
    const std::string words = found.words.empty() ? argument : found.words + " " + argument;
    found.index = IndexOf(words);
    if (!found.index && !IsGroup(words)) {
      found.mistake = other_option.empty()
                          ? UnknownCommand(found.words, argument)
                          : HintHelp(Error(ErrorCode::kInvalidArgument,
                                           fmt::format("option {} is before the command; expected "
                                                       "it after the command",
                                                       Quote(other_option))),
                                     found.words);
      return found;
    }
    found.words = words;
  }
  return found;
}

Result<void> CommandLine::ParseOptions(const OptionList& options,
                                       const std::vector<std::string>& argv,
                                       const std::string& words) const {
  Parser parser;
  for (const OptionList* list : {&options, &globals_}) {
    for (const OptionList::Group& group : list->groups()) {
      for (const Option& option : group.options) parser.Add(option);
    }
  }
  try {
    parser.app.parse(std::vector<std::string>(argv.rbegin(), argv.rend()));  // reversed for CLI11
  } catch (const CLI::ExtrasError&) {
    const std::string extra = parser.app.remaining().front();
    std::string message = fmt::format("unknown option {}", Quote(extra));
    std::vector<std::string> known = {"--help"};
    for (const Option* option : parser.options) {
      for (std::string& name : Split(option->names, ',')) known.push_back(std::move(name));
    }
    message = WithSuggestion(std::move(message), NameIn(extra), known);
    return Fail(HintHelp(Error(ErrorCode::kInvalidArgument, std::move(message)), words));
  } catch (const CLI::ArgumentMismatch& error) {
    // CLI11's message begins with the option's name.
    const std::string message = error.what();
    const std::string name = message.substr(0, message.find(':'));
    const auto option = std::ranges::find_if(
        parser.options, [&](const Option* one) { return HasName(*one, name); });
    if (option == parser.options.end()) {
      return Fail(HintHelp(Error(ErrorCode::kInvalidArgument, Message(error)), words));
    }
    return Fail(HintHelp(Error(ErrorCode::kInvalidArgument,
                               fmt::format("{} needs a value: {}", name, (*option)->metavar)),
                         words));
  } catch (const CLI::ParseError& error) {
    return Fail(HintHelp(Error(ErrorCode::kInvalidArgument, Message(error)), words));
  }
  if (const std::vector<std::string> extra = parser.ShareOutWords(); !extra.empty()) {
    return Fail(HintHelp(Error(ErrorCode::kInvalidArgument,
                               fmt::format("unexpected argument {}", Quote(extra.front()))),
                         words));
  }
  for (std::size_t i = 0; i < parser.options.size(); ++i) {
    if (Result<void> stored = Store(*parser.options[i], parser.texts[i]); !stored) {
      return Fail(HintHelp(std::move(stored).error(), words));
    }
  }
  return {};
}

ParsedCommandLine CommandLine::Parse(const std::vector<std::string>& argv,
                                     std::size_t width) const {
  ParsedCommandLine parsed;
  const auto has = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::any_of(argv, [&](const std::string& argument) {
      return std::ranges::find(names, argument) != names.end();
    });
  };
  if (!argv.empty() && argv.front() == "help") {
    std::vector<std::string> words;
    for (std::size_t i = 1; i < argv.size(); ++i) {
      if (!argv[i].starts_with('-')) words.push_back(argv[i]);
    }
    Result<std::string> help = Help(words, width);
    if (help) {
      parsed.out = *std::move(help);
    } else {
      parsed.mistake = std::move(help).error();
    }
    return parsed;
  }
  FoundVerb found = FindVerb(argv);
  parsed.verb_name = found.index ? texts_[*found.index].JsonName() : found.words;
  if (found.mistake) {
    parsed.mistake = std::move(found.mistake);
    return parsed;
  }
  if (has({"--help", "-h"})) {
    parsed.out = found.index           ? VerbHelp(*found.index, found.words, width)
                 : found.words.empty() ? ProgramHelp(width)
                                       : GroupHelp(found.words, width);
    return parsed;
  }
  if (!found.index) {
    if (has({"--version"})) {
      parsed.out = fmt::format("{} {}\n", program_.name, program_.version);
      return parsed;
    }
    // Report an unknown option rather than the missing command.
    const auto unknown = std::ranges::find_if(found.rest, [&](const std::string& argument) {
      return argument.starts_with('-') && globals_.Find(NameIn(argument)) == nullptr;
    });
    std::string message =
        found.words.empty() ? "no command" : fmt::format("no command after {}", Quote(found.words));
    if (unknown != found.rest.end()) message = "unknown option " + Quote(*unknown);
    parsed.mistake = HintHelp(Error(ErrorCode::kInvalidArgument, std::move(message)), found.words);
    return parsed;
  }
  std::unique_ptr<Verb> verb = makes_[*found.index]();
  OptionList options;
  verb->Declare(options);
  Result<void> checked = ParseOptions(options, found.rest, found.words);
  if (checked) checked = verb->Check();
  if (!checked) {
    parsed.mistake = HintHelp(std::move(checked).error(), found.words);
    return parsed;
  }
  parsed.verb = std::move(verb);
  parsed.index = *found.index;
  return parsed;
}

Result<std::string> CommandLine::Help(const std::vector<std::string>& words,
                                      std::size_t width) const {
  std::string name;
  for (const std::string& word : words) {
    const std::string longer = name.empty() ? word : name + " " + word;
    if (!IndexOf(longer) && !IsGroup(longer)) return Fail(UnknownCommand(name, word));
    name = longer;
  }
  if (name.empty()) return ProgramHelp(width);
  if (const auto index = IndexOf(name)) return VerbHelp(*index, name, width);
  return GroupHelp(name, width);
}

std::string CommandLine::ProgramHelp(std::size_t width) const {
  width = HelpWidth(width);
  std::string help = Wrap(program_.summary, 0, width);
  help += fmt::format("\nUsage: {} [GLOBAL OPTIONS] COMMAND [OPTIONS]\n", program_.name);
  std::vector<std::string> sections;
  for (const VerbText& text : texts_) {
    if (std::ranges::find(sections, text.section) == sections.end() && !text.section.empty()) {
      sections.push_back(text.section);
    }
  }
  for (const std::string& section : sections) {
    help += fmt::format("\n{}:\n", section);
    for (const VerbText& text : texts_) {
      if (text.section == section)
        help += Row(text.names.front(), kVerbColumns, text.summary, width);
    }
  }
  help += "\nGlobal options, before or after the command:\n";
  for (const OptionList::Group& group : globals_.groups()) {
    help += OptionRows(group.options, /*positional=*/false, width);
  }
  help += Row("-h, --help", kOptionColumns,
              "show this text; with a command: its options and examples", width);
  help += Row("    --version", kOptionColumns, "show the version", width);
  help += ExamplesText(program_.examples);
  help += fmt::format("\n`{} help COMMAND` explains one command.\n\n", program_.name);
  return help + Wrap(kExitCodes, 0, width);
}

std::string CommandLine::GroupHelp(const std::string& group, std::size_t width) const {
  width = HelpWidth(width);
  std::string help;
  for (const auto& [name, summary] : program_.groups) {
    if (name == group) help = Wrap(summary, 0, width) + "\n";
  }
  help += fmt::format("Usage: {} {} COMMAND [OPTIONS]\n\nCommands:\n", program_.name, group);
  for (const VerbText& text : texts_) {
    for (const std::string& name : text.names) {
      if (name.starts_with(group + " ")) help += Row(name, kOptionColumns, text.summary, width);
    }
  }
  return help + fmt::format("\nSee `{} {} COMMAND --help`.\n", program_.name, group);
}

std::string CommandLine::VerbHelp(std::size_t index, const std::string& words,
                                  std::size_t width) const {
  width = HelpWidth(width);
  const VerbText& text = texts_[index];
  const std::unique_ptr<Verb> verb = makes_[index]();
  OptionList options;
  verb->Declare(options);
  std::string help = Wrap(text.summary, 0, width);
  const std::string usage =
      fmt::format("Usage: {} {} [OPTIONS]{}", program_.name, words, UsageOf(options));
  help += "\n" + Wrap(usage, 0, width);
  for (const std::string& name : text.names) {
    if (name != words) help += fmt::format("Also:  {} {}\n", program_.name, name);
  }
  std::string arguments;
  std::string sections;
  for (const OptionList::Group& group : options.groups()) {
    arguments += OptionRows(group.options, /*positional=*/true, width);
    const std::string rows = OptionRows(group.options, /*positional=*/false, width);
    if (rows.empty()) continue;
    const std::string title = group.title.empty() ? "Options" : group.title;
    sections += "\n" + Wrap(title + ":", 0, width) + rows;
  }
  if (!arguments.empty()) help += "\nArguments:\n" + arguments;
  help += sections + "\nGlobal options:\n";
  for (const OptionList::Group& group : globals_.groups()) {
    help += OptionRows(group.options, /*positional=*/false, width);
  }
  if (const std::string notes = verb->Notes(); !notes.empty()) help += "\n" + notes;
  return help + ExamplesText(text.examples) + "\n" + Wrap(kExitCodes, 0, width);
}

}  // namespace holdfast::cli
