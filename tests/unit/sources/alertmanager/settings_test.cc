#include "agent/sources/alertmanager/settings.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::alertmanager {
namespace {

using testing::Unwrap;
using List = std::vector<std::string>;

TEST_CASE("alertmanager settings: valid combinations of options") {
  config::Values values;
  values.Set("endpoints", List{"https://a:9093/", "http://b:9093/am"});
  values.Set("storage", std::string("/data"));
  values.Set("on_missing", std::string("fail"));
  const Settings settings = Unwrap(ReadSettings(values));
  REQUIRE(settings.endpoints == List{"https://a:9093", "http://b:9093/am"});
  REQUIRE(settings.missing_is_failure);
  const auto refuses = [&](const char* name, config::OptionValue value, const char* why) {
    config::Values other = values;
    other.Set(name, std::move(value));
    REQUIRE_FAILS(ReadSettings(other), ErrorCode::kInvalidArgument, why);
  };
  for (const char* url : {"a:9093", "ftp://a", "http://", "http:///x", "http://a?b", "http://u@a"})
    refuses("endpoints", List{url}, "expected a URL");
  refuses("endpoints", List{"http://a", "http://a/"}, "is listed twice");
  refuses("endpoints", List{}, "at least one URL");
  refuses("user", std::string("u"), "needs \"password_file\"");
  refuses("cert", std::string("/c"), "needs \"key\"");
  REQUIRE(Unwrap(ReadSettings({})).endpoints.empty());
}

}  // namespace
}  // namespace holdfast::alertmanager
