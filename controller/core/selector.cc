#include "controller/core/selector.h"

#include "common/base/format.h"

namespace holdfast::controller {

Result<Selector> ParseSelector(std::string_view text) {
  if (text == "*") return Selector{"*/*", ""};
  const std::size_t at = text.find('@');
  Selector selector{std::string(text.substr(0, at)),
                    at == std::string_view::npos ? "" : std::string(text.substr(at + 1))};
  const std::size_t slash = selector.source.find('/');
  const bool is_source = slash != std::string::npos && slash > 0 &&
                         slash + 1 < selector.source.size() &&
                         selector.source.find('/', slash + 1) == std::string::npos;
  if (!is_source || (at != std::string_view::npos && selector.node.empty())) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} does not name a source", Quote(text)),
                "write \"kind/name\" or \"kind/name@node\"; `*` matches anything");
  }
  return selector;
}

}  // namespace holdfast::controller
