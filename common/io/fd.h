// File descriptors.
//
// This room wraps the operating system. Start with new_file.h and atomic_file.h (files that appear
// complete or not at all), file_lock.h (locks between processes), subprocess.h (child processes)
// and http_client.h. Only this room calls libcurl. It knows no file format and no service: callers
// pass paths, URLs and bytes.
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/deleter.h"
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

using DirectoryStream = std::unique_ptr<DIR, Deleter<closedir>>;

// open(2) with O_CLOEXEC; errors name the path.
Result<Fd> OpenFile(const std::string& path, int flags, unsigned mode = 0);
// The same with openat(2); errors name `shown`.
Result<Fd> OpenFileAt(int directory, const std::string& name, int flags, unsigned mode,
                      const std::string& shown);

// Creates a nameless file in `directory` for reading and writing. It disappears with its
// descriptor, also after a crash.
Result<Fd> OpenNamelessFile(const std::string& directory);

// Reads up to buffer.size() bytes; 0 at the end. Restarts when interrupted. Errors name `shown`.
Result<std::size_t> ReadSome(int fd, std::span<std::uint8_t> buffer, const std::string& shown);
// Fills `buffer`, reading from `offset`; kCorrupt when the file ends before.
Result<void> ReadAllAt(int fd, std::span<std::uint8_t> buffer, std::uint64_t offset,
                       const std::string& shown);
// Writes all bytes; fewer only after an error.
Result<void> WriteAll(int fd, ByteView bytes, const std::string& shown);
Result<void> SyncFile(int fd, const std::string& shown);
// Opens the directory and syncs it, which makes names in it durable.
Result<void> SyncDirectory(const std::string& path);
// The same for the directory that has the entry of `path`.
Result<void> SyncParent(const std::string& path);

// unlink(2), but a missing file is no error.
Result<void> RemoveFile(const std::string& path);
// The same for an entry of an open directory. Errors name `shown`.
Result<void> RemoveFileAt(int directory, const std::string& name, const std::string& shown);

// fstat(2) of an open file; kCorrupt unless it is a regular file. Errors name `shown`.
Result<struct stat> StatRegularFile(int fd, const std::string& shown);

// Reads a small file; kInvalidArgument when it is larger than `bytes_max`.
Result<Bytes> ReadWholeFile(const std::string& path, std::size_t bytes_max = 16U << 20);
// The same for an open file, from its current position. Errors name `shown`.
Result<Bytes> ReadWhole(int fd, std::size_t bytes_max, const std::string& shown);

// Opens the directory; creates it with mode 0700 if it is missing (its parent must exist). Returns
// a closed descriptor unless the effective user owns both. Otherwise root could leave a file in a
// directory of the agent's user that the agent can never replace, and that user could decide where
// root writes.
Result<Fd> OpenOwnDirectory(const std::string& path);

// The sorted names of a directory's entries, except "." and "..". Error messages call
// the directory `shown`.
Result<std::vector<std::string>> NamesIn(int directory, const std::string& shown);
Result<std::vector<std::string>> NamesIn(const std::string& path);

// mkdir -p; existing directories are not changed.
Result<void> MakeDirectories(const std::string& path, unsigned mode = 0777);

}  // namespace holdfast
