// Makes files of pieces that come in any order, each without a name, or under a temporary one,
// until it is whole.
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

// How the temporary names begin that whoever extracts a snapshot gives; a killed one leaves them.
inline constexpr std::string_view kPartPrefix = ".holdfast-part";

// Without Commit() it leaves nothing, but for one that may be resumed.
class NewFile {
 public:
  NewFile() = default;  // for FileWriter, which fills it
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // From any number of threads at once, each place once. Blocks of zeros become holes.
  Result<void> WriteAt(std::uint64_t offset, ByteView bytes);
  // Sets size and attributes, then the name: whoever looks sees what was there before, or this.
  // What attributes could not be set is added to `warnings`. REQUIRES: all WriteAt() returned.
  Result<void> Commit(const Attributes& attributes, bool restore_owner,
                      std::vector<std::string>& warnings);
  // Nothing of it stays, even if it may be resumed.
  void Discard();

  // For reading what an earlier one left, in one that resumes it.
  int fd() const { return file_.get(); }
  bool is_resumed() const { return is_resumed_; }
  const std::string& shown() const { return shown_; }

 private:
  friend class FileWriter;
  Result<void> Write(std::uint64_t offset, ByteView bytes);
  Result<void> WriteBuffered(std::uint64_t offset, ByteView bytes);
  Result<std::size_t> WriteDirectly(std::uint64_t offset, ByteView bytes);
  Result<void> GiveName();
  void NoteEnd(std::uint64_t written_to);
  Result<void> Clear(std::uint64_t offset, ByteView zeros);

  Fd own_parent_;
  int parent_ = -1;
  Fd file_;
  Fd direct_;  // the same, past the page cache; closed where that cannot be
  std::atomic<bool> is_direct_ = false;
  std::string temporary_;
  std::string name_;
  std::string shown_;
  bool inherits_ = false;
  bool is_nameless_ = false;  // nothing has the temporary name
  bool may_be_resumed_ = false;
  bool is_resumed_ = false;
  std::atomic<std::uint64_t> written_end_ = 0;
};

// One thread at a time; several writers may work below one directory, each with a temporary name of
// its own. Nothing outside of it is touched, and no symlink followed.
class FileWriter {
 public:
  // `top` stays open as long as the writer lives. `temporary` is a name that nothing below the
  // directory has; it begins with kPartPrefix.
  FileWriter(int top, const std::string& directory, std::string temporary)
      : cursor_(top, directory), temporary_(std::move(temporary)) {}

  // A new file for `path`, which is gone before the next one begins. It has no name while it is
  // written, where the file system can do that (O_TMPFILE): of two changes to its directory, for
  // which its writers queue, one is saved, and a killed writer leaves nothing.
  Result<std::unique_ptr<NewFile>> Begin(std::string_view path);
  // One that lives as long as it likes, under a temporary name of its own that stays when it is not
  // committed: the next one of that name has the content that it had, if nobody else could change
  // it. `temporary` as above.
  Result<std::unique_ptr<NewFile>> BeginResumable(std::string_view path,
                                                  const std::string& temporary);

 private:
  Result<std::unique_ptr<NewFile>> Prepare(std::string_view path);
  bool CanLinkNameless(int parent) const;
  DirectoryCursor cursor_;
  const std::string temporary_;
  std::optional<bool> can_link_nameless_;  // found out by the first file
};

}  // namespace holdfast::filetree
