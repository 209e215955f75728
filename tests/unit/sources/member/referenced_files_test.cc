#include "agent/sources/member/referenced_files.h"

#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;
using testing::WriteText;
using Texts = std::vector<std::string>;

TEST_CASE("named files: every key with a file is found, with its line") {
  const auto named =
      Unwrap(FindReferencedPaths("tls: &tls\n"
                                 "  ca_file: certs/ca.pem\n"
                                 "rule_files: ['rules/*.yml', /abs/one.yml]\n"
                                 "scrape_config_files: [more/*.yml]\n"
                                 "scrape_configs:\n"
                                 "- tls_config: *tls\n"
                                 "  basic_auth: {password_file: ../secret}\n"
                                 "  file_sd_configs: [{files: [targets.json]}]\n"
                                 "  bearer_token_file: ''\n"
                                 "  profile: none_file\n",
                                 "/etc/p/prometheus.yml"));
  Texts paths;
  for (const ReferencedPath& one : named)
    paths.push_back(one.path + (one.is_pattern ? " *" : "") + (one.is_config ? " config" : ""));
  REQUIRE(paths == Texts{"/etc/p/certs/ca.pem", "/etc/p/rules/*.yml *", "/abs/one.yml",
                         "/etc/p/more/*.yml * config", "/etc/secret", "/etc/p/targets.json"});
  REQUIRE(named[0].place == "/etc/p/prometheus.yml:2");
  REQUIRE_FAILS(FindReferencedPaths("a: [", "/f"), ErrorCode::kInvalidArgument, "/f:");
}

struct Folder {
  Folder() {
    REQUIRE_OK(MakeDirectories(etc + "/rules"));
    REQUIRE_OK(MakeDirectories(etc + "/more"));
  }
  TempDir top = Unwrap(TempDir::Create("named-files"));
  std::string etc = top.path() + "/etc";
};

TEST_CASE("named files: patterns, symlinks and included configurations are followed") {
  Folder folder;
  const std::string& etc = folder.etc;
  WriteText(etc + "/rules/a.yml", "x");
  WriteText(etc + "/rules/b.yml", "x");
  WriteText(etc + "/rules/b.yaml", "x");
  WriteText(etc + "/more/jobs.yml", "scrape_configs: [{authorization: {credentials_file: key}}]\n");
  WriteText(etc + "/more/key", "x");
  WriteText(etc + "/real", "x");
  REQUIRE(::symlink("real", (etc + "/secret").c_str()) == 0);
  WriteText(etc + "/p.yml",
            "rule_files: ['rules/*.yml', 'none/*.yml']\nscrape_config_files: ['more/*.yml']\n"
            "a: {password_file: secret}\n");
  ReferencedFiles files;
  REQUIRE_OK(files.AddConfig(etc + "/p.yml", "it"));
  REQUIRE(files.missing().empty());
  REQUIRE(files.roots() == Texts{etc + "/more/jobs.yml", etc + "/more/key", etc + "/p.yml",
                                 etc + "/real", etc + "/rules/a.yml", etc + "/rules/b.yml",
                                 etc + "/secret"});
}

TEST_CASE("named files: unreadable pattern directories and dead symlinks are named") {
  Folder folder;
  const std::string& etc = folder.etc;
  REQUIRE(::symlink("nowhere", (etc + "/more/dead.yml").c_str()) == 0);
  WriteText(etc + "/p.yml", "rule_files: ['rules/*.yml', 'more/*.yml', 'none/*.yml']\n");
  REQUIRE(::rmdir((etc + "/rules").c_str()) == 0);
  REQUIRE(::symlink("rules", (etc + "/rules").c_str()) == 0);
  ReferencedFiles files;
  REQUIRE_OK(files.AddConfig(etc + "/p.yml", "it"));
  REQUIRE(files.missing().size() == 2);
  REQUIRE(files.missing()[0].what == etc + "/rules");
  REQUIRE_THAT(files.missing()[0].reason, Catch::Contains("p.yml:1: list"));
  REQUIRE(files.missing()[0].remedy == "let the agent read it");
  REQUIRE(files.missing()[1].what == etc + "/more/dead.yml");
}

TEST_CASE("named files: missing files are named with the line that refers to them") {
  Folder folder;
  const std::string& etc = folder.etc;
  REQUIRE(::symlink("nowhere", (etc + "/link").c_str()) == 0);
  WriteText(etc + "/more/broken.yml", "a: [");
  WriteText(etc + "/p.yml",
            "rule_files: [one.yml]\na: {key_file: link}\nb: {ca_file: rules}\n"
            "scrape_config_files: [more/broken.yml, more/self.yml]\n");
  WriteText(etc + "/more/self.yml", "scrape_config_files: [self.yml]\n");
  ReferencedFiles files;
  REQUIRE_OK(files.AddConfig(etc + "/p.yml", "it"));
  Texts what;
  for (const Missing& missing : files.missing()) what.push_back(missing.what);
  REQUIRE(what == Texts{etc + "/one.yml", etc + "/link", etc + "/rules", etc + "/more/broken.yml"});
  REQUIRE(files.missing()[0].reason == "named by " + etc + "/p.yml:1: it does not exist");
  REQUIRE(files.missing()[2].reason.ends_with("it is not a regular file"));
  REQUIRE_FAILS(files.AddConfig(etc + "/none.yml", "it"), ErrorCode::kNotFound, "none.yml");
}

}  // namespace
}  // namespace holdfast
