#include "fs/handlers/recording.h"

namespace mirrorfs::fs {
namespace {
constexpr const char* kCapability = "security.capability";
}  // namespace

void Recording::record_privileges(const NodeRef& node, int fd, const Metadata& after,
                                  FileCapabilities before) {
  if (before == FileCapabilities::kPresent && !fs_.xattrs.has(fd, kCapability)) {
    node->capabilities = FileCapabilities::kAbsent;
    record(RemoveXattr{.object = node->object(),
                       .where = fs_.nodes.location(node),
                       .name = kCapability,
                       .after = after});
  }
  if (after.mode == node->known_mode()) return;
  node->set_known_mode(after.mode);
  record(SetAttributes{.object = node->object(),
                       .where = fs_.nodes.location(node),
                       .changed = SetAttributes::kMode,
                       .after = after});
}

void Recording::record_failed_write(const NodeRef& node, int fd, FileCapabilities before) {
  const auto after = fs_.source.stat(fd);
  if (!after) return record_unknown(node, fd, before);
  record(SetAttributes{.object = node->object(),
                       .where = fs_.nodes.location(node),
                       .changed = SetAttributes::kTimes,
                       .after = *after});
  record_privileges(node, fd, *after, before);
}

void Recording::record_unknown(const NodeRef& node, int fd, FileCapabilities before) {
  const auto after = fs_.source.stat(fd);
  record(Write{.object = node->object(),
               .where = fs_.nodes.location(node),
               .data = {},
               .after = after.value_or(Metadata{}),
               .unknown = true});
  if (after) record_privileges(node, fd, *after, before);
}

Result<void> Recording::settle() {
  if (!last_) return {};
  return barrier_ ? fs_.replicator.settle_barrier(*last_) : fs_.replicator.settle(*last_);
}

FileCapabilities capabilities_before(Filesystem& fs, const NodeRef& node, int fd) {
  if (!node->is_regular()) return FileCapabilities::kAbsent;
  if (node->capabilities == FileCapabilities::kUnknown) {
    node->capabilities =
        fs.xattrs.has(fd, kCapability) ? FileCapabilities::kPresent : FileCapabilities::kAbsent;
  }
  return node->capabilities;
}

Result<void> pass_barrier(Filesystem& fs) {
  Recording recording(fs, 0);
  recording.record_barrier();
  return recording.settle();
}

}  // namespace mirrorfs::fs
