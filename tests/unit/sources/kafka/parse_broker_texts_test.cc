#include "agent/sources/kafka/parse_broker_texts.h"

#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/support/results.h"

namespace holdfast::kafka {
namespace {

using testing::RequireRefused;
using testing::Unwrap;

constexpr std::string_view kId = "RbuwiR-FRg6IW9NkrCIH7w";

TEST_CASE("broker texts: properties are parsed like Java does") {
  const JavaProperties properties =
      Unwrap(ParseProperties("#node.id=9\n"
                             "! node.id=9\r\n"
                             "\n"
                             "a=1\r\n"
                             "  b : two words \n"
                             "c three\n"
                             "d\\=e\\:f=\\\\g\\u0041\\u00e9\\u20ac\\t\n"
                             "listeners=a,\\\n"
                             "    b,\\\n"
                             "    c\n"
                             "empty=\n"
                             "alone\n"
                             "a=2\n"
                             "last=x\\"));
  REQUIRE(properties == JavaProperties{{"a", "2"},
                                       {"b", "two words "},
                                       {"c", "three"},
                                       {"d=e:f", "\\gA\xc3\xa9\xe2\x82\xac\t"},
                                       {"listeners", "a,b,c"},
                                       {"empty", ""},
                                       {"alone", ""},
                                       {"last", "x"}});
  REQUIRE(Unwrap(ParseProperties("")).empty());
  REQUIRE_FAILS(ParseProperties("a=\\u12"), ErrorCode::kCorrupt, "four digits");
  REQUIRE_FAILS(ParseProperties("a=\\u12x4"), ErrorCode::kCorrupt, "four digits");
}

TEST_CASE("broker texts: meta.properties names the owner, for KRaft and ZooKeeper") {
  REQUIRE(Unwrap(ParseMetaProperties("#\n#Sun Nov 22 15:04:13 UTC 2026\nnode.id=1\n"
                                     "directory.id=L_zS8FWIKQ8sSCIc4-fKmw\nversion=1\n"
                                     "cluster.id=VGuvIhlUEgDnaLPNNs9ZsQ\n")) ==
          MetaProperties{true, "VGuvIhlUEgDnaLPNNs9ZsQ", 1, "L_zS8FWIKQ8sSCIc4-fKmw"});
  REQUIRE(Unwrap(ParseMetaProperties("version=0\nbroker.id=1001\ncluster.id=x\\=y\n")) ==
          MetaProperties{false, "x=y", 1001, ""});
  REQUIRE(Unwrap(ParseMetaProperties("version=0\n")) == MetaProperties{});
  REQUIRE_FAILS(ParseMetaProperties("version=2\nnode.id=1\n"), ErrorCode::kUnsupported,
                "version 2, but this program supports 0 and 1");
  RequireRefused(ParseMetaProperties, ErrorCode::kCorrupt,
                 {{"node.id=1\n", "its version is \"\""},
                  {"version=1\nnode.id=-1\n", "node.id"},
                  {"version=1\nnode.id=4294967297\n", "node.id"},
                  {"version=1\nnode.id=1\nbroker.id=2\n", "node.id is \"1\""}});
}

TEST_CASE("broker texts: partition.metadata has the topic's id") {
  REQUIRE(Unwrap(ParseTopicId(fmt::format("version: 0\ntopic_id: {}", kId))) == kId);
  REQUIRE(Unwrap(ParseTopicId(fmt::format("version: 0\ntopic_id: {}\n", kId))) == kId);
  REQUIRE_FAILS(ParseTopicId("version: 1\nx"), ErrorCode::kUnsupported, "newer");
  for (const char* broken :
       {"", "version: 0", "version: 0\n", "version: x\ntopic_id: RbuwiR-FRg6IW9NkrCIH7w",
        "version: 0\ntopic_id: ", "version: 0\ntopic_id: RbuwiR-FRg6IW9NkrCIH7",
        "version: 0\ntopic_id: RbuwiR-FRg6IW9NkrCIH7x",
        "version: 0\ntopic_id: RbuwiR/FRg6IW9NkrCIH7w",
        "version: 0\ntopic_id: RbuwiR-FRg6IW9NkrCIH7w\nmore"})
    REQUIRE_FAILS(ParseTopicId(broken), ErrorCode::kCorrupt, "");
}

TEST_CASE("broker texts: leader-epoch-checkpoint has the start of each leader epoch") {
  REQUIRE(Unwrap(ParseEpochs("0\n0\n")).empty());
  REQUIRE(Unwrap(ParseEpochs("0\n3\n0 0\n2 1001\n4 1001\n")) ==
          std::vector<EpochStart>{{0, 0}, {2, 1001}, {4, 1001}});
  REQUIRE_FAILS(ParseEpochs("1\n0\n"), ErrorCode::kUnsupported, "version 1");
  for (const char* broken :
       {"", "0", "x\n0\n", "0\n1\n", "0\n1\n0 0\n1 1\n", "0\n-1\n", "0\n2\n1 0\n1 5\n",
        "0\n2\n0 5\n1 4\n", "0\n1\n0\n", "0\n1\n0 0 0\n", "0\n1\n-1 0\n", "0\n1\n0 -1\n",
        "0\n1\n00 0\n", "0\n18446744073709551615\n0 0\n", "0\n1\n0 9223372036854775808\n"})
    REQUIRE_FAILS(ParseEpochs(broken), ErrorCode::kCorrupt, "");
}

TEST_CASE("broker texts: directory names of partitions are recognized") {
  REQUIRE(ParsePartitionName("orders-0") == PartitionName{"orders", 0});
  REQUIRE(ParsePartitionName("a-b-12") == PartitionName{"a-b", 12});
  REQUIRE(ParsePartitionName("--1") == PartitionName{"-", 1});
  REQUIRE(ParsePartitionName(std::string(249, 'x') + "-2147483647"));
  for (const std::string& other :
       {std::string("orders"), std::string("orders-"), std::string("-0"), std::string("orders-00"),
        std::string("orders-+1"), std::string("orders-2147483648"), std::string("..-0"),
        std::string("or ders-0"), std::string("meta.properties"), std::string(250, 'x') + "-0",
        std::string("orders-0.a9d3b7c8e1f54d6db2c1e0f9a8b7c6d5-delete"),
        std::string("orders-0.a9d3b7c8e1f54d6db2c1e0f9a8b7c6d5-future"),
        std::string("orders-0.a9d3b7c8e1f54d6db2c1e0f9a8b7c6d5-stray")})
    REQUIRE_FALSE(ParsePartitionName(other));
}

}  // namespace
}  // namespace holdfast::kafka
