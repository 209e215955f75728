// Creates items, and parts and snapshots of them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/repository/snapshot/composer.h"
#include "common/repository/snapshot/part_writer.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "tests/support/byte_readers.h"
#include "tests/support/results.h"

namespace holdfast::testing {

inline Attributes AttributesOf(NodeType type, std::uint32_t mode = 0644) {
  Attributes attributes;
  attributes.type = type;
  attributes.mode = mode;
  attributes.mtime = attributes.atime = attributes.ctime = {1'600'000'000, 0};
  return attributes;
}

inline Item FileItem(std::string path, Bytes content) {
  Item item;
  item.path = std::move(path);
  item.attributes = AttributesOf(NodeType::kFile);
  item.attributes.size = content.size();
  item.content = std::make_unique<BytesReader>(std::move(content));
  return item;
}
inline Item FileItem(std::string path, std::string_view content) {
  return FileItem(std::move(path), ToBytes(content));
}

inline Item DirectoryItem(std::string path) {
  Item item;
  item.path = std::move(path);
  item.attributes = AttributesOf(NodeType::kDirectory, 0700);
  item.attributes.inode = 7;
  return item;
}

inline Item LinkItem(std::string path, std::string target) {
  Item item;
  item.path = std::move(path);
  item.attributes = AttributesOf(NodeType::kSymlink, 0777);
  item.attributes.link_target = std::move(target);
  return item;
}

// A vector of items: Items(FileItem(...), DirectoryItem(...)).
template <typename... Each>
std::vector<Item> Items(Each... items) {
  std::vector<Item> all;
  (all.push_back(std::move(items)), ...);
  return all;
}

inline Result<repository::Part> TryWritePart(repository::Repository& repository,
                                             std::vector<Item> items,
                                             const repository::PartOptions& options = {}) {
  auto writer = repository::PartWriter::Begin(repository, options);
  for (Item& item : items) HF_TRY(writer->Add(std::move(item)));
  return writer->Finish();
}

inline repository::Part WritePart(repository::Repository& repository, std::vector<Item> items,
                                  const repository::PartOptions& options = {}) {
  return Unwrap(TryWritePart(repository, std::move(items), options));
}

inline Manifest ManifestOf(const std::string& kind, const std::string& name) {
  Manifest manifest;
  manifest.holdfast_version = "0";
  manifest.kind = kind;
  manifest.name = name;
  manifest.topology = "local";
  return manifest;
}

inline repository::ComposeOptions ComposeAs(repository::Repository& repository) {
  repository::ComposeOptions options;
  options.host = "n1";
  options.path = "/files/app";
  options.tags = {"run:01HF7YAT000000000000000000", "kind:files"};
  options.begin = repository.clock().Now();
  return options;
}

// Writes a snapshot "files/app@n1" with one part.
inline Result<repository::Id> TryWriteSnapshot(repository::Repository& repository,
                                               std::vector<Item> items) {
  HF_ASSIGN(repository::Part part, TryWritePart(repository, std::move(items)));
  return repository::Compose(repository, {&part, 1}, ManifestOf("files", "app"),
                             ComposeAs(repository));
}

inline std::unique_ptr<SnapshotView> OpenView(repository::Repository& repository,
                                              const repository::Id& id) {
  auto snapshots = Unwrap(repository::ListSnapshots(repository));
  auto snapshot = Unwrap(repository::FindSnapshot(snapshots, id.Hex()));
  Unwrap(repository.index().Load({}));
  return Unwrap(repository::OpenSnapshot(repository, snapshot));
}

inline Result<Bytes> ReadPath(SnapshotView& view, std::string_view path) {
  HF_ASSIGN(std::unique_ptr<ByteReader> reader, view.Open(path));
  return ReadAll(*reader);
}

// All paths of a view in ascending order; directories end with a slash.
inline std::vector<std::string> PathsOf(SnapshotView& view, const std::string& directory = "") {
  std::vector<std::string> paths;
  Unwrap(view.List(directory, [&](const ViewEntry& entry) -> Result<void> {
    std::string path = directory.empty() ? entry.name : directory + "/" + entry.name;
    if (entry.attributes.type != NodeType::kDirectory) {
      paths.push_back(path);
      return {};
    }
    paths.push_back(path + "/");
    for (std::string& below : PathsOf(view, path)) paths.push_back(std::move(below));
    return {};
  }));
  return paths;
}

}  // namespace holdfast::testing
