// A small and strict reader for the few XML answers of S3 and STS. What those never send is
// refused: document types, entities of one's own, processing instructions, depths and counts beyond
// any page of a list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::s3 {

inline constexpr std::size_t kXmlDepthMax = 16;
inline constexpr std::size_t kXmlElementsMax = 65'536;  // a page of 1000 files has 15 each at most

// One element; attributes and name spaces are checked for form and dropped.
struct XmlElement {
  std::string name;  // without a name space's prefix
  std::string text;  // of this element itself, entities resolved; not that of its children
  std::vector<XmlElement> children;

  // The first child of that name; null when there is none.
  const XmlElement* Find(std::string_view child) const;
  // Its text; empty when there is none.
  std::string_view TextOf(std::string_view child) const;
};

// The document's one element. kCorrupt, with the byte where it is, for everything that is not well
// formed, and beyond the limits above.
Result<XmlElement> ParseXml(std::string_view text);

}  // namespace holdfast::s3
