// YAML text as a tree. Every value and key has a location; no duplicate keys, no anchors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast::config {

// One value. Maps keep the file's order.
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

  // The value of a map's key, or null.
  const Node* Find(std::string_view key) const;
  Node* Find(std::string_view key);
  // Replaces or adds a key of a map.
  void Set(std::string_view key, Node value);
};

// "a map", "a list", "text", "nothing": for messages.
std::string_view NodeKindText(Node::Kind kind);

inline constexpr std::size_t kYamlBytesMax = 1U << 20;
inline constexpr std::size_t kYamlDepthMax = 16;

// Reads one YAML document; locations name it `file`. kInvalidArgument "<file>:<line>:<column>: ..."
// for malformed YAML, duplicate keys, anchors, aliases and tags (a small file could expand to a
// huge one), a second document, and texts larger or deeper than the limits above. An empty text is
// kNull.
Result<Node> ParseYaml(std::string_view text, const std::string& file);

inline constexpr std::size_t kForeignYamlBytesMax = 16U << 20;
inline constexpr std::size_t kForeignYamlDepthMax = 64;

// The first document of another program's configuration, to find names in it. The same within these
// limits, except that anchors and tags are accepted, an alias is left empty (its value is at the
// anchor), and keys may be duplicate and need not be text.
Result<Node> ParseForeignYaml(std::string_view text, const std::string& file);

}  // namespace holdfast::config
