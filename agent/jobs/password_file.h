// Files that hold a repository's password: made at random, read, and exchanged for another one.
#pragma once

#include <string>

#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace holdfast::jobs {

// 64 hexadecimal digits.
Secret RandomPassword(Random& random);

// A new file, mode 0600, with a random password, durable; missing directories are made, mode 0700.
// False when the file is there already.
Result<bool> MakePasswordFile(const std::string& path, Random& random);

// Puts another password into the file, which is there: at any moment it holds the old one or the
// new one. Owner and mode stay. A symbolic link stays, and what it leads to changes. After an error
// it holds either one: it may be that only the directory could not be synced.
Result<void> ReplacePasswordFile(const std::string& path, const Secret& password);

}  // namespace holdfast::jobs
