#include "agent/sources/haproxy/follower.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/base/path.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

using namespace holdfast;
using namespace holdfast::haproxy;
using holdfast::testing::Unwrap;

namespace {

// A directory of small files with the content "x" by default. In configurations `~` is replaced
// with its path.
class Tree {
 public:
  // With these files.
  explicit Tree(const std::vector<std::string>& names = {})
      : directory_(Unwrap(TempDir::Create("follower"))) {
    for (const std::string& name : names) Add(name);
  }

  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  void Add(const std::string& name, std::string content = "x") {
    for (std::size_t at = 0; (at = content.find('~', at)) != std::string::npos;) {
      content.replace(at, 1, directory_.path());
      at += directory_.path().size();
    }
    Unwrap(MakeDirectories(ParentPath(Path(name))));
    Unwrap(WriteFileAtomic(Path(name), AsBytes(content), 0644));
  }
  void Link(const std::string& target, const std::string& name) {
    REQUIRE(::symlink(target.c_str(), Path(name).c_str()) == 0);
  }

  Followed Follow(std::vector<std::string> config = {"h.cfg"}, Variables environment = {}) const {
    FollowOptions options;
    for (const std::string& name : config) options.config.push_back(Path(name));
    options.directory = directory_.path();
    options.environment = std::move(environment);
    return FollowConfig(options, LiveFiles());
  }
  // The files that a configuration refers to, relative to the directory.
  std::vector<std::string> Files(const std::string& config, Variables environment = {}) {
    Add("h.cfg", config);
    named_ = CollectFiles(Follow({"h.cfg"}, std::move(environment)), LiveFiles());
    std::vector<std::string> files;
    for (const auto& [path, origin] : named_.files) {
      if (path != Path("h.cfg")) files.push_back(path.substr(directory_.path().size() + 1));
    }
    return files;
  }
  const NamedFiles& named() const { return named_; }
  std::string Relative(std::string text) const {
    for (std::size_t at = 0; (at = text.find(directory_.path())) != std::string::npos;) {
      text.replace(at, directory_.path().size(), "~");
    }
    return text;
  }

 private:
  TempDir directory_;
  NamedFiles named_;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("haproxy follower: certificates of bind and server lines, with related files") {
  Tree tree({"a.pem", "a.pem.key", "a.pem.ocsp", "b.crt", "b.key", "ca.pem", "crl.pem", "sign.pem",
             "v.pem", "keys", "c.pem", "other.pem"});

  CHECK(tree.Files("frontend f\n"
                   " bind :443 ssl crt ~/a.pem crt ~/b.crt ca-file ~/ca.pem crl-file ~/crl.pem "
                   "ca-sign-file ~/sign.pem ca-verify-file ~/v.pem tls-ticket-keys ~/keys\n"
                   "backend b\n"
                   " server crt 127.0.0.1:1 ssl cookie crt crt ~/c.pem ca-file @system-ca\n") ==
        Names{"a.pem", "a.pem.key", "a.pem.ocsp", "b.crt", "b.key", "c.pem", "ca.pem", "crl.pem",
              "keys", "sign.pem", "v.pem"});
  CHECK(tree.named().missing.empty());
}

TEST_CASE("haproxy follower: base directories apply from their line on") {
  Tree tree({"certs/a.pem", "cas/ca.pem", "b.pem"});

  CHECK(tree.Files("global\n crt-base ~/certs\n ca-base cas\n"
                   "listen l\n bind :1 ssl crt a.pem crt ~/b.pem ca-file ca.pem\n") ==
        Names{"b.pem", "cas/ca.pem", "certs/a.pem"});
}

TEST_CASE("haproxy follower: a directory of certificates is complete and exclusive") {
  Tree tree({"d/a.pem", "d/b.pem", "d/b.pem.ocsp", "d/.hidden", "d/sub/x.pem"});

  CHECK(tree.Files("listen l\n bind :1 ssl crt ~/d\n") ==
        Names{"d/a.pem", "d/b.pem", "d/b.pem.ocsp"});
  CHECK(tree.named().certificate_directories == Names{tree.Path("d")});
}

TEST_CASE("haproxy follower: a bundle is replaced by its parts") {
  Tree tree({"w.pem.rsa", "w.pem.ecdsa", "w.pem.rsa.ocsp"});

  CHECK(tree.Files("listen l\n bind :1 ssl crt ~/w.pem\n") ==
        Names{"w.pem.ecdsa", "w.pem.rsa", "w.pem.rsa.ocsp"});
  CHECK(tree.named().missing.empty());
}

TEST_CASE("haproxy follower: certificate lists are read, with bases and options") {
  Tree tree({"certs/a.pem", "certs/b.pem", "ca/ca.pem", "certs/c.pem"});
  tree.Add("list",
           "# comment\n\na.pem !*\nb.pem [alpn h2,http/1.1 ca-file ca.pem] *.example\n"
           "~/certs/c.pem\tx.example\ngone.pem\n");

  CHECK(tree.Files("global\n crt-base ~/certs\n ca-base ~/ca\n"
                   "listen l\n bind :1 ssl crt-list ~/list\n") ==
        Names{"ca/ca.pem", "certs/a.pem", "certs/b.pem", "certs/c.pem", "list"});
  REQUIRE(tree.named().missing.size() == 1);
  CHECK(tree.named().missing[0].what == tree.Path("certs/gone.pem"));
  CHECK(tree.named().missing[0].reason ==
        "does not exist, named in " + tree.Path("list") + ":6 (crt-list)");
}

TEST_CASE("haproxy follower: error files and responses from files") {
  Tree tree({"400", "503", "page", "lf", "deny", "err"});

  CHECK(tree.Files(
            "defaults\n errorfile 503 ~/503\n errorfile 408 /dev/null\n"
            "http-errors e\n errorfile 400 ~/400\n"
            "frontend f\n"
            " http-request return status 200 content-type file hdr file lf-file file ~/page if "
            "{ path file ~/no }\n"
            " http-request return lf-file ~/lf\n"
            " http-request deny deny_status 403 errorfile ~/deny\n"
            " http-error status 500 errorfile ~/err\n") ==
        Names{"400", "503", "deny", "err", "lf", "page"});
  CHECK(tree.named().missing.empty());
}

TEST_CASE("haproxy follower: maps and lists inside expressions") {
  Tree tree({"m1", "m2", "m 3", "m4", "a1", "a2", "a3", "s1", "s2", "jwt.pem"});

  CHECK(tree.Files("frontend f\n"
                   " use_backend %[req.hdr(host),lower,map(~/m1,def)] if { src -f ~/a1 }\n"
                   " http-request set-header x %[path,map_beg_int(~/m2,1)]\n"
                   " http-request set-header y '%[path,map_str(\"~/m 3\",z)]'\n"
                   " acl bad src -i -m ip -f ~/a2 -f ~/a3 1.2.3.4 -f ~/nope\n"
                   " http-request set-map(~/s1) %[src] 1 if !{ src,map(~/m4) -m found }\n"
                   " http-request add-acl(~/s2) %[src]\n"
                   " http-request deny unless { var(txn.b),jwt_verify(txn.a,\"~/jwt.pem\") 1 }\n"
                   " http-request deny unless { var(txn.b),jwt_verify(HS256,secret) 1 }\n") ==
        Names{"a1", "a2", "a3", "jwt.pem", "m 3", "m1", "m2", "m4", "s1", "s2"});
  CHECK(tree.named().missing.empty());
}

TEST_CASE("haproxy follower: inline patterns in the configuration") {
  Tree tree;
  tree.Add("h.cfg",
           "frontend f\n"
           " acl hosts hdr(host) -i -f ~/a1 -m beg -- -x 'b two' # no pattern\n"
           " http-request deny if { path_beg /x /y } !{ src -f ~/a2 } or METH_GET { method PUT }\n"
           " acl of_env src \"${NET}\" 10.0.0.1\n"
           " acl alone req.hdr(x),lower\n");

  const Followed followed = tree.Follow();

  std::vector<std::string> texts;
  for (const InlinePatterns& one : followed.inline_patterns) {
    CHECK(one.file == tree.Path("h.cfg"));
    std::string text = std::to_string(one.line) + " " + one.criterion;
    for (const std::string& pattern : one.patterns) text += "|" + pattern;
    texts.push_back(text + (one.is_known ? "" : "?"));
  }
  CHECK(texts == std::vector<std::string>{"2 hdr|-x|b two", "3 path_beg|/x|/y", "3 src",
                                          "3 method|PUT", "4 src||10.0.0.1?", "5 req.hdr"});
}

TEST_CASE("haproxy follower: prefixes of pattern files") {
  Tree tree({"m"});

  CHECK(
      tree.Files("frontend f\n http-request deny if { src -f virt@none } or { src -f file@~/m } or "
                 "{ src -f opt@~/gone }\n") == Names{"m"});
  CHECK(tree.named().missing.empty());
}

TEST_CASE("haproxy follower: global files, Lua, device data, state") {
  Tree tree({"a.lua", "b.lua", "lib/m.lua", "dh.pem", "hdrs", "51d", "chain/i.pem", "state/servers",
             "state/b"});

  CHECK(tree.Files("global\n lua-load ~/a.lua arg\n lua-load-per-thread ~/b.lua\n"
                   " lua-prepend-path ~/lib/?.lua\n ssl-dh-param-file ~/dh.pem\n"
                   " h1-case-adjust-file ~/hdrs\n 51degrees-data-file ~/51d\n"
                   " issuers-chain-path ~/chain\n server-state-base ~/state\n"
                   " server-state-file servers\n"
                   "defaults\n load-server-state-from-file local\n"
                   "backend b\nbackend without\n") == Names{"51d", "a.lua", "b.lua", "chain/i.pem",
                                                            "dh.pem", "hdrs", "state/b",
                                                            "state/servers"});
  CHECK(tree.named().trees == Names{tree.Path("lib")});
  CHECK(tree.named().missing.empty());
}

TEST_CASE("haproxy follower: filters, rings, external checks, stores") {
  Tree tree({"spoe.cfg", "check.sh", "s/a.pem", "s/a.key", "spoe.map"});
  tree.Add("spoe.cfg", "[x]\nspoe-message m\n args a=src,map(~/spoe.map)\n");

  CHECK(tree.Files("ring r\n backing-file ~/ring\n"
                   "crt-store w\n crt-base ~/s\n key-base ~/s\n load crt a.pem key a.key alias z\n"
                   "backend b\n filter spoe engine x config ~/spoe.cfg\n"
                   " external-check command ~/check.sh\n external-check command /bin/true\n"
                   "frontend f\n bind :1 ssl crt @w/z\n") ==
        Names{"check.sh", "s/a.key", "s/a.pem", "spoe.cfg", "spoe.map"});
  CHECK(tree.named().missing.empty());
}

TEST_CASE("haproxy follower: relative names are resolved by default-path") {
  Tree tree({"start.map", "conf/conf.map", "origin/o.map", "parent.map"});
  auto rule = [](const std::string& map) {
    return " http-request deny if { src -f " + map + " }\n";
  };
  tree.Add("conf/h.cfg", "global\nfrontend f\n" + rule("start.map") +
                             "global\n default-path config\nfrontend g\n" + rule("conf.map") +
                             "global\n default-path origin ~/origin\nfrontend h\n" + rule("o.map") +
                             "global\n default-path parent\nfrontend i\n" + rule("parent.map"));

  NamedFiles named = CollectFiles(tree.Follow({"conf/h.cfg"}), LiveFiles());

  CHECK(named.missing.empty());
  CHECK(named.files.size() == 5);
}

TEST_CASE("haproxy follower: both branches are followed, and missing files there are no error") {
  Tree tree({"a", "b"});

  CHECK(tree.Files("frontend f\n.if defined(X)\n http-request deny if { src -f ~/a }\n.else\n"
                   " http-request deny if { src -f ~/b } or { src -f ~/gone }\n.endif\n") ==
        Names{"a", "b"});
  CHECK(tree.named().missing.empty());
}

TEST_CASE("haproxy follower: variables come from the environment and the configuration") {
  Tree tree({"certs/a.pem"});

  std::string config =
      "global\n presetenv SUB certs\n setenv FILE a.pem\nlisten l\n bind :1 ssl crt "
      "\"${TOP}/${SUB}/$FILE\"\n";
  CHECK(tree.Files(config, {{"TOP", tree.Path("")}}) == Names{"certs/a.pem"});

  CHECK(tree.Files(config).empty());
  REQUIRE(tree.named().missing.size() == 1);
  CHECK(tree.named().missing[0].reason ==
        "the variable \"TOP\" is not set, named in " + tree.Path("h.cfg") + ":5 (bind)");
}

TEST_CASE("haproxy follower: missing files are reported with their directive's location") {
  Tree tree;

  tree.Files("global\nfrontend f\n bind :1 ssl crt ~/gone.pem\n errorfile 503 ~/gone.http\n");

  REQUIRE(tree.named().missing.size() == 2);
  CHECK(tree.named().missing[0].what == tree.Path("gone.pem"));
  CHECK(tree.named().missing[0].reason ==
        "does not exist, named in " + tree.Path("h.cfg") + ":3 (bind)");
}

TEST_CASE("haproxy follower: an invalid line is reported, and the rest is followed") {
  Tree tree({"a"});

  CHECK(tree.Files("frontend f\n log-format \"open\n errorfile 503 ~/a\n") == Names{"a"});
  REQUIRE(tree.named().warnings.size() == 1);
  CHECK_THAT(tree.named().warnings[0], Catch::Contains("h.cfg:2: the quote"));
}

TEST_CASE("haproxy follower: a directory after -f includes its .cfg files in order") {
  Tree tree;
  tree.Add("d/20.cfg", "# b\n");
  tree.Add("d/10.cfg", "# a\n");
  tree.Add("d/10.cfg.bak");
  tree.Add("d/.hidden.cfg");

  Followed followed = tree.Follow({"d", "gone.cfg"});

  REQUIRE(followed.files.size() == 2);
  CHECK(followed.files[0].path == tree.Path("d/10.cfg"));
  CHECK(followed.config_files == 2);
  CHECK(followed.config_directories == Names{tree.Path("d")});
  REQUIRE(followed.missing.size() == 1);
  CHECK(followed.missing[0].what == tree.Path("gone.cfg"));

  tree.Add("empty/readme");
  CHECK(tree.Follow({"empty"}).missing.size() == 1);
}

TEST_CASE("haproxy follower: names are replaced in place, and nothing else changes") {
  Tree tree({"a.pem", "m"});
  tree.Add("h.cfg",
           "global\n  default-path config   # here\n  crt-base ~\n"
           "frontend f # c\n  bind :1 ssl crt 'a.pem' alpn h2 # tail\n"
           "  http-request set-header x \"%[src,map(${TOP}/m,a b)]\" if { src -f ~/m }\n"
           "  log-format \"$TOP is kept\"\n");
  Followed followed = tree.Follow({"h.cfg"}, {{"TOP", tree.Path("")}});

  std::string rewritten = RewriteNames(followed.files[0], [](const NamedPath& name) {
    return name.role == Role::kDefaultPath ? name.path
                                           : "/new dir" + name.path.substr(name.path.rfind('/'));
  });

  CHECK(tree.Relative(rewritten) ==
        "global\ndefault-path origin ~\n  crt-base ~\n"
        "frontend f # c\n  bind :1 ssl crt /new\\ dir/a.pem alpn h2 # tail\n"
        "  http-request set-header x %[src,map(\\\"/new\\ dir/m\\\",a\\ b)] if { src -f /new\\ "
        "dir/m }\n"
        "  log-format \"$TOP is kept\"\n");
}

TEST_CASE("haproxy follower: certificate lists are rewritten without quotes") {
  Tree tree({"a.pem"});
  tree.Add("list", "# first\n~/a.pem  [alpn h2] x.example\n~/gone.pem");
  tree.Add("h.cfg", "listen l\n bind :1 ssl crt-list ~/list\n");
  Followed followed = tree.Follow();
  REQUIRE(followed.files.size() == 2);

  std::string rewritten =
      RewriteNames(followed.files[1], [](const NamedPath& name) { return "/n" + name.path; });

  CHECK(tree.Relative(rewritten) == "# first\n/n~/a.pem  [alpn h2] x.example\n/n~/gone.pem");
}

TEST_CASE("haproxy file space: symlinks in the path belong to a name") {
  Tree tree({"archive/a1.pem", "live/README"});
  tree.Link("../archive/a1.pem", "live/a.pem");
  tree.Link(tree.Path("live"), "current");

  CHECK(ResolvedPaths(tree.Path("current/a.pem")) ==
        Names{tree.Path("current"), tree.Path("live/a.pem"), tree.Path("archive/a1.pem")});
  CHECK(ResolvedPaths(tree.Path("archive/a1.pem")) == Names{tree.Path("archive/a1.pem")});
  CHECK(AbsolutePath("/a/b", "../c/./d//e") == "/a/c/d/e");
  CHECK(AbsolutePath("/a", "/x/../..") == "/");
}

TEST_CASE("haproxy follower: addresses of servers, and files their state is loaded from") {
  Tree tree;
  tree.Add("h.cfg",
           "global\n server-state-base ~/state\n server-state-file all\n"
           "defaults\n load-server-state-from-file local\n server-state-file-name x\n"
           "backend a\n server s1 10.0.0.1:80 weight 1\n server s2 \"$NONE:80\"\n"
           ".if defined(X)\n server s3 10.0.0.3:80\n.endif\n"
           "backend b\n server-state-file-name other\n server-template t 3 app:80\n");
  const Followed followed = tree.Follow();
  CHECK(followed.servers.addresses ==
        std::map<std::string, std::string>{{"a/s1", "10.0.0.1:80"}, {"a/s2", ""}, {"a/s3", ""}});
  CHECK(followed.servers.templated == std::set<std::string>{"b"});
  CHECK(followed.loads_state);
  Names files;
  for (const StateFile& file : followed.state_files)
    files.push_back(tree.Relative(file.path) + " " + file.backend);
  CHECK(files == Names{"~/state/all ", "~/state/a a", "~/state/b b", "~/state/other b"});

  tree.Add("h.cfg",
           "global\n server-state-file ~/all\ndefaults\n load-server-state-from-file none\n");
  CHECK_FALSE(tree.Follow().loads_state);
}
