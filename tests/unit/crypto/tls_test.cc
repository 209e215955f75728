#include "common/crypto/tls.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::crypto {
namespace {

using testing::Unwrap;

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

// A key with a self-signed certificate for localhost and 127.0.0.1.
class Identity {
 public:
  Identity(const TempDir& directory, const std::string& name)
      : cert_file(directory.path() + "/" + name + ".pem"),
        key_file(directory.path() + "/" + name + ".key"),
        key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free),
        cert_(X509_new(), &X509_free) {
    X509_set_version(cert_.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert_.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert_.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert_.get()), 3600);
    X509_NAME* subject = X509_get_subject_name(cert_.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const std::uint8_t*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(cert_.get(), subject);
    X509_set_pubkey(cert_.get(), key_.get());
    const Owned<X509_EXTENSION> names(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1"),
        &X509_EXTENSION_free);
    X509_add_ext(cert_.get(), names.get(), -1);
    REQUIRE(X509_sign(cert_.get(), key_.get(), EVP_sha256()) > 0);
    Write(cert_file, [this](BIO* out) { return PEM_write_bio_X509(out, cert_.get()); });
    Write(key_file, [this](BIO* out) {
      return PEM_write_bio_PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

  const std::string cert_file;
  const std::string key_file;

 private:
  template <typename Put>
  static void Write(const std::string& path, const Put& put) {
    const Owned<BIO> out(BIO_new_file(path.c_str(), "w"), &BIO_free_all);
    REQUIRE(put(out.get()) == 1);
  }
  Owned<EVP_PKEY> key_;
  Owned<X509> cert_;
};

// The server end, also in memory.
class Server {
 public:
  explicit Server(const Identity& identity, const Identity* wanted = nullptr)
      : context_(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free), session_(nullptr, &SSL_free) {
    SSL_CTX* context = context_.get();
    REQUIRE(SSL_CTX_use_certificate_file(context, identity.cert_file.c_str(), SSL_FILETYPE_PEM) ==
            1);
    REQUIRE(SSL_CTX_use_PrivateKey_file(context, identity.key_file.c_str(), SSL_FILETYPE_PEM) == 1);
    if (wanted != nullptr) {
      REQUIRE(SSL_CTX_load_verify_file(context, wanted->cert_file.c_str()) == 1);
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    session_.reset(SSL_new(context));
    SSL_set_bio(session_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(session_.get());
  }

  // Reads what the client sent, calls `act`, and feeds the answer to the client.
  template <typename Act>
  void Turn(TlsSession& client, const Act& act) {
    const Bytes said = client.Drain();
    if (!said.empty())
      BIO_write(SSL_get_rbio(session_.get()), said.data(), static_cast<int>(said.size()));
    act(session_.get());
    Bytes answer(BIO_ctrl_pending(SSL_get_wbio(session_.get())));
    if (answer.empty()) return;
    BIO_read(SSL_get_wbio(session_.get()), answer.data(), static_cast<int>(answer.size()));
    client.Feed(answer);
  }

  Result<void> Shake(TlsSession& client) {
    for (int turns = 0; turns < 10; ++turns) {
      HF_ASSIGN(const bool is_done, client.Shake());
      Turn(client, [](SSL* session) { SSL_do_handshake(session); });
      if (is_done) return {};
    }
    return Fail(ErrorCode::kTimedOut, "no end of the handshake");
  }

 private:
  Owned<SSL_CTX> context_;
  Owned<SSL> session_;
};

Result<void> TryHost(const TlsFiles& files, const Identity& identity, const std::string& host) {
  HF_ASSIGN(TlsSession client, TlsSession::Open(files, host));
  return Server(identity).Shake(client);
}

}  // namespace

TEST_CASE("tls: data goes both ways") {
  const TempDir directory = Unwrap(TempDir::Create("tls"));
  const Identity identity(directory, "server");
  TlsSession client = Unwrap(TlsSession::Open({.ca_file = identity.cert_file}, "localhost"));
  Server server(identity);
  REQUIRE_OK(server.Shake(client));
  Bytes buffer(100);
  // TLS 1.3 sends tickets after the handshake. The caller sees nothing of them.
  REQUIRE(Unwrap(client.Unseal(buffer)) == std::nullopt);

  REQUIRE_OK(client.Seal(AsBytes("hello")));
  Bytes received(5);
  server.Turn(client, [&](SSL* session) {
    REQUIRE(SSL_read(session, received.data(), 5) == 5);
    SSL_write(session, "and you", 7);
    SSL_shutdown(session);
  });
  REQUIRE(AsText(received) == "hello");
  REQUIRE(Unwrap(client.Unseal(buffer)) == 7U);
  REQUIRE(AsText(ByteView(buffer).first(7)) == "and you");
  REQUIRE(Unwrap(client.Unseal(buffer)) == 0U);
}

TEST_CASE("tls: the host must match, and its CA must be known") {
  const TempDir directory = Unwrap(TempDir::Create("tls"));
  const Identity identity(directory, "server");
  const Identity other(directory, "other");
  const TlsFiles files = {.ca_file = identity.cert_file};
  REQUIRE_OK(TryHost(files, identity, "127.0.0.1"));
  for (const char* host : {"127.0.0.2", "example.org"})
    REQUIRE_FAILS(TryHost(files, identity, host), ErrorCode::kDenied, "mismatch");
  REQUIRE_FAILS(TryHost({.ca_file = other.cert_file}, identity, "localhost"), ErrorCode::kDenied,
                "the server's certificate is not trusted:");
}

TEST_CASE("tls: a server that requires a client certificate") {
  const TempDir directory = Unwrap(TempDir::Create("tls"));
  const Identity identity(directory, "server");
  const Identity own(directory, "own");
  TlsFiles files = {.ca_file = identity.cert_file};
  TlsSession bare = Unwrap(TlsSession::Open(files, "localhost"));
  Server refusing(identity, &own);
  REQUIRE_OK(refusing.Shake(bare));
  Bytes buffer(100);
  // In TLS 1.3 the client learns of it after the handshake.
  REQUIRE_FAILS(bare.Unseal(buffer), ErrorCode::kDenied, "certificate required");

  files.cert_file = own.cert_file;
  files.key_file = own.key_file;
  TlsSession client = Unwrap(TlsSession::Open(files, "localhost"));
  Server server(identity, &own);
  REQUIRE_OK(server.Shake(client));
  REQUIRE(Unwrap(client.Unseal(buffer)) == std::nullopt);
}

TEST_CASE("tls: a peer without TLS and malformed files are refused") {
  const TempDir directory = Unwrap(TempDir::Create("tls"));
  const Identity identity(directory, "server");
  const Identity other(directory, "other");
  TlsSession client = Unwrap(TlsSession::Open({.ca_file = identity.cert_file}, "localhost"));
  REQUIRE_FALSE(Unwrap(client.Shake()));
  client.Feed(AsBytes("This ZooKeeper instance is not currently serving requests\n"));
  REQUIRE_FAILS(client.Shake(), ErrorCode::kUnavailable, "uses TLS");

  REQUIRE_FAILS(TlsSession::Open({.ca_file = directory.path() + "/none"}, "localhost"),
                ErrorCode::kInvalidArgument, "No such file");
  REQUIRE_FAILS(TlsSession::Open({.ca_file = identity.key_file}, "localhost"),
                ErrorCode::kInvalidArgument, "must be a PEM file");
  REQUIRE_FAILS(TlsSession::Open({.ca_file = identity.cert_file,
                                  .cert_file = identity.cert_file,
                                  .key_file = other.key_file},
                                 "localhost"),
                ErrorCode::kInvalidArgument, "private key");
}

}  // namespace holdfast::crypto
