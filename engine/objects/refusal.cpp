#include "engine/objects/refusal.h"

#include <cerrno>
#include <utility>

namespace mirrorfs::objects {

bool is_refusal(const Error& error) {
  switch (error.code) {
    case EPERM:
    case EACCES:
    case EINVAL:
    case EOPNOTSUPP:
    case ENOSYS:
    case EOVERFLOW:
    case ERANGE:
    case E2BIG:
    case ENOSPC:  // an attribute too large for its place (setxattr(2)); content fails by itself
    case EDQUOT: return true;
    default: return false;
  }
}

Error stored_otherwise(const char* call) {
  return {.code = EOPNOTSUPP, .operation = call, .name = {}};
}

Result<void> taken_or_refused(Result<void> set, Refusal& refused) {
  if (set || !is_refusal(set.error())) return set;
  if (!refused) refused = std::move(set).error();
  return {};
}

}  // namespace mirrorfs::objects
