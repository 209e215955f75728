#include "common/repository/format/tree_codec.h"

#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::repository {
namespace {
using holdfast::testing::Unwrap;

const Id kTreeId =
    Unwrap(ParseId("ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8"));
const Id kHello =
    Unwrap(ParseId("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"));

// Like a node of the directory that the golden texts come from.
TreeNode NodeOf(NodeType type, std::string name, std::uint32_t mode, std::uint64_t inode) {
  TreeNode node;
  node.name = std::move(name);
  Attributes& attributes = node.attributes;
  attributes.type = type;
  attributes.mode = mode;
  attributes.mtime = {1'500'000'000, 123'000'000};
  attributes.atime = {1'600'000'000, 0};
  attributes.ctime = {1'795'232'726, 106'664'116};
  attributes.user = "root";
  attributes.group = "root";
  attributes.inode = inode;
  attributes.device_id = 65024;
  if (type == NodeType::kDirectory) node.subtree = kTreeId;
  return node;
}

std::string Encoded(const TreeNode& node) {
  std::string out;
  AppendNode(out, node);
  return out;
}

// The part of all golden nodes between mode and inode.
constexpr const char* kTimes =
    R"("mtime":"2017-07-14T02:40:00.123Z","atime":"2017-07-14T02:40:00.123Z",)"
    R"("ctime":"2026-11-21T03:45:26.106664116Z","uid":0,"gid":0,"user":"root","group":"root",)";

Result<std::vector<TreeNode>> Decode(std::string_view json) {
  std::vector<TreeNode> nodes;
  HF_TRY(VisitTree(kTreeId, AsBytes(json), [&](const TreeNode& node, std::string_view) {
    nodes.push_back(node);
    return Result<void>();
  }));
  return nodes;
}

TEST_CASE("tree codec: each type of node is encoded as by restic") {
  TreeNode file = NodeOf(NodeType::kFile, "suid", 06755, 10028652);
  file.attributes.size = 5;
  file.attributes.links = 2;
  file.attributes.extended = {{"user.comment", ToBytes("x<y")}, {"user.aa", ToBytes("x<y")}};
  file.content = {kHello};
  TreeNode block = NodeOf(NodeType::kBlockDevice, "blk", 0644, 10028653);
  block.attributes.device = 2049;
  TreeNode character = NodeOf(NodeType::kCharDevice, "chr", 0600, 10028654);
  character.attributes.device = 259;
  TreeNode link = NodeOf(NodeType::kSymlink, "link", 0777, 10028648);
  link.attributes.link_target = "<a>&\b\f\x01\"\\\u2028\x7f";
  TreeNode directory = NodeOf(NodeType::kDirectory, "dir", 01777, 10028651);
  directory.attributes.links = 2;
  directory.attributes.extended = {{"user.zz", {}}};

  std::string times = kTimes;
  CHECK(Encoded(file) == R"({"name":"suid","type":"file","mode":12583405,)" + times +
                             R"("inode":10028652,"device_id":65024,"size":5,"links":2,)"
                             R"("extended_attributes":[{"name":"user.comment","value":"eDx5"},)"
                             R"({"name":"user.aa","value":"eDx5"}],"content":[")" +
                             kHello.Hex() + R"("]})");
  CHECK(Encoded(block) == R"({"name":"blk","type":"dev","mode":67109284,)" + times +
                              R"("inode":10028653,"device_id":65024,"links":1,"device":2049,)"
                              R"("content":null})");
  CHECK(Encoded(character) == R"({"name":"chr","type":"chardev","mode":69206400,)" + times +
                                  R"("inode":10028654,"device_id":65024,"links":1,"device":259,)"
                                  R"("content":null})");
  CHECK(Encoded(NodeOf(NodeType::kFifo, "fifo", 0644, 10028650)) ==
        R"({"name":"fifo","type":"fifo","mode":33554852,)" + times +
            R"("inode":10028650,"device_id":65024,"content":null})");
  CHECK(Encoded(link) == R"({"name":"link","type":"symlink","mode":134218239,)" + times +
                             R"("inode":10028648,"device_id":65024,"links":1,"linktarget":)"
                             "\"\\u003ca\\u003e\\u0026\\b\\f\\u0001\\\"\\\\\\u2028\x7f\""
                             R"(,"content":null})");
  CHECK(Encoded(directory) == R"({"name":"dir","type":"dir","mode":2148532735,)" + times +
                                  R"("inode":10028651,"device_id":65024,"extended_attributes":)"
                                  R"([{"name":"user.zz","value":""}],"content":null,"subtree":")" +
                                  kTreeId.Hex() + R"("})");
  CHECK(Encoded(NodeOf(NodeType::kFile, "a<b>&c'", 0644, 1)) ==
        R"({"name":"a\u003cb\u003e\u0026c'","type":"file","mode":420,)" + times +
            R"("inode":1,"device_id":65024,"links":1,"content":[]})");
}

TEST_CASE("tree codec: metadata without a restic field is preserved") {
  TreeNode link = NodeOf(NodeType::kSymlink, "l", 0777, 1);
  link.attributes.link_target = "inv\xe9";
  CHECK_THAT(Encoded(link),
             Catch::Contains(R"("linktarget":"inv\ufffd","linktarget_raw":"aW526Q==")"));
  CHECK(Unwrap(DecodeNode(Encoded(link))).attributes.link_target == "inv\xe9");

  TreeNode fifo = NodeOf(NodeType::kFifo, "f", 0644, 2);
  fifo.attributes.links = 3;
  CHECK_THAT(Encoded(fifo), Catch::Contains(R"("links":3)"));
  CHECK_THAT(Encoded(NodeOf(NodeType::kSocket, "s", 0755, 3)),
             Catch::Contains(R"("type":"socket","mode":16777709,)"));
}

TEST_CASE("tree codec: zero values are omitted, except times") {
  TreeNode node;
  node.name = "x";
  CHECK(
      Encoded(node) ==
      R"({"name":"x","type":"file","mtime":"1970-01-01T00:00:00Z","atime":"1970-01-01T00:00:00Z",)"
      R"("ctime":"1970-01-01T00:00:00Z","uid":0,"gid":0,"links":1,"content":[]})");
}

TEST_CASE("tree codec: every node decodes unchanged") {
  for (NodeType type :
       {NodeType::kFile, NodeType::kDirectory, NodeType::kSymlink, NodeType::kBlockDevice,
        NodeType::kCharDevice, NodeType::kFifo, NodeType::kSocket}) {
    for (std::uint32_t mode : {0U, 0644U, 04755U, 02750U, 01777U, 07777U}) {
      TreeNode node = NodeOf(type, "n\xff\n", mode, 7);
      node.attributes.atime = node.attributes.mtime;
      node.attributes.uid = 4'294'967'295U;
      if (type == NodeType::kSymlink) node.attributes.link_target = "t";
      if (type == NodeType::kBlockDevice) node.attributes.device = ~0ULL;
      if (type == NodeType::kFile) {
        node.attributes.size = 1ULL << 60;
        node.content = {kHello, kTreeId};
      }
      TreeNode back = Unwrap(DecodeNode(Encoded(node)));
      CHECK(back.name == node.name);
      CHECK(back.attributes == node.attributes);
      CHECK(back.content == node.content);
      CHECK(back.subtree == node.subtree);
    }
  }
}

TEST_CASE("tree codec: the blob is sorted by bytes, whatever the order of insertion") {
  CHECK(AsText(Unwrap(TreeBuilder().Finish())) == "{\"nodes\":[]}\n");
  TreeBuilder in_order;
  TreeBuilder shuffled;
  for (const char* name : {"\x01", "A", "a", "a.b", "b", "\xff"}) {
    TreeNode node;
    node.name = name;
    CHECK(in_order.Add(node));
  }
  for (const char* name : {"b", "\xff", "a", "\x01", "a.b", "A"}) {
    TreeNode node;
    node.name = name;
    CHECK(shuffled.Add(node));
    CHECK(shuffled.Has(name));
    CHECK_FALSE(shuffled.Has("missing"));
    CHECK_FALSE(shuffled.Add(node));
  }
  CHECK(in_order.Has("a.b"));
  Bytes expected = Unwrap(in_order.Finish());
  CHECK(AsText(Unwrap(shuffled.Finish())) == AsText(expected));
  Directory directory = Unwrap(Directory::Parse(kTreeId, expected));
  CHECK(directory.size() == 6);
  CHECK(directory.name(0) == "\x01");
  CHECK(directory.name(5) == "\xff");
}

TEST_CASE("tree codec: any form of JSON is read") {
  std::vector<TreeNode> nodes = Unwrap(Decode(R"( {"other":[{"deep":[1,2]}],
    "nodes" : [ {"content":[], "future":{"x":1}, "type":"file","name":"\u0062","user":null,
      "mtime":"2023-11-14T22:13:20.120+00:00","links":0},
      {"type":"file","name":"a","content":null,"size":3} ] , "more":null} )"));
  REQUIRE(nodes.size() == 2);
  CHECK(nodes[0].name == "b");
  CHECK(nodes[0].attributes.mtime == UnixTime{1'700'000'000, 120'000'000});
  CHECK(nodes[0].attributes.links == 1);
  CHECK(nodes[0].has_content);
  CHECK_FALSE(nodes[1].has_content);
  CHECK(Unwrap(Decode(R"({"nodes":null})")).empty());
}

TEST_CASE("tree codec: fields are accepted in any order") {
  const TreeNode node = Unwrap(DecodeNode(
      R"({"size":7,"ctime":"2023-11-14T22:13:20Z","name":"a","links":2,"mtime":"2023-11-14T22:13:20Z",)"
      R"("gid":4,"uid":3,"content":[],"mode":420,"type":"file","atime":"2023-11-14T22:13:21Z"})"));
  CHECK(node.name == "a");
  CHECK(node.attributes.size == 7);
  CHECK(node.attributes.links == 2);
  CHECK(node.attributes.uid == 3);
  CHECK(node.attributes.gid == 4);
  CHECK(node.attributes.mode == 0644);
  CHECK(node.attributes.mtime == UnixTime{1'700'000'000, 0});
  CHECK(node.attributes.ctime == node.attributes.mtime);
  CHECK(node.attributes.atime == UnixTime{1'700'000'001, 0});
}

TEST_CASE("tree codec: a visitor gets the JSON of each node") {
  std::vector<std::string> texts;
  std::string blob = R"({"nodes":[ {"name":"a","type":"fifo"} ,{"name":"b","type":"fifo"}]})";
  REQUIRE_OK(VisitTree(kTreeId, AsBytes(blob), [&](const TreeNode&, std::string_view json) {
    texts.emplace_back(json);
    return Result<void>();
  }));
  CHECK(texts ==
        std::vector<std::string>{R"({"name":"a","type":"fifo"})", R"({"name":"b","type":"fifo"})"});
}

// Parses only the names first, and then each entry.
Result<void> ReadDirectory(const std::string& json) {
  HF_ASSIGN(const Directory directory, Directory::Parse(kTreeId, ToBytes(json)));
  for (std::size_t i = 0; i < directory.size(); ++i) HF_TRY(directory.Node(i));
  return {};
}

TEST_CASE("tree codec: hostile trees are refused and named") {
  const std::string zeros(64, '0');
  const std::string kBad[] = {
      "",
      "[]",
      "{}",
      R"({"nodes":{}})",
      R"({"nodes":[1]})",
      R"({"nodes":[{"name":"a","type":"fifo"})",
      R"({"nodes":[{"name":"a","type":"fifo"}]} x)",
      R"({"nodes":[{"name":"","type":"fifo"}]})",
      R"({"nodes":[{"type":"fifo"}]})",
      R"({"nodes":[{"name":".","type":"fifo"}]})",
      R"({"nodes":[{"name":"..","type":"fifo"}]})",
      R"({"nodes":[{"name":"a/b","type":"fifo"}]})",
      R"({"nodes":[{"name":"\\x2e\\x2e","type":"fifo"}]})",
      R"({"nodes":[{"name":"a\\x2fb","type":"fifo"}]})",
      R"({"nodes":[{"name":"a\\x00","type":"fifo"}]})",
      R"({"nodes":[{"name":"a\\q","type":"fifo"}]})",
      R"({"nodes":[{"name":"a"}]})",
      R"({"nodes":[{"name":"a","type":"irregular"}]})",
      R"({"nodes":[{"name":"a","type":"dir"}]})",
      R"({"nodes":[{"name":"a","type":"dir","subtree":"12"}]})",
      R"({"nodes":[{"name":"a","type":"dir","subtree":")" + zeros + R"("}]})",
      R"({"nodes":[{"name":"a","type":"file","content":["zz"]}]})",
      R"({"nodes":[{"name":"a","type":"file","content":"x"}]})",
      R"({"nodes":[{"name":"a","type":"file","size":-1}]})",
      R"({"nodes":[{"name":"a","type":"file","uid":4294967296}]})",
      R"({"nodes":[{"name":"a","type":"file","mtime":"yesterday"}]})",
      R"({"nodes":[{"name":"a","type":"file","mtime":""}]})",
      R"({"nodes":[{"name":"a","type":"file","mtime":"2023-11-14T22:13:20Z","ctime":""}]})",
      R"({"nodes":[{"name":"a","type":"symlink","linktarget_raw":"*"}]})",
  };
  for (const std::string& json : kBad) {
    INFO(json);
    REQUIRE_FAILS(Decode(json), ErrorCode::kCorrupt, kTreeId.Hex());
    REQUIRE_FAILS(ReadDirectory(json), ErrorCode::kCorrupt, kTreeId.Hex());
  }
  REQUIRE_FALSE(Decode(R"({"nodes":[{"x":)" + std::string(100'000, '[')));
}

TEST_CASE("tree codec: unsorted and duplicate names are found") {
  Directory directory = Unwrap(Directory::Parse(
      kTreeId, ToBytes(R"({"nodes":[{"name":"b","type":"fifo"},{"name":"a","type":"fifo"},)"
                       R"({"name":"b","type":"socket"}]})")));

  REQUIRE(directory.size() == 2);
  CHECK(directory.Find("a") == 0);
  CHECK(Unwrap(directory.Node(1)).attributes.type == NodeType::kFifo);
  CHECK_FALSE(directory.Find("c"));
  CHECK_FALSE(directory.Find(""));
}

TEST_CASE("tree codec: a directory of a hundred thousand entries stays compact") {
  TreeBuilder builder;
  for (int i = 0; i < 100'000; ++i) {
    REQUIRE(builder.Add(NodeOf(NodeType::kFile, fmt::format("file-{:06}", i), 0644, 1)));
  }
  Bytes blob = Unwrap(builder.Finish());
  std::size_t blob_bytes = blob.capacity();
  Directory directory = Unwrap(Directory::Parse(kTreeId, std::move(blob)));

  CHECK(directory.size() == 100'000);
  CHECK(directory.memory() < blob_bytes + 100'000 * 64);
  CHECK(Unwrap(directory.Node(*directory.Find("file-077777"))).name == "file-077777");
}

}  // namespace
}  // namespace holdfast::repository
