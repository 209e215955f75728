// A directory taken for a snapshot, for tests of what restores from one.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/filetree/walker.h"
#include "common/io/fd.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::testing {

class DirectoryView final : public SnapshotView {
 public:
  DirectoryView(std::string root, Manifest manifest)
      : root_(std::move(root)), manifest_(std::move(manifest)) {}

  const std::string& snapshot_id() const override { return id_; }
  const std::optional<Manifest>& manifest() const override { return manifest_; }

  Result<std::optional<Attributes>> Stat(std::string_view path) override {
    Result<Attributes> attributes = filetree::ReadAttributes(Path(path));
    if (attributes) return std::optional(*attributes);
    if (attributes.error().code() == ErrorCode::kNotFound) return std::optional<Attributes>();
    return Fail(std::move(attributes).error());
  }

  Result<void> List(std::string_view path,
                    const std::function<Result<void>(const ViewEntry&)>& visit) override {
    std::vector<std::string> names;
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator(Path(path), failure)) {
      names.push_back(entry.path().filename());
    }
    if (failure) return Fail(ErrnoError(failure.value(), "list"));
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      HF_ASSIGN(Attributes attributes, filetree::ReadAttributes(Path(path) + "/" + name));
      HF_TRY(visit({name, attributes}));
    }
    return {};
  }

  Result<std::unique_ptr<ByteReader>> Open(std::string_view path) override {
    HF_ASSIGN(Fd fd, OpenFile(Path(path), O_RDONLY));
    return std::make_unique<Reader>(std::move(fd));
  }

  Result<ExtractOutcome> Extract(const std::string&, const ExtractOptions&, Progress&,
                                 std::stop_token) override {
    return Fail(ErrorCode::kUnsupported, "this snapshot is a directory");
  }

 private:
  class Reader final : public ByteReader {
   public:
    explicit Reader(Fd fd) : fd_(std::move(fd)) {}
    Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
      return ReadSome(fd_.get(), buffer, "the snapshot's file");
    }

   private:
    Fd fd_;
  };

  std::string Path(std::string_view path) const { return root_ + "/" + std::string(path); }

  std::string root_;
  std::optional<Manifest> manifest_;
  std::string id_ = "0123456789abcdef";
};

}  // namespace holdfast::testing
