// Lists, maps and errors as JSON text in a column.
#include "common/base/format.h"
#include "common/base/json.h"
#include "controller/catalog/tables.h"

namespace holdfast {
namespace {

std::unexpected<Error> NoSuchJson(std::string_view what, std::string_view text) {
  return Fail(ErrorCode::kCorrupt, fmt::format("the catalog is damaged: {} is not a {}",
                                               Quote(text.substr(0, 80)), what));
}

std::string TextField(const nlohmann::json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

bool BoolField(const nlohmann::json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

std::string ColumnOf<std::vector<std::string>>::Encode(const std::vector<std::string>& list) {
  return DumpJson(nlohmann::json(list));
}

Result<std::vector<std::string>> ColumnOf<std::vector<std::string>>::Decode(const Stored& stored) {
  nlohmann::json json = ParseJson(stored);
  if (!json.is_array()) return NoSuchJson("list", stored);
  std::vector<std::string> list;
  for (const nlohmann::json& item : json) {
    if (!item.is_string()) return NoSuchJson("list of texts", stored);
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::string ColumnOf<std::map<std::string, std::string>>::Encode(
    const std::map<std::string, std::string>& map) {
  return DumpJson(nlohmann::json(map));
}

Result<std::map<std::string, std::string>> ColumnOf<std::map<std::string, std::string>>::Decode(
    const Stored& stored) {
  nlohmann::json json = ParseJson(stored);
  if (!json.is_object()) return NoSuchJson("map", stored);
  std::map<std::string, std::string> map;
  for (const auto& [name, value] : json.items()) {
    if (!value.is_string()) return NoSuchJson("map of texts", stored);
    map[name] = value.get<std::string>();
  }
  return map;
}

std::optional<std::string> ColumnOf<std::optional<TaskError>>::Encode(
    const std::optional<TaskError>& error) {
  if (!error) return std::nullopt;
  return DumpJson(nlohmann::json{{"code", error->code},
                                 {"message", error->message},
                                 {"hint", error->hint},
                                 {"retryable", error->retryable},
                                 {"began", error->began},
                                 {"rolled_back", error->rolled_back}});
}

Result<std::optional<TaskError>> ColumnOf<std::optional<TaskError>>::Decode(const Stored& stored) {
  if (!stored) return std::nullopt;
  nlohmann::json json = ParseJson(*stored);
  if (!json.is_object()) return NoSuchJson("error", *stored);
  return TaskError{.code = TextField(json, "code"),
                   .message = TextField(json, "message"),
                   .hint = TextField(json, "hint"),
                   .retryable = BoolField(json, "retryable"),
                   .began = BoolField(json, "began"),
                   .rolled_back = BoolField(json, "rolled_back")};
}

}  // namespace holdfast
