#include "agent/sources/etcd/settings.h"

#include "common/io/atomic_file.h"
#include "tests/support/results.h"

namespace holdfast::etcd {
namespace {

using List = std::vector<std::string>;

config::Values Minimal() {
  config::Values values;
  values.Set("endpoints", List{"https://127.0.0.1:2379/"}, {"agent.yaml", 3, 9});
  return values;
}

config::Values With(const std::string& option, config::OptionValue value) {
  config::Values values = Minimal();
  values.Set(option, std::move(value), {"agent.yaml", 7, 5});
  return values;
}

}  // namespace

TEST_CASE("etcd settings: only an endpoint is required") {
  Settings settings = testing::Unwrap(ReadSettings(Minimal()));

  REQUIRE(settings.endpoints == List{"https://127.0.0.1:2379"});
  REQUIRE(settings.kubernetes_dir == "/etc/kubernetes");
  REQUIRE(settings.kubelet_dir == "/var/lib/kubelet");
}

TEST_CASE("etcd settings: invalid combinations are refused with their location") {
  auto refuses = [](const config::Values& values, const std::string& part) {
    auto settings = ReadSettings(values);
    REQUIRE_FAILS(settings, ErrorCode::kInvalidArgument, part);
    REQUIRE_FAILS(settings, ErrorCode::kInvalidArgument, "agent.yaml:7:5");
  };
  refuses(With("cert", std::string("/c.pem")), "\"cert\" needs \"key\"");
  refuses(With("key", std::string("/k.pem")), "\"key\" needs \"cert\"");
  refuses(With("user", std::string("root")), "needs \"password_file\"");
  refuses(With("password_file", std::string("/p")), "needs \"user\"");
  refuses(With("kubelet_dir", std::string("/k")), "kubeadm: true");
  for (const char* url : {"127.0.0.1:2379", "https://", "unix:///run/etcd", "http://a/b",
                          "https://user@a:2379", "http://a b"})
    refuses(With("endpoints", List{url}), "expected a URL");
  refuses(With("endpoints", List{}), "at least one");
  refuses(With("endpoints", List{"http://a:1", "http://a:1/"}), "twice");
  config::Values clear = With("ca", std::string("/ca.pem"));
  clear.Set("endpoints", List{"http://a:1"});
  refuses(clear, "has no effect");
}

TEST_CASE("etcd access: unreadable files are named") {
  TempDir directory = testing::Unwrap(TempDir::Create("etcd-settings"));
  Settings settings;
  settings.ca_file = directory.path() + "/none.pem";
  REQUIRE_FAILS(OpenHttpAccess(settings), ErrorCode::kInvalidArgument, "none.pem");

  settings.ca_file.clear();
  settings.user = "root";
  settings.password_file = directory.path() + "/password";
  REQUIRE_FAILS(OpenHttpAccess(settings), ErrorCode::kInvalidArgument, "\"password_file\"");
  REQUIRE_OK(WriteFileAtomic(settings.password_file, AsBytes("\n"), 0600));
  REQUIRE_FAILS(OpenHttpAccess(settings), ErrorCode::kInvalidArgument, "has no password");
  REQUIRE_OK(WriteFileAtomic(settings.password_file, AsBytes("secret\r\nother\n"), 0600));
  REQUIRE(testing::Unwrap(OpenHttpAccess(settings)).password.Reveal() == "secret");
}

}  // namespace holdfast::etcd
