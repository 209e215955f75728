#include "common/repository/store/key_list.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/records.h"
#include "common/repository/store/key_file.h"

namespace holdfast::repository {
namespace {

// Verifies that the stored key opens the repository, because someone is about to rely on it.
Result<void> Prove(Repository& repository, const FileName& name, const Secret& password) {
  HF_ASSIGN(const Bytes content, repository.storage().Get(name, {}));
  HF_ASSIGN(const bool opens, repository.keys().IsOpenedBy(content, password));
  if (opens) return {};
  return Fail(ErrorCode::kCorrupt, "the new key does not open the repository");
}

}  // namespace

Result<std::vector<KeyInfo>> ListKeys(Repository& repository) {
  HF_ASSIGN(const std::vector<FileInfo> files, ListFiles(repository.storage(), FileKind::kKey));
  std::vector<KeyInfo> keys;
  for (const FileInfo& file : files) {
    HF_ASSIGN(const Id id, ParseId(file.name.name));
    HF_ASSIGN(const std::optional<Bytes> content, ReadKeyFile(repository.storage(), file));
    if (!content) continue;
    Result<KeyRecord> record = DecodeKey(*content);
    if (!record) {
      return Fail(
          std::move(record).error().While(fmt::format("read key \"{}\"", FilePath(file.name))));
    }
    keys.push_back({.id = id,
                    .created = record->created,
                    .user = std::move(record->user),
                    .host = std::move(record->host),
                    .is_in_use = id == repository.keys().file()});
  }
  std::ranges::sort(keys, [](const KeyInfo& one, const KeyInfo& two) {
    return std::pair(one.created, one.id) < std::pair(two.created, two.id);
  });
  return keys;
}

Result<KeyInfo> FindKey(const std::vector<KeyInfo>& keys, std::string_view beginning) {
  const KeyInfo* found = nullptr;
  std::string all;
  for (const KeyInfo& key : keys) {
    const std::string id = key.id.Hex();
    all += (all.empty() ? "" : ", ") + id.substr(0, 8);
    if (beginning.empty() || !id.starts_with(beginning)) continue;
    if (found != nullptr) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("several keys begin with {}", Quote(beginning)),
                  "write more digits of its id");
    }
    found = &key;
  }
  if (found != nullptr) return *found;
  return Fail(ErrorCode::kNotFound, fmt::format("no key begins with {}", Quote(beginning)),
              fmt::format("keys of the repository: {}", all));
}

Result<Id> AddKey(Repository& repository, const Secret& password, const InitOptions& options) {
  if (password.empty()) return Fail(ErrorCode::kInvalidArgument, "the new password is empty");
  HF_ASSIGN(const std::vector<FileInfo> files, ListFiles(repository.storage(), FileKind::kKey));
  if (files.size() >= kKeysTriedMax) {
    return Fail(
        ErrorCode::kDenied,
        fmt::format("there are {} keys, and at most {} are tried", files.size(), kKeysTriedMax),
        "remove an unused one: \"holdfast-agent key list\", \"holdfast-agent key remove\"");
  }
  HF_ASSIGN(const Bytes content, repository.keys().MakeKey(password, options));
  const Id id{crypto::Sha256Of(content)};
  const FileName name{FileKind::kKey, id.Hex()};
  HF_TRY(repository.storage().Put(name, content, PutMode::kCreate));
  CrashPoint("repository.key.after_put");
  Result<void> proven = Prove(repository, name, password);
  if (!proven) {
    (void)repository.storage().Remove(name);  // harmless if this fails: it opens nothing
    return Fail(std::move(proven).error().While(fmt::format("prove key {}", id.Hex())));
  }
  return id;
}

Result<void> RemoveKey(Storage& storage, const Id& key) {
  HF_ASSIGN(const std::vector<FileInfo> files, ListFiles(storage, FileKind::kKey));
  if (files.size() < 2) {
    return Fail(ErrorCode::kDenied, fmt::format("key {} is the only one", key.Hex().substr(0, 8)),
                "without it, the repository could not be opened; add another one first");
  }
  return storage.Remove({FileKind::kKey, key.Hex()});
}

}  // namespace holdfast::repository
