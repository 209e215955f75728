// A snapshot as restores into a service see it. Anyone who has the repository's password can write
// one, with any names, sizes and attributes. So the view hides what a restore must not create, and
// fails if the snapshot has something that no file system has.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/stream/snapshot_view.h"
#include "common/stream/special_rights.h"

namespace holdfast {

// The limits of what a snapshot may have. Linux has the same or lower ones.
inline constexpr std::size_t kSnapshotDepthMax = 2048;  // directories in each other
inline constexpr std::size_t kSnapshotNameBytesMax = 255;
inline constexpr std::size_t kSnapshotLinkBytesMax = 4095;
inline constexpr std::size_t kSnapshotAttributesMax = 256;            // extended, of one file
inline constexpr std::size_t kSnapshotAttributeBytesMax = 64U << 10;  // of one value
inline constexpr std::size_t kSnapshotAttributeTotalMax = 1U << 20;   // of one file's values
// Of a list in the manifest that a restore reads.
inline constexpr std::size_t kSnapshotDetailsMax = 10'000;
inline constexpr std::size_t kSnapshotDetailBytesMax = 4096;
inline constexpr std::size_t kSnapshotMissingMax = 100'000;  // of what the manifest calls missing

// Everything that List(), Stat() or Find() returned is within the limits; otherwise they fail with
// kUnsupported, or with kCorrupt for impossible names, and name the limit. Extract() checks nothing
// more, so callers List() first what they extract. Objects and attributes that `kept` does not have
// are invisible. May be used from several threads, like any view.
class UntrustedView final : public SnapshotView {
 public:
  // `inner` must outlive the view.
  UntrustedView(SnapshotView& inner, const SpecialRights& kept) : inner_(inner), kept_(kept) {}

  const std::string& snapshot_id() const override { return inner_.snapshot_id(); }
  const std::optional<Manifest>& manifest() const override { return inner_.manifest(); }
  Result<std::optional<Attributes>> Stat(std::string_view path) override;
  Result<std::unique_ptr<const SnapshotEntry>> Find(std::string_view path) override;
  Result<void> List(std::string_view path,
                    const std::function<Result<void>(const ViewEntry&)>& visit) override;
  Result<std::unique_ptr<ByteReader>> Open(std::string_view path) override;
  Result<ExtractOutcome> Extract(const std::string& directory, const ExtractOptions& options,
                                 Progress& progress, std::stop_token stop) override;

  // A list of the manifest's details, empty if it is missing. kUnsupported if it is too long.
  Result<std::vector<std::string>> DetailsOf(const std::string& what) const;
  // Checks the limits of these lists, and of the manifest's missing items. Afterwards they may be
  // read from manifest().
  Result<void> CheckManifest(std::initializer_list<std::string> details) const;
  // Whether the snapshot has an object at `path` that the view hides. A restore leaves what is live
  // there as it is.
  Result<bool> Hides(std::string_view path);
  // What was hidden so far.
  const LeftOutList& left_out() const { return left_out_; }

 private:
  SnapshotView& inner_;
  const SpecialRights kept_;
  LeftOutList left_out_;
};

}  // namespace holdfast
