#include "mirrorfs/error.h"

#include <unistd.h>

#include <string_view>
#include <system_error>

namespace mirrorfs {
namespace {

/// What an attribute that is too large gets from filesystems: E2BIG of the kernel's own limit,
/// ENOSPC of ext4's (xattr(7)).
std::string_view what_it_is(std::string_view operation, int code) {
  if (!operation.ends_with("setxattr")) return {};
  if (code == E2BIG) return "too large an attribute";
  if (code == ENOSPC) return "too large an attribute for this filesystem, or it is full";
  return {};
}

/// What can be done where the kernel's words do not say it.
std::string_view advice(std::string_view operation, int code) {
  const bool owned = operation.starts_with("fchmod") || operation.starts_with("fchown") ||
                     operation == "futimens" || operation == "utimensat";
  if (!owned || code != EPERM) return {};
  if (geteuid() != 0) {
    return "only the owner and root may: run as root, or give it to the user that mirrors";
  }
  return "not even root may: is it immutable or append-only (lsattr), or does a server refuse it?";
}

}  // namespace

std::string Error::message() const {
  std::string text = operation;
  if (!name.empty()) text.append(text.empty() ? "'" : " '").append(name).append("'");
  if (!text.empty()) text.append(": ");
  const std::string words = std::generic_category().message(code);
  const std::string_view really = what_it_is(operation, code);
  if (!really.empty()) return text.append(really).append(" (").append(words).append(")");
  text.append(words);
  const std::string_view more = advice(operation, code);
  if (!more.empty()) text.append(" (").append(more).append(")");
  return text;
}

}  // namespace mirrorfs
