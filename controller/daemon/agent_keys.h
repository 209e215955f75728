// The owner of each CURVE key, for the bus's handshakes: the catalog's keys, in memory.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/bus/bus_server.h"
#include "common/bus/curve_key.h"

namespace holdfast::controller {

// Thread-safe. Names are nodes; for the admin socket, persons.
class AgentKeys final : public bus::Authenticator {
 public:
  // Sets the name's only key. REQUIRES: 32 bytes.
  void Set(const std::string& name, ByteView key);
  void Remove(const std::string& name);
  std::optional<std::string> NodeOf(const bus::CurvePublicKey& key) override;

 private:
  std::mutex mutex_;
  std::map<bus::CurvePublicKey, std::string> names_;
  std::map<std::string, bus::CurvePublicKey> keys_;
};

}  // namespace holdfast::controller
