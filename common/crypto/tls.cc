#include "common/crypto/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <climits>
#include <string_view>
#include <utility>

#include "common/base/format.h"

namespace holdfast::crypto {

struct TlsSession::Objects {
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context{nullptr, &SSL_CTX_free};
  std::unique_ptr<SSL, void (*)(SSL*)> session{nullptr, &SSL_free};
  BIO* from_server = nullptr;  // owned by the session, like the next one
  BIO* to_server = nullptr;
};

namespace {

// The last words of OpenSSL's first error, such as "certificate verify failed". Later errors only
// propagate it.
std::string FirstError() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_peek_error();
  if (code == 0) return "no details";
  ERR_error_string_n(code, text.data(), text.size());
  std::string_view words(text.data());
  words.remove_prefix(std::min(words.rfind(':') + 1, words.size()));
  return std::string(words);
}

std::unexpected<Error> Unusable(std::string_view what, const std::string& path) {
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} {}: {}", what, Quote(path), FirstError()),
              "it must be a PEM file that this user may read, and a key must have no passphrase");
}

bool IsAddress(const std::string& host) {
  std::array<std::uint8_t, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

bool ExpectHost(SSL* session, const std::string& host) {
  X509_VERIFY_PARAM* expected = SSL_get0_param(session);
  if (IsAddress(host)) return X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(expected, host.c_str(), host.size()) == 1 &&
         SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;  // makes a copy
}

Result<void> UseFiles(SSL_CTX* context, const TlsFiles& files) {
  // There is no terminal to prompt for a passphrase.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_load_verify_file(context, files.ca_file.c_str()) != 1)
    return Unusable("the authority's certificate", files.ca_file);
  if (files.cert_file.empty()) return {};
  if (SSL_CTX_use_certificate_chain_file(context, files.cert_file.c_str()) != 1)
    return Unusable("the certificate", files.cert_file);
  if (SSL_CTX_use_PrivateKey_file(context, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1)
    return Unusable("the private key", files.key_file);
  return {};
}

// The alerts by which a server refuses the client certificate, or requires one.
bool IsRefusal(std::string_view text) {
  for (const std::string_view one :
       {"alert certificate required", "alert bad certificate", "alert unknown ca",
        "alert certificate unknown", "alert certificate expired", "alert unsupported certificate",
        "alert access denied", "alert handshake failure"})
    if (text.find(one) != std::string_view::npos) return true;
  return false;
}

std::unexpected<Error> Broken(const SSL* session) {
  const long verified = SSL_get_verify_result(session);
  if (verified != X509_V_OK)
    return Fail(ErrorCode::kDenied,
                fmt::format("the server's certificate is not trusted: {}",
                            X509_verify_cert_error_string(verified)),
                "name the authority that signed it, and use a host name or address that the "
                "certificate covers");
  const std::string text = FirstError();
  if (IsRefusal(text))
    return Fail(ErrorCode::kDenied,
                fmt::format("the server refuses the client certificate, or requires one: {}", text),
                "give a certificate and a key that the server trusts");
  return Fail(ErrorCode::kUnavailable, fmt::format("TLS: {}", text),
              "check whether the server uses TLS at this port");
}

int Length(std::size_t bytes) { return static_cast<int>(std::min<std::size_t>(bytes, INT_MAX)); }

}  // namespace

TlsSession::TlsSession(std::unique_ptr<Objects> objects) : objects_(std::move(objects)) {}
TlsSession::TlsSession(TlsSession&& other) noexcept = default;
TlsSession& TlsSession::operator=(TlsSession&& other) noexcept = default;
TlsSession::~TlsSession() = default;

Result<TlsSession> TlsSession::Open(const TlsFiles& files, const std::string& host) {
  ERR_clear_error();
  auto objects = std::make_unique<Objects>();
  objects->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = objects->context.get();
  HF_CHECK(context != nullptr);
  HF_CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);  // so that writing never has to read
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  HF_TRY(UseFiles(context, files));
  objects->session.reset(SSL_new(context));
  SSL* session = objects->session.get();
  HF_CHECK(session != nullptr);
  if (!ExpectHost(session, host))
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is not a host", Quote(host)));
  objects->from_server = BIO_new(BIO_s_mem());
  objects->to_server = BIO_new(BIO_s_mem());
  HF_CHECK(objects->from_server != nullptr && objects->to_server != nullptr);
  SSL_set_bio(session, objects->from_server, objects->to_server);
  SSL_set_connect_state(session);
  return TlsSession(std::move(objects));
}

void TlsSession::Feed(ByteView from_server) {
  while (!from_server.empty()) {
    const int count =
        BIO_write(objects_->from_server, from_server.data(), Length(from_server.size()));
    HF_CHECK(count > 0);  // memory accepts all bytes
    from_server = from_server.subspan(static_cast<std::size_t>(count));
  }
}

Bytes TlsSession::Drain() {
  Bytes bytes(BIO_ctrl_pending(objects_->to_server));
  if (!bytes.empty())
    HF_CHECK(BIO_read(objects_->to_server, bytes.data(), Length(bytes.size())) ==
             Length(bytes.size()));
  return bytes;
}

Result<bool> TlsSession::Shake() {
  ERR_clear_error();
  SSL* session = objects_->session.get();
  const int outcome = SSL_do_handshake(session);
  if (outcome == 1) return true;
  if (SSL_get_error(session, outcome) == SSL_ERROR_WANT_READ) return false;
  return Broken(session);
}

Result<void> TlsSession::Seal(ByteView plain) {
  ERR_clear_error();
  SSL* session = objects_->session.get();
  while (!plain.empty()) {
    const int count = SSL_write(session, plain.data(), Length(plain.size()));
    if (count <= 0) return Broken(session);
    plain = plain.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<std::optional<std::size_t>> TlsSession::Unseal(std::span<std::uint8_t> buffer) {
  ERR_clear_error();
  SSL* session = objects_->session.get();
  const int count = SSL_read(session, buffer.data(), Length(buffer.size()));
  if (count > 0) return static_cast<std::size_t>(count);
  const int error = SSL_get_error(session, count);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error == SSL_ERROR_WANT_READ) return std::nullopt;
  return Broken(session);
}

}  // namespace holdfast::crypto
