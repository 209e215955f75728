#include "agent/sources/haproxy/line_splitter.h"

#include "common/base/format.h"

namespace holdfast::haproxy {

Result<void> LineSplitter::Feed(std::string_view piece, const Sink& sink) {
  while (!piece.empty()) {
    const std::size_t feed = piece.find('\n');
    pending_ += piece.substr(0, feed);
    if (pending_.size() > line_bytes_max_) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("a line is longer than {}", FormatBytes(line_bytes_max_)));
    }
    if (feed == std::string_view::npos) break;
    piece.remove_prefix(feed + 1);
    HF_TRY(sink(pending_));
    pending_.clear();
  }
  return {};
}

}  // namespace holdfast::haproxy
