#include "agent/sources/member/missing_policy.h"

#include "common/base/format.h"

namespace holdfast {

config::OptionSpec OnMissingOption() {
  return {.name = "on_missing",
          .help =
              "what to do if a file that the configuration names is missing: warn (the backup is "
              "partly done; the default) or fail",
          .choices = {"warn", "fail"}};
}

bool FailsOnMissing(const config::Values& values) { return values.Text("on_missing") == "fail"; }

Result<void> FailIfMissing(const std::vector<Missing>& missing) {
  if (missing.empty()) return {};
  const Missing& first = missing.front();
  return Fail(ErrorCode::kNotFound, fmt::format("{}: {}", first.what, first.reason),
              first.remedy + "; \"on_missing: warn\" backs up without it");
}

}  // namespace holdfast
