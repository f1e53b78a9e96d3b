#include "fs/handlers/open_modes.h"

#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "fs/handlers/writer.h"
#include "mirrorfs/log.h"

namespace mirrorfs::fs {
namespace {

// Linux 6.9, include/uapi/linux/fuse.h; not in the headers of older systems. libfuse's own calls
// want a request, and an open may have to be undone when there is none any more.
struct BackingMap {
  std::int32_t fd = -1;
  std::uint32_t flags = 0;
  std::uint64_t padding = 0;
};
constexpr unsigned kFuseDevice = 229;
constexpr unsigned long kBackingOpen = _IOW(kFuseDevice, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(kFuseDevice, 2, std::uint32_t);

/// Its number, or a negative errno.
int announce(int device, const OpenModes::File& file) {
  const BackingMap map{.fd = file.fd};
  const auto open = [&] {
    const int id = ::ioctl(device, kBackingOpen, &map);
    return id > 0 ? id : -errno;
  };
  if (file.writer == nullptr) return open();
  if (file.writer->uid == 0) {
    const WithReserve scope(file.own);
    return open();
  }
  const AsWriter scope(file.own, {.caller = *file.writer});
  return open();
}

OpenedAs opened_as(std::uint32_t cached, std::uint32_t passthrough) {
  if (passthrough > 0) return OpenedAs::kPassthrough;
  return cached > 0 ? OpenedAs::kCached : OpenedAs::kNotOpen;
}

}  // namespace

OpenModes::Way OpenModes::enter(Node& node, OpenFacts facts, const File& file) {
  Shard& shard = shard_of(node);
  const std::lock_guard lock(shard.mutex);
  Opens& opens = shard.opens[node.id().value];
  facts.opened_as = opened_as(opens.cached, opens.passthrough);
  facts.passthrough_available = facts.passthrough_available && allowed_;
  facts.was_updated = node.was_updated;
  if (facts.access == AccessMode::kReadWrite) node.was_updated = true;
  OpenDecision decision = decide_open(facts);
  if (decision.path != DataPath::kThroughDaemon && !opens.backing) {
    opens.backing = open_backing(file);
    facts.passthrough_available = false;
    if (!opens.backing) decision = decide_open(facts);
  }
  if (decision.path == DataPath::kThroughDaemon) {
    ++opens.cached;
    return {decision, {}};
  }
  ++opens.passthrough;
  passed_.fetch_add(1, std::memory_order_relaxed);
  return {decision, opens.backing};
}

void OpenModes::leave(const Node& node, DataPath path) {
  Shard& shard = shard_of(node);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.opens.find(node.id().value);
  Opens& opens = found->second;
  --(path == DataPath::kThroughDaemon ? opens.cached : opens.passthrough);
  if (opens.passthrough == 0 && opens.backing) close_backing(std::exchange(opens.backing, {}));
  if (opens.passthrough == 0 && opens.cached == 0) shard.opens.erase(found);
}

/// Refused by the kind of filesystem (ELOOP: it is stacked on others, as overlayfs), or for all
/// (EPERM: without CAP_SYS_ADMIN outside of user namespaces).
BackingId OpenModes::open_backing(const File& file) {
  const int id = announce(device_, file);
  if (id > 0) return {id};
  const int code = -id;
  refused_.fetch_add(1, std::memory_order_relaxed);
  if (last_refusal_.exchange(code) != code) {
    log_info("kernel passthrough is refused, so the data goes through the daemon: {}",
             std::strerror(code));
  }
  if (code == EPERM || code == ENOTTY) allowed_ = false;
  return {};
}

void OpenModes::close_backing(BackingId id) const {
  const auto value = static_cast<std::uint32_t>(id.value);
  if (::ioctl(device_, kBackingClose, &value) != 0) {
    log_debug("a backing file stays open in the kernel: {}", std::strerror(errno));
  }
}

}  // namespace mirrorfs::fs
