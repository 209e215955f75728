// What each caller of the admin interface may do. Every caller who may connect can read; root and
// the controller's own user have all rights. controller.yaml grants the other rights:
// docs/operating.md#rights.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/io/local_socket.h"
#include "controller/daemon/settings.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::controller {

// The right that a request needs. nullopt for a request that this version does not know; a test
// requires a right for each request in admin.proto.
std::optional<AdminRight> RightFor(v1::AdminRequest::RequestCase request);

// kInvalidArgument with file, line and column if "group" of "admin", the group of the socket, does
// not exist.
Result<void> CheckAdminGroup(const ControllerSettings& settings);

// The sender of a request.
struct AdminCaller {
  std::string actor;               // as in the audit: "uid:1000(anna)@admin-1", "operator:anna"
  std::optional<LocalPeer> local;  // of the UNIX socket; a remote operator has none
  std::string person;              // of a remote operator
};

// Immutable. Safe to use from several threads.
class AdminRights {
 public:
  // Callers can only read, except root and this process's user.
  AdminRights() = default;
  // Looks up the users and groups that the settings name. kInvalidArgument with file, line and
  // column for one that does not exist.
  static Result<AdminRights> Resolve(const ControllerSettings& settings);

  // kDenied, with the right that is missing and the line to add, unless the caller may make this
  // request. `special`, if given, replaces the right from RightFor(), which depends only on the
  // request's type.
  Result<void> Check(const AdminCaller& caller, v1::AdminRequest::RequestCase request,
                     std::optional<AdminRight> special = {}) const;

 private:
  struct Holders {
    bool is_everybody = false;  // every caller who may connect
    std::vector<std::uint32_t> users;
    std::vector<std::uint32_t> groups;
    std::vector<std::string> persons;
    std::vector<std::string> texts;  // as in the file
  };
  bool Has(const AdminCaller& caller, AdminRight right) const;

  std::string file_;
  std::map<AdminRight, Holders> holders_;
};

}  // namespace holdfast::controller
