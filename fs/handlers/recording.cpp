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
  fs_.forget_attributes(*node);
  record(SetAttributes{.object = node->object(),
                       .where = fs_.nodes.location(node),
                       .changed = SetAttributes::kMode,
                       .after = after});
}

void Recording::record_failed_write(const NodeRef& node, int fd, FileCapabilities before) {
  const auto after = fs_.source.stat(fd);
  if (!after) return;  // not completed: all is compared
  record(SetAttributes{.object = node->object(),
                       .where = fs_.nodes.location(node),
                       .changed = SetAttributes::kTimes,
                       .after = *after});
  record_privileges(node, fd, *after, before);
  (void)complete();
}

FileCapabilities capabilities_before(Filesystem& fs, const NodeRef& node, int fd) {
  if (!node->is_regular()) return FileCapabilities::kAbsent;
  if (node->capabilities == FileCapabilities::kUnknown) {
    node->capabilities =
        fs.xattrs.has(fd, kCapability) ? FileCapabilities::kPresent : FileCapabilities::kAbsent;
  }
  return node->capabilities;
}

void answer_result(FuseRequest& request, Filesystem& fs, Settlement settlement) {
  answer(request, fs, std::move(settlement),
         [](FuseRequest& settled, const Result<void>& result) { settled.result(result); });
}

void pass_barrier(FuseRequest& request, Filesystem& fs, Admission admission, const NodeRef& node) {
  fs.captures.capture_written(fs);
  Footprint covered;
  covered.object(node->object()).entry(fs.nodes.location(node));
  covered.change(Footprint::Change::kNothing);
  Recording recording(fs, std::move(admission), std::move(covered));
  recording.record_barrier();
  answer_result(request, fs, recording.complete());
}

}  // namespace mirrorfs::fs
