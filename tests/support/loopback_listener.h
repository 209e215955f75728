// A socket that listens on a free port of the loopback interface.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "common/base/format.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::testing {

// ::shutdown() on `socket` ends a pending accept().
struct LoopbackListener {
  LoopbackListener() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    HF_CHECK(::bind(socket.get(), raw, length) == 0);
    HF_CHECK(::listen(socket.get(), 64) == 0);
    HF_CHECK(::getsockname(socket.get(), raw, &length) == 0);
    authority = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
  }

  Fd socket;
  std::string authority;  // "127.0.0.1:PORT"
};

// A host name that does not resolve. Its first label is too long for DNS, so the resolver rejects
// it without a query to the network.
inline std::string UnknownHost() { return std::string(64, 'a') + ".example"; }

}  // namespace holdfast::testing
