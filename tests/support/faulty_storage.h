// Forwards all calls to a storage, except those that a test makes fail.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/base/format.h"
#include "common/storage/storage.h"

namespace holdfast::testing {

enum class StorageCall : std::uint8_t { kCreate, kPut, kGet, kStat, kList, kRemove };

// What fails, and when. Matching calls are counted from 1.
struct Fault {
  ErrorCode code = ErrorCode::kUnavailable;
  std::set<StorageCall> calls;                  // which calls match; empty: all
  std::optional<FileKind> kind = std::nullopt;  // of which kind of file; unset: any
  std::uint64_t first = 1;                      // the first call that fails
  std::uint64_t last = UINT64_MAX;              // and the last one that fails
  // A failing Put leaves the first half of the content under the final name, like a storage whose
  // writes are not atomic.
  bool is_torn = false;
  // A failing Put or Remove has its effect nevertheless, as if the answer was lost.
  bool after_the_work = false;
  // A failing Put returns success. With is_torn, half of the content is written, otherwise nothing:
  // what a disk leaves that ignores cache flushes.
  bool is_silent = false;
  // After the last matching call, all further calls fail, as if the machine went down.
  bool is_the_end = false;
};

// Safe to use from several threads.
class FaultyStorage final : public Storage {
 public:
  explicit FaultyStorage(std::unique_ptr<Storage> inner) : inner_(std::move(inner)) {}

  // Restarts counting.
  void Set(Fault fault) {
    std::lock_guard lock(mutex_);
    fault_ = std::move(fault);
    matching_ = 0;
  }
  void Clear() {
    std::lock_guard lock(mutex_);
    fault_.reset();
  }
  // Calls that matched the fault since Set().
  std::uint64_t matching() const {
    std::lock_guard lock(mutex_);
    return matching_;
  }
  // All calls since construction.
  std::uint64_t calls() const {
    std::lock_guard lock(mutex_);
    return calls_;
  }

  std::string location() const override { return inner_->location(); }
  unsigned connections_max() const override { return inner_->connections_max(); }

  Result<void> Create() override {
    HF_TRY(Check(StorageCall::kCreate, std::nullopt, "create the storage"));
    return inner_->Create();
  }

  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override {
    std::optional<Fault> fault = Take(StorageCall::kPut, name.kind);
    if (!fault) return inner_->Put(name, content, mode);
    if (fault->is_torn) HF_TRY(inner_->Put(name, content.first(content.size() / 2), mode));
    if (fault->is_silent) return {};
    if (fault->after_the_work) HF_TRY(inner_->Put(name, content, mode));
    return Failure(*fault, "write \"" + FilePath(name) + "\"");
  }

  Result<Bytes> Get(const FileName& name, ByteRange range) override {
    HF_TRY(Check(StorageCall::kGet, name.kind, "read \"" + FilePath(name) + "\""));
    return inner_->Get(name, range);
  }

  Result<FileInfo> Stat(const FileName& name) override {
    HF_TRY(Check(StorageCall::kStat, name.kind, "stat \"" + FilePath(name) + "\""));
    return inner_->Stat(name);
  }

  Result<void> List(FileKind kind, const VisitFile& visit) override {
    HF_TRY(Check(StorageCall::kList, kind, fmt::format("list \"{}\"", FileKindName(kind))));
    return inner_->List(kind, visit);
  }

  Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit) override {
    HF_TRY(Check(StorageCall::kList, std::nullopt, "list what writers have left"));
    return inner_->RemoveLeftovers(search, permit);
  }

  Result<void> Remove(const FileName& name) override {
    std::optional<Fault> fault = Take(StorageCall::kRemove, name.kind);
    if (!fault) return inner_->Remove(name);
    if (fault->after_the_work) HF_TRY(inner_->Remove(name));
    return Failure(*fault, "remove \"" + FilePath(name) + "\"");
  }

 private:
  // Returns the fault if this call must fail.
  std::optional<Fault> Take(StorageCall call, std::optional<FileKind> kind) {
    std::lock_guard lock(mutex_);
    ++calls_;
    if (!fault_) return std::nullopt;
    if (fault_->is_the_end && matching_ >= fault_->last) return Down();
    if (!fault_->calls.empty() && !fault_->calls.contains(call)) return std::nullopt;
    if (fault_->kind && fault_->kind != kind) return std::nullopt;
    ++matching_;
    if (matching_ < fault_->first || matching_ > fault_->last) return std::nullopt;
    return fault_;
  }
  static Fault Down() {
    Fault down;
    down.code = ErrorCode::kDenied;  // never retried
    return down;
  }
  static std::unexpected<Error> Failure(const Fault& fault, const std::string& what) {
    return Fail(fault.code, what + ": injected fault");
  }
  Result<void> Check(StorageCall call, std::optional<FileKind> kind, const std::string& what) {
    std::optional<Fault> fault = Take(call, kind);
    if (fault) return Failure(*fault, what);
    return {};
  }

  const std::unique_ptr<Storage> inner_;
  mutable std::mutex mutex_;
  std::optional<Fault> fault_;
  std::uint64_t matching_ = 0;
  std::uint64_t calls_ = 0;
};

}  // namespace holdfast::testing
