#include "controller/cli/catalog_report.h"

#include <chrono>
#include <utility>

#include "common/base/format.h"
#include "controller/cli/report.h"

namespace holdfast::cli::cluster {
namespace {

// The check reads the whole catalog, which may have some gigabytes.
constexpr std::chrono::minutes kCatalogMax(15);

std::string CatalogJson(std::string_view verb, const v1::CatalogReply& reply, int exit_code) {
  Json document = Document(verb, exit_code);
  document["sound"] = reply.sound();
  document["lines"] = List(reply.lines());
  document["runs"] = List(reply.runs());
  return Dump(document);
}

}  // namespace

std::string CatalogText(const v1::CatalogReply& reply) {
  std::string text;
  for (const std::string& line : reply.lines()) text += Printable(line) + "\n";
  return text;
}

int FinishCatalog(Session& session, const v1::CatalogReply& reply) {
  const int code = reply.sound() ? kExitDone : kExitFailed;
  return session.Finish(
      code, [&] { return CatalogText(reply); },
      [&] { return CatalogJson(session.verb_name(), reply, code); });
}

Result<void> CheckCopyName(const std::string& name) {
  if (!name.empty() && (name.starts_with('/') || name.find('/') == std::string::npos)) return {};
  return WrongUsage(
      fmt::format("copy {}; expected a file name: the controller writes and reads copies in one "
                  "directory on its own host",
                  Quote(name)));
}

Result<int> AskCatalog(Session& session, v1::AdminRequest request) {
  HF_ASSIGN(ControllerClient * client, session.Client());
  HF_ASSIGN(const v1::AdminReply reply,
            client->Ask(std::move(request), v1::AdminReply::kCatalog, kCatalogMax));
  return FinishCatalog(session, reply.catalog());
}

}  // namespace holdfast::cli::cluster
