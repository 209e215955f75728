#include "common/cli/json_document.h"

#include "common/base/json.h"
#include "common/base/printable.h"

namespace holdfast::cli {
namespace {

constexpr int kFormatVersion = 1;

}  // namespace

std::string Dump(const Json& document) { return PrintableJson(DumpJson(document, 2)) + "\n"; }

std::string DumpLine(const Json& object) { return PrintableJson(DumpJson(object)); }

Json Document(std::string_view verb, int exit_code) {
  return {{"format_version", kFormatVersion}, {"verb", verb}, {"exit_code", exit_code}};
}

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json ErrorObject(const Error& error) {
  return {{"code", ErrorCodeName(error.code())},
          {"message", error.message()},
          {"hint", OrNull(error.hint())}};
}

Json ErrorOrNull(const std::optional<Error>& error) {
  return error ? ErrorObject(*error) : Json(nullptr);
}

std::string ErrorJson(std::string_view verb, const Error& error, int exit_code) {
  Json document = Document(verb, exit_code);
  document["error"] = ErrorObject(error);
  return Dump(document);
}

}  // namespace holdfast::cli
