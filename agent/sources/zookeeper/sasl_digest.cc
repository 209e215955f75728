#include "agent/sources/zookeeper/sasl_digest.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/crypto/md5.h"

namespace holdfast::zookeeper {
namespace {

using Directives = std::map<std::string, std::string, std::less<>>;

constexpr std::size_t kNonceBytes = 16;

// Parses name=value, name="value" and so on. The first value of a repeated name counts.
Result<Directives> ReadDirectives(std::string_view text) {
  Directives directives;
  const auto bad = [] {
    return Fail(ErrorCode::kUnsupported, "the server requires a SASL login other than DIGEST-MD5",
                "SASL is supported with DIGEST-MD5, not with Kerberos (GSSAPI): configure a "
                "DigestLoginModule on the server, or log in with another scheme");
  };
  while (!text.empty()) {
    const std::size_t begin = text.find_first_not_of(", \t");
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return bad();
    const std::string name(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    std::string value;
    if (text.starts_with('"')) {
      std::size_t at = 1;
      for (; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        value.push_back(text[at]);
      }
      if (at == text.size()) return bad();
      text.remove_prefix(at + 1);
    } else {
      const std::size_t end = std::min(text.find(','), text.size());
      value = text.substr(0, end);
      text.remove_prefix(end);
    }
    directives.emplace(name, std::move(value));
  }
  if (!directives.contains("nonce")) return bad();
  return directives;
}

std::string Quoted(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text.push_back('\\');
    text.push_back(c);
  }
  return text + '"';
}

std::string Md5Raw(std::string_view text) {
  const auto sum = crypto::Md5Of(AsBytes(text));
  return std::string(AsText(sum));
}
std::string Md5Hex(std::string_view text) { return HexEncode(AsBytes(Md5Raw(text))); }

// As in the RFC: ISO 8859-1 if it has all characters of the text.
std::string Latin(std::string_view text) {
  std::string latin;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      latin.push_back(text[i]);
      continue;
    }
    const bool is_latin = (byte == 0xc2 || byte == 0xc3) && i + 1 < text.size() &&
                          (static_cast<unsigned char>(text[i + 1]) & 0xc0) == 0x80;
    if (!is_latin) return std::string(text);
    latin.push_back(static_cast<char>((byte & 0x03) << 6 | (text[++i] & 0x3f)));
  }
  return latin;
}

}  // namespace

Result<SaslDigest> SaslDigest::Answer(std::string_view challenge, const Secret& login,
                                      Random& random, std::string_view service) {
  const std::string_view text = login.Reveal();
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos)
    return Fail(ErrorCode::kInvalidArgument, "a SASL login needs a user and a password",
                "write sasl:USER:PASSWORD to the --auth-file");
  const std::string_view user = text.substr(0, colon);
  HF_ASSIGN(Directives asked, ReadDirectives(challenge));
  if (asked.contains("qop") && asked["qop"].find("auth") == std::string::npos)
    return Fail(ErrorCode::kUnsupported, "the server requires SASL integrity or privacy protection",
                "disable the protection on the server; use TLS instead");
  std::array<std::uint8_t, kNonceBytes> random_bytes{};
  random.Fill(random_bytes);
  const std::string client_nonce = HexEncode(random_bytes);
  const std::string realm = asked["realm"];
  const std::string nonce = asked["nonce"];

  const Secret known(
      Md5Raw(fmt::format("{}:{}:{}", Latin(user), realm, Latin(text.substr(colon + 1)))));
  const std::string session = Md5Hex(fmt::format("{}:{}:{}", known.Reveal(), nonce, client_nonce));
  const auto prove = [&](std::string_view what) {
    return Md5Hex(fmt::format("{}:{}:00000001:{}:auth:{}", session, nonce, client_nonce,
                              Md5Hex(fmt::format("{}:{}", what, service))));
  };
  std::string response = fmt::format(
      "charset=utf-8,username={},realm={},nonce={},nc=00000001,cnonce={},digest-uri={},"
      "response={},qop=auth",
      Quoted(user), Quoted(realm), Quoted(nonce), Quoted(client_nonce), Quoted(service),
      prove("AUTHENTICATE"));
  return SaslDigest(std::move(response), "rspauth=" + prove(""));
}

Result<void> SaslDigest::Check(std::string_view answer) const {
  if (answer == proof_) return {};
  return Fail(ErrorCode::kDenied, "the server refuses the SASL login",
              "check user and password of the line sasl:USER:PASSWORD in --auth-file");
}

}  // namespace holdfast::zookeeper
