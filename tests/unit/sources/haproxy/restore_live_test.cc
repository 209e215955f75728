#include "agent/sources/haproxy/restore_live.h"

#include <algorithm>

#include "agent/sources/haproxy/pattern_sum.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/fake_haproxy.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"

namespace holdfast::haproxy {
namespace {

using testing::FakeHaproxy;
using testing::Unwrap;
using Texts = std::vector<std::string>;

std::string SumOf(const Texts& entries) {
  PatternDigest sum;
  for (const std::string& entry : entries) sum.Add(entry);
  return HexEncode(sum.Digest());
}

struct Rig {
  Rig() {
    answers = {{"show cli level", "admin\n"},
               {"show map", "3 (/a.map) pattern. curr_ver=0\n"},
               {"show acl", "1 (/b.acl) pattern. curr_ver=0\n"},
               {"show map #3", "0x1 k 1\n"},
               {"show acl #1", "0x1 x\n"},
               {"prepare map #3", "New version created: 4\n"},
               {"prepare acl #1", "New version created: 5\n"},
               {"commit map @4 #3", ""},
               {"commit acl @5 #1", ""},
               {"show table", "# table: t, type: ip, size:10, used:1\n"}};
    live.workers = {{.directory = "1"}};
  }
  std::string Path(const std::string& name) const { return directory.path() + "/" + name; }

  void StoreMap(const Texts& entries) {
    std::string text;
    for (const std::string& entry : entries) text += entry + "\n";
    files["1/maps/a.map"] = text;
    live.workers[0].patterns.push_back({"map", "/a.map", "1/maps/a.map", SumOf(entries)});
  }
  void StoreAcl(const Texts& entries) {
    std::string text;
    for (const std::string& entry : entries) text += entry + "\n";
    files["1/acls/b.acl"] = text;
    live.workers[0].patterns.push_back({"acl", "/b.acl", "1/acls/b.acl", SumOf(entries)});
  }
  void StoreTable(const std::string& type, const Texts& rows) {
    std::string text = "# table: t, type: ip, size:10, used:1\n";
    for (const std::string& row : rows) text += row + "\n";
    files["1/tables/t"] = text;
    live.workers[0].tables.push_back({"t", type, "1/tables/t", rows.size()});
  }

  Result<void> PutBack() {
    FakeHaproxy haproxy(Path("s"), answers);
    for (auto& [question, answer] : raw) haproxy.SetRaw(question, answer);
    const RuntimeApi api = Unwrap(RuntimeApi::Open(Path("s"), clock, {}));
    const auto open = [&](const std::string& path) -> Result<std::unique_ptr<ByteReader>> {
      if (!files.contains(path)) return Fail(ErrorCode::kNotFound, path);
      return std::make_unique<testing::BytesReader>(ToBytes(files[path]));
    };
    Result<void> done = RestoreRuntimeState(api, live, open, changes);
    asked = haproxy.asked();
    return done;
  }
  bool WasAsked(const std::string& question) const {
    return std::ranges::find(asked, question) != asked.end();
  }

  TempDir directory = Unwrap(TempDir::Create("live-restore"));
  testing::ManualClock clock;
  FakeHaproxy::Answers answers;
  std::map<std::string, std::function<std::string()>> raw;
  std::map<std::string, std::string> files;
  SavedRuntimeState live;
  LiveChanges changes;
  Texts asked;
};

TEST_CASE("haproxy live restore: unchanged state is not touched") {
  Rig rig;
  rig.StoreMap({"k 1"});
  rig.StoreAcl({"x"});
  REQUIRE_OK(rig.PutBack());
  REQUIRE(rig.changes.done.empty());
  REQUIRE(rig.changes.left.empty());
  REQUIRE_FALSE(rig.WasAsked("prepare map #3"));
}

TEST_CASE("haproxy live restore: a map and a list are replaced atomically") {
  Rig rig;
  rig.StoreMap({"k 2", "l two words"});
  rig.StoreAcl({"x", "y z"});
  rig.answers["show map @4 #3"] = "0x1 k 2\n0x2 l two words\n";
  rig.answers["show acl @5 #1"] = "0x1 x\n0x2 y z\n";
  rig.raw["add map @4 #3 <<\nk 2\nl two words\n"] = [] { return std::string("\n"); };
  rig.raw["add acl @5 #1 x;add acl @5 #1 y\\ z"] = [] { return std::string("\n\n"); };
  REQUIRE_OK(rig.PutBack());
  REQUIRE(rig.changes.done == Texts{"map /a.map has its former content in memory",
                                    "acl /b.acl has its former content in memory"});
  REQUIRE(rig.WasAsked("commit map @4 #3"));
  REQUIRE(rig.WasAsked("commit acl @5 #1"));
}

TEST_CASE("haproxy live restore: an inline list is matched by its number and place") {
  Rig rig;
  const std::string place = "acl 'src' file 'h' line 2";
  rig.answers["show acl"] = "1 () " + place + ". curr_ver=0\n";
  rig.files["1/inline-acls/1"] = "10.0.0.2\n";
  rig.live.workers[0].patterns.push_back(
      {"acl", "", "1/inline-acls/1", SumOf({"10.0.0.2"}), 1, place});
  rig.answers["show acl @5 #1"] = "0x1 10.0.0.2\n";
  rig.raw["add acl @5 #1 10.0.0.2"] = [] { return std::string("\n"); };
  SECTION("it is restored") {
    REQUIRE_OK(rig.PutBack());
    REQUIRE(rig.changes.done == Texts{"acl #1 (" + place + ") has its former content in memory"});
    REQUIRE(rig.WasAsked("commit acl @5 #1"));
    return;
  }
  std::string why;
  SECTION("it is at another place") {
    rig.live.workers[0].patterns[0].place = "acl 'src' file 'h' line 3";
    why = "HAProxy has no list at this place";
  }
  SECTION("it belongs to another configuration") {
    rig.live.is_of_other_configuration = true;
    why = "its configuration was no longer in any file";
  }
  SECTION("HAProxy does not allow a change") {
    rig.answers["prepare acl #1"] = "This ACL is shared with a map containing samples.\n";
    why = "HAProxy began no transaction: This ACL is shared with a map containing samples.";
  }
  REQUIRE_OK(rig.PutBack());
  REQUIRE(rig.changes.done.empty());
  REQUIRE(rig.changes.left.size() == 1);
  REQUIRE(rig.changes.left[0].ends_with("): " + why));
  REQUIRE_FALSE(rig.WasAsked("commit acl @5 #1"));
}

TEST_CASE("haproxy live restore: a partial replacement is never committed") {
  Rig rig;
  rig.StoreMap({"k 2"});
  rig.answers["clear map @4 #3"] = "";
  SECTION("HAProxy refuses an entry") {
    rig.answers["add map @4 #3 <<\nk 2\n"] = "no room\n";
    REQUIRE_FAILS(rig.PutBack(), ErrorCode::kUnsupported, "put map /a.map back: HAProxy says: no");
  }
  SECTION("HAProxy stored something else") {
    rig.raw["add map @4 #3 <<\nk 2\n"] = [] { return std::string("\n"); };
    rig.answers["show map @4 #3"] = "0x1 k 3\n";
    REQUIRE_FAILS(rig.PutBack(), ErrorCode::kInternal, "did not accept the saved entries");
  }
  REQUIRE(rig.WasAsked("clear map @4 #3"));
  REQUIRE_FALSE(rig.WasAsked("commit map @4 #3"));
}

TEST_CASE("haproxy live restore: missing support for transactions is an error") {
  Rig rig;
  rig.StoreMap({"k 2"});
  rig.answers.erase("prepare map #3");
  REQUIRE_FAILS(rig.PutBack(), ErrorCode::kUnsupported, "HAProxy started no transaction:");
}

TEST_CASE("haproxy live restore: entries are sent in pieces of the size that HAProxy accepts") {
  Rig rig;
  Texts entries;
  for (int i = 0; i < 1000; ++i) entries.push_back(fmt::format("key-{} value {}", i, i));
  rig.StoreMap(entries);
  FakeHaproxy haproxy(rig.Path("s"), rig.answers);
  const RuntimeApi api = Unwrap(RuntimeApi::Open(rig.Path("s"), rig.clock, {}));
  // Everything is refused, including the first piece.
  REQUIRE_FALSE(RestoreRuntimeState(
      api, rig.live,
      [&](const std::string& path) -> Result<std::unique_ptr<ByteReader>> {
        return std::make_unique<testing::BytesReader>(ToBytes(rig.files[path]));
      },
      rig.changes));
  const Texts asked = haproxy.asked();
  const auto added = std::ranges::find_if(
      asked, [](const std::string& one) { return one.starts_with("add map @4 #3 <<\nkey-0 "); });
  REQUIRE(added != asked.end());
  REQUIRE(added->size() < 4200);
  REQUIRE(added->size() > 3000);
}

TEST_CASE("haproxy live restore: rows of a table are set as far as HAProxy allows") {
  Rig rig;
  rig.StoreTable("ip", {"key=::1 use=0 exp=9 gpc0=2 gpc1=3 http_req_rate(10000)=4 server_key=-",
                        "key=::2 use=0 exp=9 gpc0=5 gpc1=0 http_req_rate(10000)=0 server_key=x"});
  rig.raw["set table t key ::1 data.gpc0 2"] = [] { return std::string("\n"); };
  rig.answers["set table t key ::1 data.gpc1 3"] = "Data type not stored in this table\n";
  rig.raw["set table t key ::2 data.gpc0 5"] = [] { return std::string("\n"); };
  rig.answers["show table t key ::1"] = "# table: t, type: ip\n0x1: key=::1 use=0 gpc0=2\n";
  rig.answers["show table t key ::2"] = "# table: t, type: ip\n0x1: key=::2 use=0 gpc0=5\n";
  SECTION("all are set") {
    REQUIRE_OK(rig.PutBack());
    REQUIRE(rig.changes.done == Texts{"table t: 2 rows set"});
    REQUIRE(rig.changes.left ==
            Texts{"table t: cannot be set: gpc1 (Data type not stored in this table), "
                  "http_req_rate(10000), server_key"});
  }
  SECTION("a row is gone afterwards, in a table with other writers") {
    rig.answers["show table t key ::2"] = "# table: t, type: ip\n";
    REQUIRE_OK(rig.PutBack());
    REQUIRE(rig.changes.left.at(0) ==
            "table t: of the first 2 rows, 1 were gone right after they were set: the table is "
            "full, or they expired");
  }
  SECTION("all are gone afterwards") {
    rig.answers["show table t key ::1"] = rig.answers["show table t key ::2"] =
        "# table: t, type: ip\n";
    REQUIRE_FAILS(rig.PutBack(), ErrorCode::kInternal, "none of the 2 rows that were read back");
  }
  SECTION("a full table that evicts nothing") {
    rig.raw["set table t key ::2 data.gpc0 5"] = [] {
      return std::string("Unable to allocate a new entry\n\n");
    };
    REQUIRE_OK(rig.PutBack());
    REQUIRE(rig.changes.done == Texts{"table t: 1 row set"});
    REQUIRE(rig.changes.left.at(0) == "table t: it is full and did not accept 1 row");
  }
  SECTION("a full table reveals nothing about fields") {
    for (const char* command : {"set table t key ::1 data.gpc0 2", "set table t key ::1"})
      rig.raw[command] = [] { return std::string("Unable to allocate a new entry\n\n"); };
    rig.answers["set table t key ::2 data.gpc1 0"] = "Data type not stored in this table\n";
    REQUIRE_OK(rig.PutBack());
    REQUIRE(rig.changes.done == Texts{"table t: 1 row set"});
    REQUIRE(rig.WasAsked("set table t key ::2 data.gpc0 5"));
  }
  SECTION("a row in the middle is refused") {
    rig.raw["set table t key ::2 data.gpc0 5"] = [] {
      return std::string("Permission denied\n\n");
    };
    REQUIRE_FAILS(rig.PutBack(), ErrorCode::kUnsupported, "restore table t: HAProxy says: Perm");
  }
}

TEST_CASE("haproxy live restore: state that HAProxy cannot accept is reported") {
  Rig rig;
  rig.live.workers[0].patterns.push_back({"map", "/gone.map", "1/maps/gone.map", SumOf({})});
  SECTION("another type") { rig.StoreTable("string", {"key=a use=0 gpc0=1"}); }
  SECTION("an empty table needs nothing") { rig.StoreTable("string", {}); }
  SECTION("keys that no command can express") { rig.StoreTable("ip", {"key=a\\nb use=0 gpc0=1"}); }
  SECTION("keys that only traffic can create") {
    rig.StoreTable("ip", {"key=0A use=0 gpc0=1", "key=0B use=0 gpc0=1"});
    rig.answers["set table t key 0A data.gpc0 1"] =
        "Inserting keys into tables of type binary from the CLI is not supported\n";
  }
  REQUIRE_OK(rig.PutBack());
  REQUIRE(rig.changes.done.empty());
  REQUIRE(rig.changes.left.at(0) == "map /gone.map: HAProxy has no map or ACL with this name");
  REQUIRE(rig.changes.left.size() == (rig.live.workers[0].tables[0].rows == 0 ? 1 : 2));
}

TEST_CASE("haproxy live restore: servers are compared by the settings an operator can change") {
  const ServerState as_is{"b", "s1", "10.0.0.1", "80", 0, 1, 1};
  ServerState now = as_is;
  now.admin_state = 0x24;  // set by the configuration, and by a failed name lookup
  REQUIRE(ServersThatDiffer({as_is}, {now}).empty());
  now = {"b", "s1", "10.0.0.2", "80", 0x08, 2, 1};
  REQUIRE(ServersThatDiffer({as_is}, {now}) ==
          Texts{"server b/s1: it took requests, weight 2, was 1, address 10.0.0.2:80, was "
                "10.0.0.1:80"});
  REQUIRE(ServersThatDiffer({now}, {as_is}).at(0).starts_with("server b/s1: it was drained"));
  REQUIRE(ServersThatDiffer({as_is}, {}) == Texts{"server b/s1: does not exist"});
}

TEST_CASE("haproxy live restore: the index is parsed") {
  const std::string sum(64, 'a');
  const std::string text = fmt::format(
      R"({{"format_version":1,"workers":[{{"directory":"1","maps":[{{"file":"/a","path":"1/maps/a",)"
      R"("sha256":"{}"}}],"acls":[],"tables":[{{"name":"t","type":"ip","path":"1/tables/t",)"
      R"("rows":3}}]}}],"drift":[{{"object":"map"}}]}})",
      sum);
  const SavedRuntimeState live = Unwrap(DecodeLive(text));
  REQUIRE(live.workers.size() == 1);
  REQUIRE(live.workers[0].patterns == std::vector<StoredPatterns>{{"map", "/a", "1/maps/a", sum}});
  REQUIRE(live.workers[0].tables == std::vector<StoredTable>{{"t", "ip", "1/tables/t", 3}});
  REQUIRE_FALSE(live.is_of_other_configuration);
  const auto with_list = [&](const std::string& id) {
    return DecodeLive(fmt::format(
        R"({{"format_version":1,"workers":[{{"directory":"1","inline_acls":[{{"id":{},"path":"1/x",)"
        R"("used_by":"acl 'src' file 'h' line 2","sha256":"{}"}}]}}]}})",
        id, sum));
  };
  REQUIRE(Unwrap(with_list("7")).workers[0].patterns ==
          std::vector<StoredPatterns>{{"acl", "", "1/x", sum, 7, "acl 'src' file 'h' line 2"}});
  REQUIRE_FAILS(with_list("-7"), ErrorCode::kCorrupt, "index");

  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return changed;
  };
  REQUIRE(Unwrap(DecodeLive(with("\"object\":\"map\"", "\"object\":\"configuration\"")))
              .is_of_other_configuration);
  REQUIRE_FAILS(DecodeLive(with("_version\":1", "_version\":2")), ErrorCode::kUnsupported, "newer");
  for (const std::string& broken :
       {std::string(), std::string("[]"), std::string("{}"), std::string("{\"format_version\":1}"),
        with("\"1/maps/a\"", "\"../maps/a\""), with("\"1/maps/a\"", "\"/etc/passwd\""),
        with("\"1/maps/a\"", "\"1/maps/\""), with("\"directory\":\"1\"", "\"directory\":\"..\""),
        with(sum, "short"), with("\"rows\":3", "\"rows\":-3"),
        with("\"name\":\"t\"", "\"name\":\"t;x\""), with("\"tables\":[{", "\"tables\":[7,{")})
    REQUIRE_FAILS(DecodeLive(broken), ErrorCode::kCorrupt, "index");
}

}  // namespace
}  // namespace holdfast::haproxy
