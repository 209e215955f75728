// Creates a repository whose key is cheap to open, for tests that open theirs hundreds of times.
// With the usual scrypt cost, restic and we would need 0.3 s each time.
//
//   init_tool DIRECTORY PASSWORD_FILE
#include <iostream>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/io/fd.h"
#include "common/repository/store/repository.h"
#include "common/storage/posix_storage.h"

namespace holdfast {
namespace {

Result<void> Make(const std::string& directory, const std::string& password_file) {
  HF_ASSIGN(Bytes content, ReadWholeFile(password_file));
  std::string_view password = AsText(content);
  while (password.ends_with('\n')) password.remove_suffix(1);
  PosixStorage storage(directory);
  repository::InitOptions options;
  options.user = options.host = "test";
  options.scrypt = crypto::ScryptParameters{.n = 1024, .r = 8, .p = 1};
  SystemRandom random;
  SystemClock clock;
  HF_TRY(
      repository::Repository::Init(storage, Secret(std::string(password)), options, random, clock));
  return {};
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: init_tool DIRECTORY PASSWORD_FILE\n";
    return 2;
  }
  holdfast::Result<void> made = holdfast::Make(argv[1], argv[2]);
  if (made) return 0;
  std::cerr << made.error().Text() << "\n";
  return 1;
}
