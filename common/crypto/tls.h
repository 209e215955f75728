// TLS 1.2 and 1.3 as a client (RFC 8446), apart from any socket: what the server sent goes in, what
// it is to be sent comes out. For protocols that are not HTTP, which has common/io/http_client.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::crypto {

// PEM files. Nobody but `ca_file` is trusted, the system's own authorities neither.
struct TlsFiles {
  std::string ca_file;
  std::string cert_file = {};  // with the chain behind it; empty: the client has none
  std::string key_file = {};   // without a passphrase
};

// Used by one thread at a time. The server's certificate has to be for the host that is asked for.
// Errors: kDenied where either side refuses the other's certificate, kUnavailable where what came
// is no TLS or the server broke off.
class TlsSession {
 public:
  // `host` is a name or an address. kInvalidArgument for files that are missing, are no PEM or do
  // not belong together.
  static Result<TlsSession> Open(const TlsFiles& files, const std::string& host);
  TlsSession(TlsSession&& other) noexcept;
  TlsSession& operator=(TlsSession&& other) noexcept;
  ~TlsSession();

  // Bytes that came from the server.
  void Feed(ByteView from_server);
  // Bytes to send, none where there is nothing to say. An error goes with some, too: the alert.
  Bytes Drain();

  // Goes on with the handshake; false: the server has to be heard first.
  Result<bool> Shake();
  // REQUIRES: Shake() returned true; likewise below.
  Result<void> Seal(ByteView plain);
  // How many bytes in clear, 0 at the server's end; nullopt: it has to be heard first.
  Result<std::optional<std::size_t>> Unseal(std::span<std::uint8_t> buffer);

 private:
  struct Objects;
  explicit TlsSession(std::unique_ptr<Objects> objects);
  std::unique_ptr<Objects> objects_;
};

}  // namespace holdfast::crypto
