// A page of an S3 list.
#include "common/storage/s3_answers.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(s3_list) {
  using namespace holdfast;
  const Result<s3::ListPage> page = s3::ParseListPage(AsText(input));
  FUZZ_REQUIRE(page || page.error().code() == ErrorCode::kCorrupt);
  if (!page) return false;
  for (const s3::ListedFile& file : page->files) FUZZ_REQUIRE(!file.key.empty());
  return !page->files.empty();
}
