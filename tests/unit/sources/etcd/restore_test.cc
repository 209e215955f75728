#include "agent/sources/etcd/restore.h"

#include "tests/support/results.h"

namespace holdfast::etcd {
namespace {

RestoreTool Tool(const std::string& name, const std::string& version, bool can_bump = false) {
  return {"/bin/" + name, name, version, *ParseVersion(version), can_bump};
}

}  // namespace

TEST_CASE("restore tool: the snapshot's version is preferred, then the next newer one") {
  std::vector<RestoreTool> all = {Tool("etcdutl", "3.6.8", true), Tool("etcdutl", "3.5.21"),
                                  Tool("etcdctl", "3.4.23")};

  REQUIRE(testing::Unwrap(ChooseTool(all, Version{3, 4}, false)).version_text == "3.4.23");
  REQUIRE(testing::Unwrap(ChooseTool(all, Version{3, 5}, false)).version_text == "3.5.21");
  REQUIRE(testing::Unwrap(ChooseTool(all, Version{3, 4}, true)).version_text == "3.6.8");
  REQUIRE(testing::Unwrap(ChooseTool(all, std::nullopt, false)).version_text == "3.6.8");
  all.pop_back();
  REQUIRE(testing::Unwrap(ChooseTool(all, Version{3, 4}, false)).version_text == "3.5.21");
}

TEST_CASE("restore tool: unsuitable tools are named in the error") {
  REQUIRE_FAILS(ChooseTool({}, Version{3, 6}, false), ErrorCode::kUnsupported,
                "neither is in PATH");
  REQUIRE_FAILS(ChooseTool({Tool("etcdctl", "3.6.8")}, Version{3, 6}, false),
                ErrorCode::kUnsupported, "etcdctl 3.6.8");
  REQUIRE_FAILS(ChooseTool({Tool("etcdctl", "3.4.23")}, Version{3, 6}, false),
                ErrorCode::kUnsupported, "not older than the snapshot's 3.6");
  REQUIRE_FAILS(ChooseTool({Tool("etcdctl", "3.4.23")}, Version{3, 4}, true),
                ErrorCode::kUnsupported, "--bump-revision");
}

TEST_CASE("versions: two numbers are enough, fewer are refused") {
  REQUIRE(ParseVersion("3.4.23") == Version{3, 4});
  REQUIRE(ParseVersion("3.6.0-rc.1") == Version{3, 6});
  REQUIRE_FALSE(ParseVersion("3"));
  REQUIRE_FALSE(ParseVersion("v3.4"));
  REQUIRE_FALSE(ParseVersion(""));
}

TEST_CASE("initial cluster: parsed and formatted like etcd's") {
  std::string text = "n1=https://a:2380,n2=http://b:2380,n1=https://c:2380";
  auto peers = testing::Unwrap(ParseInitialCluster(text));

  REQUIRE(peers.size() == 2);
  REQUIRE(peers[0].urls.size() == 2);
  REQUIRE(InitialClusterText(peers) == "n1=https://a:2380,n1=https://c:2380,n2=http://b:2380");
  for (const char* bad : {"n1", "n1=a:2380", "=http://a:1", "n1=http://a:1,,n2=http://b:1"})
    REQUIRE_FAILS(ParseInitialCluster(bad), ErrorCode::kInvalidArgument, "NAME=PEER-URL");
}

TEST_CASE("initial cluster: a manifest gives the started voting members") {
  Manifest manifest;
  manifest.members = {{{"name", "n2"}, {"peer_urls", "http://b:1,http://c:1"}},
                      {{"name", "n1"}, {"peer_urls", "http://a:1"}},
                      {{"name", ""}, {"peer_urls", "http://d:1"}},
                      {{"name", "n3"}, {"peer_urls", "http://e:1"}, {"learner", "true"}}};

  REQUIRE(InitialClusterText(PeersOf(manifest)) == "n1=http://a:1,n2=http://b:1,n2=http://c:1");
}

}  // namespace holdfast::etcd
