#include "common/repository/format/large_tree.h"

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::repository {

void GrowingTree::Add(std::string_view text) {
  hash_.Update(AsBytes(text));
  frame_.Add(AsBytes(text));
  bytes_ += text.size();
}

GrowingTree::Finished GrowingTree::Finish() {
  return {Id{hash_.Finish()}, bytes_, frame_.Finish()};
}

Bytes GrowingTree::TakeText() {
  const RawBuffer frame = frame_.Finish();
  Bytes text(bytes_);
  HF_CHECK(
      Decompressor().DecompressInto(frame.view().subspan(crypto::kSealIvBytes), text).has_value());
  return text;
}

std::unexpected<Error> TreeSplitter::Bad() const {
  return Fail(ErrorCode::kCorrupt, fmt::format("bad JSON at byte {}: not a list of nodes", at_));
}

Result<void> TreeSplitter::Add(ByteView piece, const Visit& visit) {
  std::string_view text = AsText(piece);
  while (!text.empty()) {
    if (state_ == State::kInNode && is_in_text_ && !is_escaped_) {  // the usual case
      const std::size_t plain = std::min(text.find('"'), text.size());
      const std::size_t count = std::min(text.substr(0, plain).find('\\'), plain);
      text_ += text.substr(0, count);
      text.remove_prefix(count);
      at_ += count;
      if (text.empty()) break;
    }
    const char c = text.front();
    text.remove_prefix(1);
    ++at_;
    if (state_ != State::kInNode) {
      HF_TRY(Take(c));
      continue;
    }
    text_ += c;
    if (!EndsNested(c)) continue;
    state_ = State::kAfterNode;
    HF_TRY(visit(text_));
    text_.clear();
  }
  return {};
}

bool TreeSplitter::EndsText(char c) {
  if (is_escaped_) {
    is_escaped_ = false;
  } else if (c == '\\') {
    is_escaped_ = true;
  } else {
    return c == '"';
  }
  return false;
}

bool TreeSplitter::EndsNested(char c) {
  if (is_in_text_) {
    if (EndsText(c)) is_in_text_ = false;
    return false;
  }
  switch (c) {
    case '"':
      is_in_text_ = true;
      return false;
    case '{':
    case '[':
      ++depth_;
      return false;
    case '}':
    case ']':
      return --depth_ == 0;
    default:
      return false;
  }
}

// The first character of a field's value.
void TreeSplitter::BeginValue(char c) {
  if (text_ == "nodes" && (c == '[' || c == 'n')) {
    has_nodes_ = true;
    state_ = c == '[' ? State::kFirstNode : State::kScalar;
  } else if (c == '{' || c == '[') {
    depth_ = 1;
    state_ = State::kSkipped;
  } else {
    state_ = c == '"' ? State::kText : State::kScalar;
  }
  text_.clear();
}

Result<void> TreeSplitter::Take(char c) {
  const bool is_space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
  switch (state_) {
    case State::kName:
      if (EndsText(c)) {
        state_ = State::kColon;
      } else {
        text_ += c;
      }
      return {};
    case State::kText:
      if (EndsText(c)) state_ = State::kNext;
      return {};
    case State::kSkipped:
      if (EndsNested(c)) state_ = State::kNext;
      return {};
    case State::kScalar:
      if (c != ',' && c != '}' && !is_space) return {};
      state_ = State::kNext;
      break;
    default:
      break;
  }
  if (is_space) return {};
  switch (state_) {
    case State::kBegin:
      if (c != '{') return Bad();
      state_ = State::kField;
      return {};
    case State::kField:
      if (c == '}' && !needs_field_) {
        state_ = State::kEnd;
        return {};
      }
      if (c != '"') return Bad();
      state_ = State::kName;
      return {};
    case State::kColon:
      if (c != ':') return Bad();
      state_ = State::kValue;
      return {};
    case State::kValue:
      BeginValue(c);
      return {};
    case State::kNext:
      if (c != ',' && c != '}') return Bad();
      needs_field_ = c == ',';
      state_ = c == ',' ? State::kField : State::kEnd;
      return {};
    case State::kFirstNode:
    case State::kNode:
      if (c == ']' && state_ == State::kFirstNode) {
        state_ = State::kNext;
        return {};
      }
      if (c != '{') return Bad();
      text_ = c;
      depth_ = 1;
      state_ = State::kInNode;
      return {};
    case State::kAfterNode:
      if (c != ',' && c != ']') return Bad();
      state_ = c == ',' ? State::kNode : State::kNext;
      return {};
    default:
      return Bad();  // after the end
  }
}

Result<void> TreeSplitter::Finish() const {
  if (state_ == State::kEnd && has_nodes_) return {};
  return Fail(ErrorCode::kCorrupt,
              state_ == State::kEnd ? "no field \"nodes\"" : "the JSON is cut short");
}

}  // namespace holdfast::repository
