#include "common/config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "common/base/format.h"
#include "common/config/yaml_fault.h"

namespace holdfast::config {
namespace {

// Builds the tree from the parser's events. yaml-cpp's own nodes keep duplicate keys and follow
// aliases, so they are not used. Ignores events after the first error.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string file, std::string_view text, bool is_foreign)
      : file_(std::move(file)), text_(text), is_foreign_(is_foreign) {}

  std::optional<Error> TakeError() { return std::exchange(error_, std::nullopt); }
  Node TakeRoot() { return std::move(root_); }
  Location At(const YAML::Mark& mark) const {
    if (mark.is_null()) return {file_, 1, 1};
    return {file_, mark.line + 1, mark.column + 1};
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (!is_foreign_) return RefuseAnchor(mark);
    Node node;
    node.location = At(mark);
    Attach(std::move(node));
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (anchor != YAML::NullAnchor && !is_foreign_) RefuseAnchor(mark);
    Node node;
    node.location = At(mark);
    Attach(std::move(node));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag, anchor);
    CheckQuote(mark);
    Node node;
    node.kind = Node::Kind::kScalar;
    node.location = At(mark);
    node.scalar = value;
    if (value.find('\0') != std::string::npos) {
      Refuse(node.location, "a NUL character; expected text without it");
    }
    Attach(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Begin(mark, tag, anchor, Node::Kind::kSequence);
  }
  void OnSequenceEnd() override { End(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Begin(mark, tag, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { End(); }

 private:
  struct Frame {
    Node node;
    std::optional<Node::Key> key;  // read; its value follows
    std::map<std::string, Location, std::less<>> seen;
  };

  void Refuse(const Location& location, std::string_view message, std::string hint = "") {
    if (error_) return;
    Error error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", location.Text(), message));
    error_ = std::move(error).WithHint(std::move(hint));
  }
  void RefuseAnchor(const YAML::Mark& mark) {
    Refuse(At(mark), "an anchor or alias; expected the value itself",
           "put a value that begins with \"&\" or \"*\" in quotes");
  }
  // The parser treats the end of the text as the missing quote.
  void CheckQuote(const YAML::Mark& mark) {
    const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
    if (is_foreign_ || at >= text_.size() || (text_[at] != '"' && text_[at] != '\'')) return;
    if (EndOfQuoted(text_, at) != text_.npos) return;
    Refuse(At(mark), "this quote is never closed", "close it at the end of the value");
  }
  void CheckTag(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (is_foreign_) return;
    if (anchor != YAML::NullAnchor) RefuseAnchor(mark);
    // The parser reports "?" and "!" for plain and quoted values without a tag.
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(At(mark), fmt::format("a tag {}; expected a value without one", Quote(tag)),
             "put a value that begins with \"!\" in quotes");
    }
  }

  void Begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
             Node::Kind kind) {
    CheckTag(mark, tag, anchor);
    const std::size_t depth_max = is_foreign_ ? kForeignYamlDepthMax : kYamlDepthMax;
    if (frames_.size() >= depth_max) {
      Refuse(At(mark), fmt::format("nested deeper than {} levels", depth_max));
    }
    if (error_) return;
    Frame frame;
    frame.node.kind = kind;
    frame.node.location = At(mark);
    frames_.push_back(std::move(frame));
  }

  void End() {
    if (error_) return;
    Node node = std::move(frames_.back().node);
    frames_.pop_back();
    Attach(std::move(node));
  }

  void Attach(Node node) {
    if (error_) return;
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& parent = frames_.back();
    if (parent.node.kind == Node::Kind::kMap) {
      if (!parent.key) return TakeKey(parent, std::move(node));
      parent.node.keys.push_back(*std::exchange(parent.key, std::nullopt));
    }
    parent.node.items.push_back(std::move(node));
  }

  void TakeKey(Frame& parent, Node node) {
    if (is_foreign_) {
      parent.key = Node::Key{std::move(node.scalar), std::move(node.location)};
      return;
    }
    if (node.kind != Node::Kind::kScalar) {
      return Refuse(node.location,
                    fmt::format("{} as a key; expected a name", NodeKindText(node.kind)));
    }
    auto [first, is_new] = parent.seen.try_emplace(node.scalar, node.location);
    if (!is_new) {
      return Refuse(node.location,
                    fmt::format("duplicate key {}, first at {}; expected it once",
                                Quote(node.scalar), first->second.Text()),
                    "remove one of the two, or give it another name");
    }
    parent.key = Node::Key{std::move(node.scalar), std::move(node.location)};
  }

  std::string file_;
  std::string_view text_;
  bool is_foreign_;
  std::vector<Frame> frames_;
  Node root_;
  std::optional<Error> error_;
};

// Drops everything; only detects another document.
class NoDocument final : public YAML::EventHandler {
 public:
  std::optional<YAML::Mark> found;
  void OnDocumentStart(const YAML::Mark& mark) override { found = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

}  // namespace

const Node* Node::Find(std::string_view key) const {
  auto found = std::ranges::find(keys, key, &Key::name);
  return found == keys.end() ? nullptr : &items[static_cast<std::size_t>(found - keys.begin())];
}

Node* Node::Find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).Find(key)); }

void Node::Set(std::string_view key, Node value) {
  if (Node* present = Find(key)) {
    *present = std::move(value);
    return;
  }
  keys.push_back({std::string(key), value.location});
  items.push_back(std::move(value));
}

std::string_view NodeKindText(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return "text";
    case Node::Kind::kSequence:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
  }
  return "something else";
}

namespace {

Result<Node> Parse(std::string_view text, const std::string& file, bool is_foreign) {
  const std::size_t bytes_max = is_foreign ? kForeignYamlBytesMax : kYamlBytesMax;
  if (text.size() > bytes_max) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: {} long; expected at most {}", file, FormatBytes(text.size()),
                            FormatBytes(bytes_max)));
  }
  TreeBuilder builder(file, text, is_foreign);
  try {
    std::istringstream input{std::string(text)};
    YAML::Parser parser(input);
    (void)parser.HandleNextDocument(builder);  // false: an empty text, which is kNull
    if (std::optional<Error> error = builder.TakeError()) return Fail(*std::move(error));
    NoDocument rest;
    if (!is_foreign && parser.HandleNextDocument(rest) && rest.found) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: a second document; expected one",
                                                           builder.At(*rest.found).Text()));
    }
  } catch (const YAML::Exception& error) {
    if (std::optional<Error> own = builder.TakeError()) return Fail(*std::move(own));
    const Location stopped = builder.At(error.mark);
    YamlFault fault = ExplainYamlFault(text, stopped.line, stopped.column, error.msg);
    const Location where{file, fault.line, fault.column};
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", where.Text(), fault.cause),
                std::move(fault.fix));
  }
  return builder.TakeRoot();
}

}  // namespace

Result<Node> ParseYaml(std::string_view text, const std::string& file) {
  return Parse(text, file, false);
}

Result<Node> ParseForeignYaml(std::string_view text, const std::string& file) {
  return Parse(text, file, true);
}

}  // namespace holdfast::config
