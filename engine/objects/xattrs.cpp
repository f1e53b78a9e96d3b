#include "engine/objects/xattrs.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "mirrorfs/object_calls.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::objects {
namespace {

bool is_mirrored(std::string_view name, const Rights& rights) {
  // How XFS shows ACLs a second time: on another filesystem these would be ordinary attributes.
  if (name.starts_with("trusted.SGI_ACL_") || is_left_out(name, rights.fidelity)) return false;
  if (name.starts_with("user.")) return true;
  if (name == "system.posix_acl_access" || name == "system.posix_acl_default") return true;
  return rights.trusted_xattrs && (name.starts_with("security.") || name.starts_with("trusted."));
}

/// Then nobody is asked: a server may answer even that with an error (rclone: EIO).
bool none_is_mirrored(const Rights& rights) {
  const Fidelity& fidelity = rights.fidelity;
  const Capabilities& replica = fidelity.replica;
  if (!fidelity.leaves_out_acls() || !fidelity.leaves_out_xattr(replica.user_xattrs)) return false;
  return !rights.trusted_xattrs || (fidelity.leaves_out_xattr(replica.trusted_xattrs) &&
                                    fidelity.leaves_out_xattr(replica.security_xattrs) &&
                                    fidelity.leaves_out_xattr(replica.file_capabilities));
}

// Lists and values can grow between asking for their size and reading them (listxattr(2)).
template <class Read>
Result<std::string> read_growing(Read read, const char* operation, std::string_view name) {
  std::string value(256, '\0');
  for (int attempt = 0; attempt < 8; ++attempt) {
    ssize_t size = read(value.data(), value.size());
    if (size >= 0) {
      value.resize(static_cast<std::size_t>(size));
      return value;
    }
    if (size != -ERANGE) return fail(static_cast<int>(-size), operation, name);
    size = read(nullptr, 0);
    if (size < 0) return fail(static_cast<int>(-size), operation, name);
    value.resize(static_cast<std::size_t>(size) + 64);
  }
  return fail(ERANGE, operation, name);
}

template <class Get>
Result<Xattrs> read_values(std::string_view names, Get get, Rights rights) {
  Xattrs found;
  while (!names.empty()) {
    const std::string name(names.substr(0, names.find('\0')));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    if (!is_mirrored(name, rights)) continue;
    const auto read = [&](char* value, std::size_t size) { return get(name.c_str(), value, size); };
    Result<std::string> value = read_growing(read, "getxattr", name);
    if (value) {
      found.push_back({name, std::move(*value)});
    } else if (value.error().code != ENODATA && value.error().code != EOPNOTSUPP) {
      return pass_on(std::move(value));
    }
  }
  std::ranges::sort(found, {}, &Xattr::name);
  return found;
}

// The common answer, "none", must cost one call and no allocation.
template <class List, class Get>
Result<Xattrs> read_all(List list, Get get, Rights rights) {
  if (none_is_mirrored(rights)) return Xattrs{};
  std::array<char, 512> names;
  const ssize_t size = list(names.data(), names.size());
  if (size >= 0) {
    return read_values({names.data(), static_cast<std::size_t>(size)}, get, rights);
  }
  if (size == -EOPNOTSUPP) return Xattrs{};
  if (size != -ERANGE) return fail(static_cast<int>(-size), "listxattr");
  const Result<std::string> long_list = read_growing(list, "listxattr", "");
  if (!long_list) return std::unexpected(long_list.error());
  return read_values(*long_list, get, rights);
}

}  // namespace

bool is_left_out(std::string_view name, const Fidelity& fidelity) {
  const Capabilities& replica = fidelity.replica;
  if (name.starts_with("system.posix_acl_")) return fidelity.leaves_out_acls();
  if (name.starts_with("user.")) return fidelity.leaves_out_xattr(replica.user_xattrs);
  if (name.starts_with("trusted.")) return fidelity.leaves_out_xattr(replica.trusted_xattrs);
  if (name == "security.capability") return fidelity.leaves_out_xattr(replica.file_capabilities);
  return name.starts_with("security.") && fidelity.leaves_out_xattr(replica.security_xattrs);
}

Result<Xattrs> read_xattrs(int fd, Rights rights) {
  return read_all(
      [fd](char* names, std::size_t size) { return calls::list_xattrs(fd, names, size); },
      [fd](const char* name, char* value, std::size_t size) {
        return calls::get_xattr(fd, name, value, size);
      },
      rights);
}

Result<Xattrs> read_xattrs_at(int dirfd, const char* entry, Rights rights) {
  Result<Xattrs> found =
      read_all([=](char* names,
                   std::size_t size) { return calls::list_xattrs_at(dirfd, entry, names, size); },
               [=](const char* name, char* value, std::size_t size) {
                 return calls::get_xattr_at(dirfd, entry, name, value, size);
               },
               rights);
  if (found || found.error().code != ENOSYS) return found;
  const UniqueFd object(calls::open_beneath(dirfd, entry, O_PATH));
  if (!object) return fail(-object.get(), "openat2", entry);
  return read_xattrs(object.get(), rights);
}

Result<Refusal> make_xattrs_equal(int fd, const Xattrs& wanted, const Xattrs& present) {
  Refusal refused;
  for (const Xattr& attribute : present) {
    if (std::ranges::find(wanted, attribute.name, &Xattr::name) != wanted.end()) continue;
    Result<void> removed = taken_or_refused(remove_xattr(fd, attribute.name.c_str()), refused);
    if (!removed) return pass_on(std::move(removed));
  }
  for (const Xattr& attribute : wanted) {
    if (std::ranges::find(present, attribute) != present.end()) continue;
    Result<void> set =
        taken_or_refused(set_xattr(fd, attribute.name.c_str(), attribute.value), refused);
    if (!set) return pass_on(std::move(set));
  }
  return refused;
}

Result<void> set_xattr(int fd, const char* name, std::string_view value) {
  const int result = calls::set_xattr(fd, name, value.data(), value.size());
  if (result < 0) return fail(-result, "setxattr", name);
  return {};
}

bool has_xattr(int fd, const char* name) { return calls::get_xattr(fd, name, nullptr, 0) >= 0; }

Result<void> remove_xattr(int fd, const char* name) {
  const int result = calls::remove_xattr(fd, name);
  if (result < 0 && result != -ENODATA) return fail(-result, "removexattr", name);
  return {};
}

}  // namespace mirrorfs::objects
