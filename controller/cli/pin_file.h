// The files beside cli.yaml that say which controller an operator trusts: the pinned root document,
// and the former bus key, until the document's own key has worked once. docs/protocol.md#bus-key.
#pragma once

#include <optional>
#include <utility>

#include "common/base/result.h"
#include "common/bus/bus_client.h"
#include "common/trust/root_document.h"
#include "controller/cli/cli_settings.h"

namespace holdfast::cli {

class Pin {
 public:
  // kInvalidArgument if cli.yaml has no root_file; kCorrupt names the bad file.
  static Result<Pin> Load(const CliSettings& settings);

  const trust::RootDocument& root() const { return root_; }
  bus::ServerKeys server_keys() const { return {root_.bus_key(), former_bus_key_}; }

  // REQUIRES: `next` was verified as the next version of root().
  void Advance(trust::RootDocument next);
  // Writes what Advance() has changed, durably.
  Result<void> Save() const;
  // From now on, only the root document's bus key is accepted. Removes the former key's file.
  Result<void> ForgetFormerBusKey();

 private:
  Pin(std::string file, trust::RootDocument root)
      : file_(std::move(file)), root_(std::move(root)) {}
  std::string FormerKeyFile() const { return file_ + ".former-bus-key"; }

  std::string file_;
  trust::RootDocument root_;
  std::optional<trust::BusKey> former_bus_key_;
  bool is_former_new_ = false;  // not in its file yet
};

}  // namespace holdfast::cli
