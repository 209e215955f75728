// The directory that a restore writes into, and the mark that an unfinished one leaves there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::jobs {

class RestoreTarget {
 public:
  // The mark's name in the directory.
  static constexpr std::string_view kMark = ".holdfast-restore";

  struct Use {
    // The same for two restores that bring the same to the same place, on one line.
    std::string what = {};
    // Whatever lies there is fine; else only what an unfinished restore of the same left.
    bool may_be_full = false;
    // Nothing is made; the directory may be missing.
    bool is_dry_run = false;
  };

  // `path` as a person at this node gives it: made where missing, its links followed.
  static Result<RestoreTarget> At(const std::string& path, const Use& use);
  // `relative` below `root`, as a plan from elsewhere gives it: made where missing, and no
  // component of it is a link, so that nothing outside of `root` is touched whatever lies there and
  // whoever changes it meanwhile. `root` must exist. kInvalidArgument for a path that is absolute
  // or has empty components, "." or ".."; kDenied where a link stands in the way.
  static Result<RestoreTarget> Beneath(const std::string& root, std::string_view relative,
                                       const Use& use);

  // Whether a restore into it did not come to its end; and then whether the machine was started
  // anew since, so that what had been written may not be on the disk.
  bool has_unfinished() const { return unfinished_.has_value(); }
  bool has_crashed() const { return has_crashed_; }

  // Marks the directory, durably, until End(). kBusy while another restore writes into it.
  Result<void> Begin();
  // Takes the mark away, durably. REQUIRES: Begin(), and all is written and durable.
  Result<void> End();
  // After a failure: takes the mark away if nothing was written, and the directory too if At() made
  // it; else leaves both.
  void GiveUp();

  // What to hand to whoever writes; good while this object lives.
  const std::string& path() const { return path_; }
  // What people call it.
  const std::string& shown() const { return shown_; }
  // `text` of whoever wrote, with the name that people know.
  std::string Clean(std::string text) const;

 private:
  RestoreTarget(Fd fd, std::string path, std::string shown, std::string what)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        shown_(std::move(shown)),
        what_(std::move(what)) {}
  Result<void> Look(const Use& use, std::string_view full_hint);

  Fd fd_;  // not open where a dry run finds nothing
  std::string path_;
  std::string shown_;
  std::string what_;
  std::optional<std::string> unfinished_;  // what the mark says that was restored
  bool has_crashed_ = false;
  bool is_new_ = false;  // made by At()
  Fd mark_;              // open and locked between Begin() and End()
};

}  // namespace holdfast::jobs
