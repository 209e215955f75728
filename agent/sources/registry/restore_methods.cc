#include "agent/sources/registry/restore_methods.h"

namespace holdfast {

std::vector<RestoreMethod> RestoreMethodsOf(std::string_view kind) {
  std::vector<RestoreMethod> methods;
#define HF_ADD(of, name) \
  if (kind == #of) methods.push_back(of::name##Method());
  HF_RESTORE_METHODS(HF_ADD)
#undef HF_ADD
  return methods;
}

}  // namespace holdfast
