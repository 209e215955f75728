// The additional options of a repository on S3. Keys: docs/operating.md#a-repository-on-s3.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "common/config/reader.h"
#include "common/config/schema.h"
#include "common/storage/s3_settings.h"

namespace holdfast {

const std::vector<config::OptionSpec>& S3Options();

// The environment variables that AWS's own tools read.
s3::Variables S3Variables(const config::Environment& environment);

// Reads the S3 settings from any repository's block that passed the schema. kInvalidArgument, with
// the place, for conflicting options, and for S3 options of a repository that is not on S3.
Result<s3::Settings> ReadS3Settings(const config::Values& values,
                                    const config::Environment& environment);

}  // namespace holdfast
