// A YAML text as a tree of our own: every value and key with its place, no key twice, no anchors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::config {

// One value. A plain value type; maps keep the file's order.
struct Node {
  enum class Kind : std::uint8_t { kNull, kScalar, kSequence, kMap };
  struct Key {
    std::string name;
    Location location;
  };

  Kind kind = Kind::kNull;
  Location location;
  bool from_environment = false;  // set by an environment variable, not by the file
  std::string scalar;             // kScalar
  std::vector<Key> keys;          // kMap: keys[i] names items[i]
  std::vector<Node> items;        // kSequence and kMap

  // The value of a map's key, null where there is none.
  const Node* Find(std::string_view key) const;
  Node* Find(std::string_view key);
  // Replaces or adds a key of a map.
  void Set(std::string_view key, Node value);
};

// "a map", "a list", "text", "nothing": for messages.
std::string_view NodeKindText(Node::Kind kind);

inline constexpr std::size_t kYamlBytesMax = 1U << 20;
inline constexpr std::size_t kYamlDepthMax = 16;

// Reads one YAML document; `file` is the name that locations show. kInvalidArgument
// "<file>:<line>:<column>: ..." for what is no YAML, a key that stands twice, anchors, aliases and
// tags (which would let a small file mean a huge one), a second document, and texts larger or
// deeper than the limits above. An empty text is kNull.
Result<Node> ParseYaml(std::string_view text, const std::string& file);

inline constexpr std::size_t kForeignYamlBytesMax = 16U << 20;
inline constexpr std::size_t kForeignYamlDepthMax = 64;

// The first document of another program's configuration, to look for what it names: the same within
// these limits, but anchors and tags pass, what an alias stands for is left out (it is seen where
// its anchor is), keys may stand twice and need not be text.
Result<Node> ParseForeignYaml(std::string_view text, const std::string& file);

}  // namespace holdfast::config
