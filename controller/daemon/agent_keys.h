// Which CURVE key is whose, for the bus's handshakes: what the catalog says, in memory.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/bus/bus_server.h"
#include "common/bus/curve_key.h"

namespace holdfast::controller {

// Safe to use from several threads. Names are nodes; of the admin socket, persons.
class AgentKeys final : public bus::Authenticator {
 public:
  // The name's one key from now on. REQUIRES: 32 bytes.
  void Set(const std::string& name, ByteView key);
  void Remove(const std::string& name);
  std::optional<std::string> NodeOf(const bus::CurvePublicKey& key) override;

 private:
  std::mutex mutex_;
  std::map<bus::CurvePublicKey, std::string> names_;
  std::map<std::string, bus::CurvePublicKey> keys_;
};

}  // namespace holdfast::controller
