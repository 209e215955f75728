#include "controller/cli/init_cluster.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>

#include "common/base/format.h"
#include "common/base/ulid.h"
#include "common/bus/curve_key.h"
#include "common/crypto/ed25519.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/trust/key_file.h"
#include "common/trust/orders.h"
#include "common/trust/root_document.h"
#include "controller/cli/root_change.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::string_view kRootKeys = "root";  // directory of the keys that leave the machine
// For agents whose clocks are a little slow.
constexpr std::chrono::hours kBackdated(1);

struct Person {
  std::string name;
  crypto::SigningKey root_key;
  crypto::SigningKey operator_key;
  bus::CurveKeys curve;
};

struct Keys {
  crypto::SigningKey controller;
  bus::CurveKeys bus;
  std::vector<Person> persons;
};

bool IsName(std::string_view text) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= kNameBytesMax && text.front() != '.' &&
         text.front() != '-' && std::ranges::all_of(text, is_good);
}

Result<void> CheckNumber(std::string_view option, unsigned value, std::size_t most) {
  if (value >= 1 && value <= most) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is {}; expected 1 to {}", option, value, most),
              "name at least as many operators as an order needs: --operator PERSON for each");
}

// The host of an endpoint; an IPv6 address is in brackets.
Result<void> CheckHost(std::string_view host) {
  const bool is_good = !host.empty() && host.find_first_of(" \t\n/\"'") == std::string_view::npos &&
                       (host.find(':') == std::string_view::npos || host.front() == '[');
  if (is_good) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("host {}; expected a name or an address, IPv6 in brackets", Quote(host)));
}

Result<void> CheckOptions(const InitClusterOptions& options) {
  HF_TRY(CheckName("the cluster", options.cluster));
  HF_TRY(CheckHost(options.host));
  if (options.operators.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "no operator; expected at least one person",
                "--operator PERSON");
  }
  std::set<std::string> seen;
  for (const std::string& person : options.operators) {
    HF_TRY(CheckName("an operator", person));
    if (!seen.insert(person).second) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("operator {} is named twice; expected each person once", person));
    }
  }
  const std::size_t persons = options.operators.size();
  HF_TRY(CheckNumber("--root-threshold", options.root_threshold,
                     std::min<std::size_t>(persons, trust::kRootThresholdMax)));
  const std::size_t most = std::min<std::size_t>(persons, trust::kOperatorsMax);
  HF_TRY(CheckNumber("--restore-operators", options.restore_operators, most));
  HF_TRY(CheckNumber("--restore-in-place-operators", options.restore_in_place_operators, most));
  return CheckNumber("--days", options.valid_days, kValidDaysMax);
}

// The directory may exist if it is empty.
Result<void> CheckRoom(const std::string& directory) {
  std::error_code failure;
  if (!std::filesystem::exists(std::filesystem::symlink_status(directory, failure))) return {};
  const bool is_empty = std::filesystem::is_directory(directory, failure) &&
                        std::filesystem::is_empty(directory, failure);
  if (is_empty && !failure) return {};
  return Fail(ErrorCode::kAlreadyExists, fmt::format("directory {} is not empty", Quote(directory)),
              "name a new directory; existing keys are never overwritten");
}

Keys MakeKeys(const InitClusterOptions& options, Random& random) {
  Keys keys{crypto::SigningKey::Generate(random), bus::GenerateCurveKeys(random), {}};
  for (const std::string& person : options.operators) {
    keys.persons.push_back({person, crypto::SigningKey::Generate(random),
                            crypto::SigningKey::Generate(random), bus::GenerateCurveKeys(random)});
  }
  return keys;
}

void AddKey(v1::RootDocument& document, v1::Role role, const crypto::SigningKey& key,
            const std::string& person) {
  v1::RoleKey* added = document.add_keys();
  added->set_role(role);
  added->set_public_key(key.public_key().data(), key.public_key().size());
  added->set_person(person);
  added->set_not_before_ms(document.issued_at_ms());
  added->set_not_after_ms(document.expires_at_ms());
}

void AddThreshold(v1::RootDocument& document, v1::OrderKind kind, unsigned operators) {
  v1::Threshold* added = document.add_thresholds();
  added->set_kind(kind);
  added->set_operators(operators);
}

v1::RootDocument MakeDocument(const InitClusterOptions& options, const Keys& keys,
                              const std::string& cluster_id, WallTime now) {
  v1::RootDocument document;
  document.set_format(1);
  document.set_cluster_id(cluster_id);
  document.set_cluster(options.cluster);
  document.set_version(1);
  document.set_epoch(1);
  document.set_issued_at_ms(trust::UnixMilliseconds(now - kBackdated));
  document.set_expires_at_ms(
      trust::UnixMilliseconds(now + std::chrono::hours(24) * options.valid_days));
  document.set_root_threshold(options.root_threshold);
  document.set_bus_key(keys.bus.public_key.data(), keys.bus.public_key.size());
  AddKey(document, v1::ROLE_CONTROLLER, keys.controller, "");
  for (const Person& person : keys.persons) {
    AddKey(document, v1::ROLE_ROOT, person.root_key, person.name);
    AddKey(document, v1::ROLE_OPERATOR, person.operator_key, person.name);
  }
  AddThreshold(document, v1::ORDER_KIND_RESTORE, options.restore_operators);
  AddThreshold(document, v1::ORDER_KIND_RESTORE_IN_PLACE, options.restore_in_place_operators);
  return document;
}

// Signed by as many persons as the document requires, starting with the first.
Result<Bytes> SignDocument(const v1::RootDocument& document, const Keys& keys) {
  std::vector<const crypto::SigningKey*> signers;
  for (const Person& person : keys.persons) {
    if (signers.size() < document.root_threshold()) signers.push_back(&person.root_key);
  }
  return trust::SignRootDocument(document, signers);
}

std::string ControllerYaml(const InitClusterOptions& options, const Keys& keys) {
  std::string operators;
  std::string holders;
  for (const Person& person : keys.persons) {
    operators +=
        fmt::format("    {}: {}\n", person.name, Quote(bus::CurveKeyText(person.curve.public_key)));
    holders += fmt::format("{}\"operator:{}\"", holders.empty() ? "" : ", ", person.name);
  }
  return fmt::format(R"(# Holdfast's controller. Every setting: docs/operating.md.
cluster: {cluster}
root_file: root.holdfast
signing_key_file: controller.key
bus:
  listen: "tcp://*:7733"
  endpoint: "tcp://{host}:7733"    # as agents reach it
  key_file: bus.curve
join:
  listen: "tcp://*:7734"
  endpoint: "tcp://{host}:7734"
admin:
  # group: holdfast-admin          # may use the socket; default: root and the controller's user
  listen: "tcp://*:7735"           # for operators on other hosts
  operators:
{operators}  rights:                          # everyone who may connect can read and start backups
    agents: [{holders}]
    catalog: [{holders}]
    trust: [{holders}]
)",
                     fmt::arg("cluster", options.cluster), fmt::arg("host", options.host),
                     fmt::arg("operators", operators), fmt::arg("holders", holders));
}

std::string CliYaml(const InitClusterOptions& options) {
  return fmt::format(R"(# Belongs to ~/.config/holdfast/cli.yaml, with the keys that it names.
controller: "tcp://{}:7735"
root_file: root.holdfast    # the root document you trust; only a verified successor replaces it
curve_key_file: operator.curve
operator_key_file: operator.key
)",
                     options.host);
}

Result<void> WriteController(const std::string& directory, const InitClusterOptions& options,
                             const Keys& keys, ByteView root, Random& random) {
  HF_TRY(MakeDirectories(directory, 0700));
  HF_TRY(trust::CreateSigningKeyFile(directory + "/controller.key", keys.controller, {}, random));
  HF_TRY(bus::SaveCurveSecret(directory + "/bus.curve", keys.bus));
  HF_TRY(trust::CreateFile(directory + "/root.holdfast", root, 0644));
  return trust::CreateFile(directory + "/controller.yaml", AsBytes(ControllerYaml(options, keys)),
                           0644);
}

Result<void> WritePerson(const std::string& directory, const std::string& root_key_file,
                         const InitClusterOptions& options, const Person& person, ByteView root,
                         Random& random) {
  Secret passphrase;
  if (options.passphrase) {
    HF_ASSIGN(passphrase, options.passphrase(person.name));
  }
  HF_TRY(MakeDirectories(directory, 0700));
  HF_TRY(trust::CreateSigningKeyFile(directory + "/operator.key", person.operator_key, passphrase,
                                     random));
  HF_TRY(bus::SaveCurveSecret(directory + "/operator.curve", person.curve));
  HF_TRY(trust::CreateFile(directory + "/root.holdfast", root, 0644));
  HF_TRY(trust::CreateFile(directory + "/cli.yaml", AsBytes(CliYaml(options)), 0600));
  return trust::CreateSigningKeyFile(root_key_file, person.root_key, passphrase, random);
}

std::vector<std::string> WarningsOf(const InitClusterOptions& options) {
  std::vector<std::string> warnings;
  if (options.root_threshold == 1) {
    warnings.emplace_back("one person alone can change who is trusted (--root-threshold)");
  }
  if (options.restore_operators == 1) {
    warnings.emplace_back("one operator alone can restore to a directory (--restore-operators)");
  }
  if (options.restore_in_place_operators == 1) {
    warnings.emplace_back("one operator alone can restore in place (--restore-in-place-operators)");
  }
  if (!options.passphrase) {
    warnings.emplace_back("the keys of operators and root are not encrypted (--no-passphrase)");
  }
  return warnings;
}

// holdfast-controller.service runs as holdfast-controller, which must be able to read the keys.
void AddPlacements(InitClusterReport& report) {
  constexpr std::string_view kConfig = "/etc/holdfast/";
  for (const char* name : {"controller.key", "bus.curve"}) {
    const std::string target = fmt::format("{}{}", kConfig, name);
    report.placements.push_back(
        {"controller", fmt::format("controller/{}", name), target,
         fmt::format("install -D -o holdfast-controller -g holdfast-controller -m 0600 {} {}", name,
                     target)});
  }
  for (const char* name : {"root.holdfast", "controller.yaml"}) {
    const std::string target = fmt::format("{}{}", kConfig, name);
    report.placements.push_back(
        {"controller", fmt::format("controller/{}", name), target,
         fmt::format("install -D -o root -g root -m 0644 {} {}", name, target)});
  }
  for (const InitClusterReport::Person& person : report.operators) {
    for (const char* name : {"operator.key", "operator.curve", "root.holdfast", "cli.yaml"}) {
      const std::string target = fmt::format("~/.config/holdfast/{}", name);
      report.placements.push_back({person.name, fmt::format("operators/{}/{}", person.name, name),
                                   target, fmt::format("install -D -m 0600 {} {}", name, target)});
    }
  }
}

}  // namespace

Result<void> CheckName(std::string_view what, std::string_view name) {
  if (IsName(name)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is called {}; expected letters, digits, \".\", \"_\" and \"-\", at "
                          "most {} of them",
                          what, Quote(name), kNameBytesMax));
}

Result<InitClusterReport> InitCluster(const InitClusterOptions& options, Random& random,
                                      const Clock& clock) {
  HF_TRY(CheckOptions(options));
  const std::string directory =
      std::filesystem::absolute(options.directory).lexically_normal().string();
  HF_TRY(CheckRoom(directory));
  const std::string parent = std::filesystem::path(directory).parent_path().string();
  HF_TRY(MakeDirectories(parent));
  HF_ASSIGN(TempDir made, TempDir::Create(".holdfast-init", parent));

  const WallTime now = clock.Now();
  const Keys keys = MakeKeys(options, random);
  InitClusterReport report;
  report.cluster_id = MakeUlid(clock, random);
  const v1::RootDocument document = MakeDocument(options, keys, report.cluster_id, now);
  HF_ASSIGN(const Bytes root, SignDocument(document, keys));
  // A document that no agent accepts must not be given out.
  HF_TRY(trust::RootDocument::Load(root));

  HF_TRY(WriteController(made.path() + "/controller", options, keys, root, random));
  HF_TRY(MakeDirectories(fmt::format("{}/{}", made.path(), kRootKeys), 0700));
  for (const Person& person : keys.persons) {
    const std::string own = "/operators/" + person.name;
    const std::string root_key_file = fmt::format("/{}/{}.key", kRootKeys, person.name);
    HF_TRY(
        WritePerson(made.path() + own, made.path() + root_key_file, options, person, root, random));
    report.operators.push_back({person.name, directory + own, directory + root_key_file});
  }
  HF_TRY(SyncDirectory(made.path()));
  // Replaces an empty directory, if there is one.
  if (::rename(made.path().c_str(), directory.c_str()) != 0) {
    return Fail(ErrnoError(errno, "create " + Quote(directory)));
  }
  made.Keep();
  HF_TRY(SyncDirectory(parent));

  report.directory = directory;
  report.controller_directory = directory + "/controller";
  report.expires_ms = document.expires_at_ms();
  AddPlacements(report);
  report.warnings = WarningsOf(options);
  return report;
}

}  // namespace holdfast::cli
