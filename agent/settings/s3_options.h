// The options that a repository on S3 has beside those of every repository.
// Keys: docs/operating.md#a-repository-on-s3.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "common/config/reader.h"
#include "common/config/schema.h"
#include "common/storage/s3_settings.h"

namespace holdfast {

const std::vector<config::OptionSpec>& S3Options();

// Of the environment, what AWS's own tools look at.
s3::Variables S3Variables(const config::Environment& environment);

// Of a repository's block that passed the schema, whatever its URL. kInvalidArgument with the place
// for options that do not go together, and for any of them with another URL than "s3:...".
Result<s3::Settings> ReadS3Settings(const config::Values& values,
                                    const config::Environment& environment);

}  // namespace holdfast
