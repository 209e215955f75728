// Files by descriptor.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast {

// Owns one descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Reset(); }

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void Reset();
  int Release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

// open(2) with O_CLOEXEC; errors name the path.
Result<Fd> OpenFile(const std::string& path, int flags, unsigned mode = 0);
// openat(2) likewise; `shown` is the path that errors name.
Result<Fd> OpenFileAt(int directory, const std::string& name, int flags, unsigned mode,
                      const std::string& shown);

// A new file in `directory`, to be written and read, that has no name: it goes with its descriptor,
// also after a crash.
Result<Fd> OpenNamelessFile(const std::string& directory);

// Up to buffer.size() bytes; 0 at the end. Restarts when interrupted. `shown` names it in errors.
Result<std::size_t> ReadSome(int fd, std::span<std::uint8_t> buffer, const std::string& shown);
// As many bytes as `buffer` holds, from `offset` on; kCorrupt when the file ends before.
Result<void> ReadAllAt(int fd, std::span<std::uint8_t> buffer, std::uint64_t offset,
                       const std::string& shown);
// All of it; short only at an error.
Result<void> WriteAll(int fd, ByteView bytes, const std::string& shown);
Result<void> SyncFile(int fd, const std::string& shown);
// Opens the directory and syncs it: names in it are durable then.
Result<void> SyncDirectory(const std::string& path);

// A whole small file; kInvalidArgument when it is larger than `bytes_max`.
Result<Bytes> ReadWholeFile(const std::string& path, std::size_t bytes_max = 16U << 20);

// The directory, made with mode 0700 when it is missing (the one above it must be there), if both
// belong to whoever runs this; else a closed descriptor: a file that root leaves in the directory
// of the agent's user could never be replaced by the agent, and root would write where that user
// says.
Result<Fd> OpenOwnDirectory(const std::string& path);

// mkdir -p; existing directories stay as they are.
Result<void> MakeDirectories(const std::string& path, unsigned mode = 0777);

}  // namespace holdfast
