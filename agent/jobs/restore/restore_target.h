// The directory that a restore writes to, and the mark in it of an unfinished restore.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::jobs {

class RestoreTarget {
 public:
  // File name of the mark.
  static constexpr std::string_view kMark = ".holdfast-restore";

  struct Use {
    // One line that identifies what is restored. Equal for two restores of the same content.
    std::string what;
    // Any content is accepted. False: only that of an unfinished restore of the same.
    bool may_be_full = false;
    // Creates nothing; the directory may be missing.
    bool is_dry_run = false;
  };

  // `path` comes from a local user: creates it if missing, and follows links.
  static Result<RestoreTarget> At(const std::string& path, const Use& use);
  // `relative` to `root`, from a plan. Creates missing directories and rejects links, so nothing
  // outside `root` is touched, even if it is changed concurrently. `root` must exist.
  // kInvalidArgument for an absolute path or one with empty components, "." or "..". kDenied for a
  // link.
  static Result<RestoreTarget> Beneath(const std::string& root, std::string_view relative,
                                       const Use& use);

  // Whether a restore to it was interrupted, and whether the machine was rebooted since, so that
  // data may not have reached the disk.
  bool has_unfinished() const { return unfinished_.has_value(); }
  bool has_crashed() const { return has_crashed_; }

  // Marks the directory, durably, until End(). kBusy if another restore is writing to it.
  Result<void> Begin();
  // Removes the mark, durably. REQUIRES: Begin(), and everything written is durable.
  Result<void> End();
  // After a failure: if nothing was written, removes the mark, and the directory if At() created
  // it. Otherwise keeps both.
  void GiveUp();

  // The path to write to; valid during the object's lifetime.
  const std::string& path() const { return path_; }
  // The path for messages.
  const std::string& shown() const { return shown_; }
  // Replaces path() by shown() in `text`.
  std::string Clean(std::string text) const;

 private:
  RestoreTarget(Fd fd, std::string path, std::string shown, std::string what)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        shown_(std::move(shown)),
        what_(std::move(what)) {}
  Result<void> Look(const Use& use, std::string_view full_hint);

  Fd fd_;  // not open in a dry run if the directory is missing
  std::string path_;
  std::string shown_;
  std::string what_;
  std::optional<std::string> unfinished_;  // from the mark: what was being restored
  bool has_crashed_ = false;
  bool is_new_ = false;  // created by At()
  Fd mark_;              // open and locked between Begin() and End()
};

}  // namespace holdfast::jobs
