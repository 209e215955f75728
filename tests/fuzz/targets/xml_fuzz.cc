// XML of S3 and STS.
#include "common/storage/xml.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

struct XmlMeasure {
  std::size_t depth = 0;
  std::size_t elements = 0;
};

// The recursion is limited by kXmlDepthMax.
XmlMeasure MeasureXml(const s3::XmlElement& element) {
  XmlMeasure measure{1, 1};
  FUZZ_REQUIRE(!element.name.empty());
  for (const s3::XmlElement& child : element.children) {
    const XmlMeasure inner = MeasureXml(child);
    measure.depth = std::max(measure.depth, inner.depth + 1);
    measure.elements += inner.elements;
  }
  return measure;
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(xml) {
  using namespace holdfast;
  const Result<s3::XmlElement> root = s3::ParseXml(AsText(input));
  FUZZ_REQUIRE(root || root.error().code() == ErrorCode::kCorrupt);
  if (!root) return false;
  const fuzz::XmlMeasure measure = fuzz::MeasureXml(*root);
  FUZZ_REQUIRE(measure.depth <= s3::kXmlDepthMax && measure.elements <= s3::kXmlElementsMax);
  return true;
}
