// A small, strict parser for the few XML responses of S3 and STS. Refuses what these never send:
// document types, custom entities, processing instructions, and depths and counts beyond any page
// of a list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::s3 {

inline constexpr std::size_t kXmlDepthMax = 16;
inline constexpr std::size_t kXmlElementsMax = 65'536;  // a page has 1000 files of at most 15

// One element. The syntax of attributes and namespaces is checked, but they are dropped.
struct XmlElement {
  std::string name;  // without a namespace prefix
  std::string text;  // of this element with entities resolved; without its children's text
  std::vector<XmlElement> children;

  // The first child with this name, or null.
  const XmlElement* Find(std::string_view child) const;
  // The text of that child, or empty.
  std::string_view TextOf(std::string_view child) const;
};

// Returns the root element. kCorrupt, with the byte offset, if the text is malformed or exceeds the
// limits above.
Result<XmlElement> ParseXml(std::string_view text);

}  // namespace holdfast::s3
