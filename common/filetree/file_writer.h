// Creates files from pieces that arrive in any order. A file has no name, or a temporary one, until
// it is complete.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/filetree/directory_cursor.h"
#include "common/io/fd.h"
#include "common/stream/attributes.h"

namespace holdfast::filetree {

// Prefix of all temporary names of an extraction. A killed one leaves its files.
inline constexpr std::string_view kPartPrefix = ".holdfast-part";

// Unless committed, it leaves nothing on disk, except when it may be resumed.
class PendingFile {
 public:
  PendingFile() = default;  // for FileWriter
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  // Thread-safe. Each range may be written only once. Blocks of zeros become holes.
  Result<void> WriteAt(std::uint64_t offset, ByteView bytes);
  // Sets size and attributes, then the name: readers see what was there before, or the complete
  // file. Attributes that could not be set are added to `warnings`. REQUIRES: all WriteAt()
  // returned.
  Result<void> Commit(const Attributes& attributes, bool restore_owner,
                      std::vector<std::string>& warnings);
  // Removes the file, even if it may be resumed.
  void Discard();

  // For reading the content of a resumed file.
  int fd() const { return file_.get(); }
  bool is_resumed() const { return is_resumed_; }
  const std::string& shown() const { return shown_; }

 private:
  friend class FileWriter;
  Result<void> Write(std::uint64_t offset, ByteView bytes);
  Result<void> WriteBuffered(std::uint64_t offset, ByteView bytes);
  Result<std::size_t> WriteDirect(std::uint64_t offset, ByteView bytes);
  Result<void> GiveName();
  void NoteEnd(std::uint64_t written_to);
  Result<void> Clear(std::uint64_t offset, ByteView zeros);

  Fd own_parent_;
  int parent_ = -1;
  Fd file_;
  Fd direct_;  // the same file with O_DIRECT; closed if unsupported
  std::atomic<bool> is_direct_ = false;
  std::string temporary_;
  std::string name_;
  std::string shown_;
  bool is_nameless_ = false;  // the temporary name does not exist
  bool may_be_resumed_ = false;
  bool is_resumed_ = false;
  std::atomic<std::uint64_t> written_end_ = 0;
};

// One thread at a time. Several writers may work below one directory if each has its own temporary
// name. Touches nothing outside the directory and follows no symlink.
class FileWriter {
 public:
  // `top` must stay open as long as the writer lives. `temporary` is a name that does not exist
  // below the directory; it begins with kPartPrefix.
  FileWriter(int top, const std::string& directory, std::string temporary)
      : cursor_(top, directory), temporary_(std::move(temporary)) {}

  // Begins a new file for `path`. It must be destroyed before the next one begins. It has no name
  // while it is written, if the file system supports that (O_TMPFILE). Its directory then changes
  // once instead of twice, which matters because writers queue for it. A killed writer leaves
  // nothing.
  Result<std::unique_ptr<PendingFile>> Begin(std::string_view path);
  // Begins a file that may outlive further calls, under the name `temporary` (see above). If it is
  // not committed, it stays on disk. The next call with this name resumes it with its content,
  // provided that only this user could have changed it.
  Result<std::unique_ptr<PendingFile>> BeginResumable(std::string_view path,
                                                      const std::string& temporary);

 private:
  Result<std::unique_ptr<PendingFile>> Prepare(std::string_view path);
  bool CanLinkNameless(int parent) const;
  DirectoryCursor cursor_;
  const std::string temporary_;
  std::optional<bool> can_link_nameless_;  // determined by the first file
};

}  // namespace holdfast::filetree
