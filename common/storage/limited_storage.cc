#include "common/storage/limited_storage.h"

namespace holdfast {

Result<void> LimitedStorage::Put(const FileName& name, ByteView content, PutMode mode) {
  if (name.kind != FileKind::kLock) HF_TRY(pause_(write_.Take(content.size())));
  return inner_->Put(name, content, mode);
}

Result<Bytes> LimitedStorage::Get(const FileName& name, ByteRange range) {
  HF_ASSIGN(Bytes content, inner_->Get(name, range));
  if (name.kind != FileKind::kLock) HF_TRY(pause_(read_.Take(content.size())));
  return content;
}

}  // namespace holdfast
