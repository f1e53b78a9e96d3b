// setxattr, getxattr, listxattr, removexattr; POSIX ACLs come as system.posix_acl_*.
#include <linux/limits.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "fs/handlers/foresight.h"
#include "fs/handlers/handlers.h"
#include "fs/handlers/recording.h"

namespace mirrorfs::fs {
namespace {

constexpr std::string_view kAccessAcl = "system.posix_acl_access";
constexpr std::string_view kCapability = "security.capability";
constexpr std::string_view kTrusted = "trusted.";

struct Target {
  NodeRef node;
  SharedFd fd;
};

// XFS shows an ACL a second time, in its own form (xfs_xattr.c): a change of one is a change of the
// other. Elsewhere these are names like any other.
const char* acl_behind(std::string_view name) {
  if (name == "trusted.SGI_ACL_FILE") return "system.posix_acl_access";
  if (name == "trusted.SGI_ACL_DEFAULT") return "system.posix_acl_default";
  return nullptr;
}

// What such a change came to. The other form is not recorded: it means nothing to a replica of
// another kind. False when it is not an ACL: then the object has to be compared.
bool record_acl(Filesystem& fs, Recording& recording, const Target& target, const char* name,
                const Metadata& after) {
  const int fd = target.fd->get();
  std::vector<std::byte> value(XATTR_SIZE_MAX);
  const auto size = fs.xattrs.get(fd, name, value);
  if (size) {
    const auto acl = std::span(value).first(*size);
    recording.record(SetXattr{.object = target.node->object(),
                              .where = fs.nodes.location(target.node),
                              .name = name,
                              .value = Payload(acl),
                              .after = after});
    return true;
  }
  if (size.error().code != ENODATA && size.error().code != EOPNOTSUPP) return false;
  recording.record(RemoveXattr{.object = target.node->object(),
                               .where = fs.nodes.location(target.node),
                               .name = name,
                               .after = after});
  return true;
}

Result<Target> target_of(Filesystem& fs, fuse_ino_t id) {
  auto node = fs.node(id);
  if (!node) return pass_on(std::move(node));
  auto fd = fs.nodes.descriptor(*node);
  if (!fd) return pass_on(std::move(fd));
  return Target{.node = std::move(*node), .fd = std::move(*fd)};
}

Result<Settlement> set_value(Filesystem& fs, Admission admission, const Target& target,
                             const Caller& caller, const char* name,
                             std::span<const std::byte> value, int flags) {
  ChangeLocks locks(fs, target.node);
  const int fd = target.fd->get();
  Recording recording(fs, std::move(admission), footprint_of(fs, target.node, fd));
  {
    // Setting an access ACL clears the set-gid bit for those outside the group, whoever may execute
    // the file (posix_acl_update_mode).
    const bool matters = name == kAccessAcl && (target.node->known_mode() & S_ISGID) != 0;
    const InGroupsOf as_caller(fs.own, caller, fd, matters);
    if (auto set = fs.xattrs.set(fd, name, value, flags); !set) {
      recording.refused(set.error().code);
      return pass_on(std::move(set));
    }
  }
  if (name == kCapability) target.node->capabilities = FileCapabilities::kPresent;
  auto after = fs.source.stat(fd);
  if (!after) return pass_on(std::move(after));
  const char* const acl = acl_behind(name);
  if (acl == nullptr) {
    recording.record(SetXattr{.object = target.node->object(),
                              .where = fs.nodes.location(target.node),
                              .name = name,
                              .value = Payload(value),
                              .after = *after});
  }
  const bool told = acl == nullptr || record_acl(fs, recording, target, acl, *after);
  recording.record_privileges(target.node, fd, *after, FileCapabilities::kAbsent);
  if (!told) return Settlement{};
  return recording.complete();
}

Result<Settlement> remove_value(Filesystem& fs, Admission admission, const Target& target,
                                const char* name) {
  ChangeLocks locks(fs, target.node);
  const int fd = target.fd->get();
  Recording recording(fs, std::move(admission), footprint_of(fs, target.node, fd));
  if (auto removed = fs.xattrs.remove(fd, name); !removed) {
    recording.refused(removed.error().code);
    return pass_on(std::move(removed));
  }
  if (name == kCapability) {
    target.node->capabilities = FileCapabilities::kAbsent;
    target.node->capabilities_taken = true;
  }
  auto after = fs.source.stat(fd);
  if (!after) return pass_on(std::move(after));
  const char* const acl = acl_behind(name);
  if (acl == nullptr) {
    recording.record(RemoveXattr{.object = target.node->object(),
                                 .where = fs.nodes.location(target.node),
                                 .name = name,
                                 .after = *after});
  }
  const bool told = acl == nullptr || record_acl(fs, recording, target, acl, *after);
  recording.record_privileges(target.node, fd, *after, FileCapabilities::kAbsent);
  if (!told) return Settlement{};
  return recording.complete();
}

// The filesystem below shows trusted.* to us because we are root.
std::size_t without_trusted(std::span<std::byte> names) {
  char* const begin = reinterpret_cast<char*>(names.data());
  std::size_t kept = 0;
  for (std::size_t at = 0; at < names.size();) {
    const std::string_view name(begin + at);
    const std::size_t size = name.size() + 1;
    if (!name.starts_with(kTrusted)) {
      std::memmove(begin + kept, begin + at, size);
      kept += size;
    }
    at += size;
  }
  return kept;
}

/// All names, of which there may be more from one call to the next.
Result<std::vector<std::byte>> list_names(Filesystem& fs, int fd) {
  for (;;) {
    auto size = fs.xattrs.list(fd, {});
    if (!size) return pass_on(std::move(size));
    std::vector<std::byte> names(*size);
    if (names.empty()) return names;
    auto filled = fs.xattrs.list(fd, names);
    if (!filled && filled.error().code == ERANGE) continue;
    if (!filled) return pass_on(std::move(filled));
    names.resize(*filled);
    return names;
  }
}

}  // namespace

void handle_setxattr(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                     const char* name, std::span<const std::byte> value, int flags) {
  const auto target = target_of(fs, id);
  if (!target) return request.error(target.error());
  auto set = set_value(fs, std::move(admission), *target, request.caller(), name, value, flags);
  if (!set) return request.error(set.error());
  answer_result(request, fs, std::move(*set));
}

void handle_getxattr(FuseRequest& request, Filesystem& fs, fuse_ino_t id, const char* name,
                     std::size_t size) {
  const auto target = target_of(fs, id);
  if (!target) return request.error(target.error());
  // The kernel asks for them before every first write and every chown.
  if (name == kCapability && surely_has_no_capabilities(fs, target->node)) {
    return request.error(ENODATA);
  }
  std::vector<std::byte> value(size);
  const auto got = fs.xattrs.get(target->fd->get(), name, value);
  if (!got) return request.error(got.error());
  if (size == 0) return request.size_of_value(*got);
  (void)request.bytes(std::span(value).first(*got));
}

void handle_listxattr(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::size_t size) {
  const auto target = target_of(fs, id);
  if (!target) return request.error(target.error());
  auto names = list_names(fs, target->fd->get());
  if (!names) return request.error(names.error());
  if (request.caller().uid != 0) names->resize(without_trusted(*names));
  if (size == 0) return request.size_of_value(names->size());
  if (size < names->size()) return request.error(ERANGE);
  (void)request.bytes(*names);
}

void handle_removexattr(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                        const char* name) {
  const auto target = target_of(fs, id);
  if (!target) return request.error(target.error());
  auto removed = remove_value(fs, std::move(admission), *target, name);
  if (!removed) return request.error(removed.error());
  answer_result(request, fs, std::move(*removed));
}

}  // namespace mirrorfs::fs
