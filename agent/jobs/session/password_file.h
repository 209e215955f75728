// Creates and replaces files that hold a repository's password.
#pragma once

#include <string>

#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace holdfast::jobs {

// 64 hexadecimal digits.
Secret RandomPassword(Random& random);

// Creates a file, mode 0600, with a random password, durably. Creates missing directories with mode
// 0700. Returns false if the file exists.
Result<bool> MakePasswordFile(const std::string& path, Random& random);

// Replaces the password in an existing file atomically. Keeps owner and mode. If the file is a
// symbolic link, replaces its target. After an error the file may hold either password, because
// syncing the directory may have failed.
Result<void> ReplacePasswordFile(const std::string& path, const Secret& password);

}  // namespace holdfast::jobs
