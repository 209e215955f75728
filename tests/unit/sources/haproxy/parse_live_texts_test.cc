// Output of HAProxy 2.6.12, except where it is damaged on purpose.
#include "agent/sources/haproxy/parse_live_texts.h"

#include "agent/sources/haproxy/line_splitter.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::haproxy {
namespace {

TEST_CASE("haproxy live texts: show info") {
  const auto info =
      ParseInfo("Name: HAProxy\nNbthread: 2\nnode: a: b\nnothing\n: x\nName: other\n");
  REQUIRE(info == std::map<std::string, std::string>{
                      {"Name", "HAProxy"}, {"Nbthread", "2"}, {"node", "a: b"}});
}

TEST_CASE("haproxy live texts: the master's current workers") {
  REQUIRE(
      ParseWorkers("#<PID>          <type>          <reloads>       <uptime>        <version>\n"
                   "7465            master          1 [failed: 0]   0d00h00m07s     2.6.12\n"
                   "# workers\n"
                   "7576            worker          0               0d00h00m07s     2.6.12\n"
                   "7577            worker          0               0d00h00m07s     2.6.12\n"
                   "-1              worker          0\n"
                   "# old workers\n"
                   "7500            worker          1               0d00h00m09s     2.6.12\n"
                   "# programs\n"
                   "7600            worker          1               0d00h00m09s     2.6.12\n") ==
      std::vector<pid_t>{7576, 7577});
  REQUIRE(ParseWorkers("#<PID> <type>\n")->empty());
  REQUIRE_FALSE(ParseWorkers("Unknown command, but maybe one of the following\n"));
  REQUIRE_FALSE(ParseWorkers(""));
}

TEST_CASE("haproxy live texts: maps and ACLs") {
  REQUIRE(ParsePatternSets(
              "# id (file) description\n"
              "3 (/tmp/m (1).map) pattern loaded from file '/tmp/m (1).map' used by map at file "
              "'h.cfg' line 27. curr_ver=0 next_ver=0 entry_cnt=3\n"
              "1 () acl 'hdr' file 'h.cfg' line 23. curr_ver=0 next_ver=0 entry_cnt=0\n"
              "x (/a) pattern\n5 (/open\n\n") ==
          std::vector<PatternSet>{{3, "/tmp/m (1).map", "map at file 'h.cfg' line 27"},
                                  {1, "", "acl 'hdr' file 'h.cfg' line 23"}});
  REQUIRE(PatternOf("0x564eb6e46f90 b two words") == "b two words");
  REQUIRE(PatternOf("0x564eb6e46f90 ") == "");
  for (const char* other : {"", "0x", "0x564eb6e46f90", "0xz a", "# id", "0x1: key=a", "b two"})
    REQUIRE_FALSE(PatternOf(other));
}

TEST_CASE("haproxy live texts: the place of an inline list") {
  REQUIRE(ParseListPlace("acl 'hdr' file 'h.cfg' line 23") == ListPlace{"hdr", "h.cfg", 23});
  REQUIRE(ParseListPlace("acl 'src' file '/a' line 1' line 2") ==
          ListPlace{"src", "/a' line 1", 2});
  for (const char* other : {"", "map at file 'h.cfg' line 27", "acl 'hdr' file 'h.cfg'",
                            "acl 'hdr' file 'h.cfg' line x", "acl 'hdr' file 'h.cfg' line -1",
                            "acl 'hdr' line 3", "acl 'hdr' file ' line 3"})
    REQUIRE_FALSE(ParseListPlace(other));
}

TEST_CASE("haproxy live texts: a line of a file is parsed like HAProxy does") {
  REQUIRE(LoadedPattern("a 1\n", true) == "a 1");
  REQUIRE(LoadedPattern(" \tb\t  two words \t\r\n", true) == "b two words");
  REQUIRE(LoadedPattern("alone", true) == "alone ");
  REQUIRE(LoadedPattern(" two words ", false) == "two words ");
  REQUIRE(LoadedPattern(" #no comment", true) == "#no comment");
  for (const char* none : {"", "\n", "  \t", "# a 1", "#"}) {
    REQUIRE_FALSE(LoadedPattern(none, true));
    REQUIRE_FALSE(LoadedPattern(none, false));
  }
}

TEST_CASE("haproxy live texts: stick tables") {
  REQUIRE(ParseTableHead("# table: st_src, type: ip, size:1048576, used:1") ==
          TableHead{"st_src", "ip", 1048576, 1});
  REQUIRE(ParseTableHeads("# table: a/b, type: string, size:1, used:0\n"
                          "# table: , type: ip, size:1, used:1\n# table: x\nfoo\n"
                          "# table: c, type: ip, size:-1, used:1\n") ==
          std::vector<TableHead>{{"a/b", "string", 1, 0}});
  REQUIRE(RowOf("0x564eb6ff44f0: key=127.0.0.1 use=0 exp=3599736 gpc0=0") ==
          "key=127.0.0.1 use=0 exp=3599736 gpc0=0");
  for (const char* other : {"", "0x564eb6ff44f0", "0x564eb6ff44f0: kez=1", "key=1", "# contents"})
    REQUIRE_FALSE(RowOf(other));
}

TEST_CASE("haproxy live texts: rows are parsed and formatted") {
  using Fields = std::vector<std::pair<std::string, std::string>>;
  REQUIRE(
      ParseRow("key=::1 use=0 exp=9 gpc0=2 http_req_rate(10000)=4") ==
      TableRow{"::1",
               Fields{{"use", "0"}, {"exp", "9"}, {"gpc0", "2"}, {"http_req_rate(10000)", "4"}}});
  REQUIRE(ParseRow("key=a\\ b\\=c\\\\d\\xC3\\xA9\\t use=0") ==
          TableRow{"a b=c\\d\xC3\xA9\t", Fields{{"use", "0"}}});
  REQUIRE(ParseRow("key=")->key.empty());
  for (const char* broken :
       {"", "k=1", "key=a\\", "key=a\\x1 use=0", "key=a\\xzz", "key=a b", "key=a =1"})
    REQUIRE_FALSE(ParseRow(broken));

  for (const char* own : {"use", "exp", "shard", "http_req_rate(10000)"})
    REQUIRE_FALSE(IsStored(own, "1"));
  REQUIRE(IsStored("gpc0", "18446744073709551615"));
  REQUIRE_FALSE(IsStored("server_key", "-"));

  REQUIRE(EncodeCommandWord("a b;c\\d<<e=f\t#\xC3") == "a\\ b\\;c\\\\d\\<\\<e=f\\\t#\xC3");
  REQUIRE_FALSE(EncodeCommandWord(""));
  REQUIRE_FALSE(EncodeCommandWord("a\nb"));
  REQUIRE_FALSE(EncodeCommandWord(std::string_view("a\0b", 3)));
}

TEST_CASE("haproxy live texts: server columns are found by name") {
  const auto servers = ParseServerStates(
      "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
      "srv_iweight srv_time_since_last_change srv_check_status srv_port\n"
      "5 b 1 s1 127.0.0.1 2 0 10 10 5 1 18390\n"
      "5 b 3 s3 - 0 13 1 256 5 1 0\n\n"
      "5 b\n"
      "5 b 4 s4 ::1 x y z\n");
  REQUIRE(servers);
  REQUIRE(*servers == std::vector<ServerState>{{"b", "s1", "127.0.0.1", "18390", 0, 10, 10},
                                               {"b", "s3", "-", "0", 13, 1, 256},
                                               {"b", "s4", "::1", "", 0, 0, 0}});
  REQUIRE((*servers)[1].IsInMaintenance());
  REQUIRE((*servers)[1].IsDrained());
  REQUIRE_FALSE((*servers)[0].IsInMaintenance());
  REQUIRE_FALSE(ParseServerStates("2\n# be_id\n"));
  REQUIRE_FALSE(ParseServerStates("1\n"));
  REQUIRE_FALSE(ParseServerStates(""));
}

TEST_CASE("haproxy live texts: lines split over several reads") {
  std::vector<std::string> lines;
  const auto take = [&](std::string_view line) -> Result<void> {
    lines.emplace_back(line);
    return {};
  };
  LineSplitter cutter(5);
  for (const char* piece : {"ab", "c\n\nd", "e", "\nf\ngh"}) REQUIRE_OK(cutter.Feed(piece, take));
  REQUIRE(lines == std::vector<std::string>{"abc", "", "de", "f"});
  REQUIRE(cutter.rest() == "gh");
  REQUIRE_OK(cutter.Feed("ijk", take));
  REQUIRE_FAILS(cutter.Feed("l", take), ErrorCode::kCorrupt, "longer than");
  LineSplitter other(5);
  REQUIRE_FAILS(other.Feed("a\nb\n", [](auto) { return Fail(ErrorCode::kBusy, "x"); }),
                ErrorCode::kBusy, "x");
}

TEST_CASE("haproxy live texts: certificates") {
  REQUIRE(
      ParseCertificateFiles("# transaction\n*/new.pem\n# filename\n/tmp/hx/site.pem\n\n/b c\n") ==
      std::vector<std::string>{"/tmp/hx/site.pem", "/b c"});
  REQUIRE(ParseCertificate("Filename: /tmp/hx/site.pem\nStatus: Used\nSerial: 16A6\n"
                           "notBefore: Nov 22 21:47:39 2026 GMT\n"
                           "notAfter: Nov 24 21:47:39 2026 GMT\nSubject Alternative Name: \n"
                           "Algorithm: RSA2048\nSHA1 FingerPrint: 16F4\nSubject: /CN=a\n"
                           "Issuer: /CN=b\nChain Subject: /CN=c\n") ==
          LiveCertificate{"/tmp/hx/site.pem", "16F4", "16A6", "Nov 24 21:47:39 2026 GMT", "/CN=a",
                          "Used"});
  REQUIRE(ParseCertificate("Unknown command\n") == LiveCertificate{});

  // SHA-1 of "abc", as if it were a certificate.
  REQUIRE(FingerprintOfPem("-----BEGIN PRIVATE KEY-----\nx\n-----BEGIN CERTIFICATE-----\r\nYW\nJj\n"
                           "-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n") ==
          "A9993E364706816ABA3E25717850C26C9CD0D89D");
  for (const char* none :
       {"", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"})
    REQUIRE(FingerprintOfPem(none).empty());
}

}  // namespace
}  // namespace holdfast::haproxy
