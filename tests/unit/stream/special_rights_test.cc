#include "common/stream/special_rights.h"

#include "tests/support/catch.h"

namespace holdfast {
namespace {

using Texts = std::vector<std::string>;

Attributes Of(NodeType type, std::uint32_t mode, std::vector<std::string> extended = {}) {
  Attributes attributes;
  attributes.type = type;
  attributes.mode = mode;
  for (std::string& name : extended) attributes.extended.push_back({std::move(name), {1}});
  return attributes;
}

TEST_CASE("special rights: what is not kept is removed, and named") {
  struct Row {
    SpecialRights kept;
    Attributes before;
    std::uint32_t mode;
    Texts extended;
    std::string removed;
  };
  const SpecialRights none = SpecialRights::None();
  const std::vector<Row> rows = {
      {none, Of(NodeType::kFile, 06755), 0755, {}, "setuid, setgid"},
      {none, Of(NodeType::kFile, 01644), 01644, {}, ""},
      {none, Of(NodeType::kDirectory, 06755), 06755, {}, ""},
      {none,
       Of(NodeType::kFile, 0644,
          {"user.x", "security.capability", "security.selinux", "trusted.x",
           "system.posix_acl_access"}),
       0644,
       {"user.x", "security.selinux", "system.posix_acl_access"},
       "\"security.capability\", \"trusted.x\""},
      {{.setuid = true, .devices = false, .fifos = false, .capabilities = false},
       Of(NodeType::kFile, 04755, {"security.capability"}),
       04755,
       {},
       "\"security.capability\""},
      {{.setuid = false, .devices = false, .fifos = false, .capabilities = true},
       Of(NodeType::kFile, 04755, {"security.capability"}),
       0755,
       {"security.capability"},
       "setuid"},
      {{}, Of(NodeType::kFile, 06755, {"trusted.x"}), 06755, {"trusted.x"}, ""},
  };
  for (const Row& row : rows) {
    Attributes attributes = row.before;
    CHECK(RemoveRights(row.kept, attributes) == row.removed);
    CHECK(attributes.mode == row.mode);
    Texts names;
    for (const ExtendedAttribute& one : attributes.extended) names.push_back(one.name);
    CHECK(names == row.extended);
  }
}

TEST_CASE("special rights: devices, FIFOs and sockets exist only if they are kept") {
  SpecialRights devices = SpecialRights::None();
  devices.devices = true;
  SpecialRights fifos = SpecialRights::None();
  fifos.fifos = true;
  for (const NodeType type : {NodeType::kBlockDevice, NodeType::kCharDevice}) {
    CHECK(MayExist(devices, type));
    CHECK_FALSE(MayExist(fifos, type));
  }
  for (const NodeType type : {NodeType::kFifo, NodeType::kSocket}) {
    CHECK(MayExist(fifos, type));
    CHECK_FALSE(MayExist(devices, type));
  }
  for (const NodeType type : {NodeType::kFile, NodeType::kDirectory, NodeType::kSymlink}) {
    CHECK(MayExist(SpecialRights::None(), type));
  }
}

TEST_CASE("special rights: the report names each path once, and is bounded") {
  LeftOutList list;
  const auto filter = [&list](const std::string& path, NodeType type) {
    Attributes attributes = Of(type, 0644);
    return list.Filter(SpecialRights::None(), path, attributes);
  };
  CHECK(filter("data/file", NodeType::kFile));
  CHECK(list.empty());
  CHECK_FALSE(filter("data/pipe", NodeType::kFifo));
  CHECK_FALSE(filter("data/pipe", NodeType::kFifo));
  CHECK(list.Lines() == Texts{"left out data/pipe: it is a FIFO"});

  for (std::size_t i = 0; i < 2 * LeftOutList::kMax; ++i) {
    filter("data/" + std::to_string(i), NodeType::kSocket);
  }
  CHECK(list.Lines().size() == LeftOutList::kMax + 1);
  CHECK(list.Lines().back() == "left out more special files and rights, which are not listed");
}

}  // namespace
}  // namespace holdfast
