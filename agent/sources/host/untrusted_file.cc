#include "agent/sources/host/untrusted_file.h"

#include <fcntl.h>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast {

Result<std::optional<std::string>> ReadUntrustedFile(const std::string& path,
                                                     std::size_t bytes_max) {
  return ReadUntrustedFile(OpenFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY), path, bytes_max);
}

Result<std::optional<std::string>> ReadUntrustedFile(Result<Fd> file, const std::string& path,
                                                     std::size_t bytes_max) {
  if (!file) {
    if (file.error().code() == ErrorCode::kNotFound) return std::nullopt;
    return Fail(std::move(file).error());
  }
  HF_TRY(StatRegularFile(file->get(), path));
  std::string text;
  Bytes buffer(64U << 10);
  for (;;) {
    HF_ASSIGN(const std::size_t count, ReadSome(file->get(), buffer, path));
    if (count == 0) return text;
    text += AsText(ByteView(buffer).first(count));
    if (text.size() > bytes_max)
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} is larger than {}", Quote(path), FormatBytes(bytes_max)));
  }
}

}  // namespace holdfast
