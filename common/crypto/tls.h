// TLS 1.2 and 1.3 client (RFC 8446) without a socket: the caller feeds in what the server sent, and
// sends what comes out. For protocols other than HTTP, which has common/io/http_client.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::crypto {

// PEM files. Only `ca_file` is trusted; the system's CAs are ignored.
struct TlsFiles {
  std::string ca_file;
  std::string cert_file;  // with its chain; empty: no client certificate
  std::string key_file;   // without a passphrase
};

// One thread at a time. The server's certificate must match the requested host. Errors: kDenied if
// either side refuses the other's certificate, kUnavailable if the data is not TLS or the server
// closed the connection.
class TlsSession {
 public:
  // `host` is a name or an address. kInvalidArgument for files that are missing, not PEM, or do not
  // match.
  static Result<TlsSession> Open(const TlsFiles& files, const std::string& host);
  TlsSession(TlsSession&& other) noexcept;
  TlsSession& operator=(TlsSession&& other) noexcept;
  ~TlsSession();

  // Takes bytes from the server.
  void Feed(ByteView from_server);
  // Returns bytes to send, possibly none. Call it after an error too: there may be an alert.
  Bytes Drain();

  // Continues the handshake; false: it needs data from the server first.
  Result<bool> Shake();
  // Encrypts `plain` for Drain(). REQUIRES: Shake() returned true; the same below.
  Result<void> Seal(ByteView plain);
  // Decrypts. Returns the number of bytes, 0 at the end; nullopt: it needs data from the server
  // first.
  Result<std::optional<std::size_t>> Unseal(std::span<std::uint8_t> buffer);

 private:
  struct Objects;
  explicit TlsSession(std::unique_ptr<Objects> objects);
  std::unique_ptr<Objects> objects_;
};

}  // namespace holdfast::crypto
