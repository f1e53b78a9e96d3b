// Start-up: everything that can be refused is refused before anything is changed.
#include <fmt/core.h>

#include <utility>

#include "engine/journal/boot.h"
#include "engine/live/live_mirror.h"
#include "engine/ring/ring.h"

namespace mirrorfs {
namespace {

journal::StartUp<void> probe_io_uring() {
  const auto ring = ring::Ring::create({.entries = 8});
  if (ring) return {};
  const char* advice = ring.error().code == EPERM
                           ? ": allow it (sysctl kernel.io_uring_disabled=0, or the container's "
                             "seccomp profile)"
                           : ": a kernel with io_uring is needed";
  return std::unexpected(
      fmt::format("io_uring cannot be used: {}{}", ring.error().message(), advice));
}

/// What is written into a tree behind the mount's back would make the trees differ: a place for
/// state inside one is refused.
journal::StartUp<journal::StateDirectory> open_state(const std::filesystem::path& asked,
                                                     const journal::TreeRoot& source,
                                                     const journal::TreeRoot& replica,
                                                     const journal::TreeRoot* mount_point) {
  const auto place = journal::StateDirectory::choose(asked);
  if (!place) return std::unexpected(place.error());
  const std::pair<const journal::TreeRoot*, const char*> trees[] = {
      {&source, "source"}, {&replica, "replica"}, {mount_point, "mount point"}};
  for (const auto& [tree, role] : trees) {
    if (tree == nullptr) continue;
    const auto outside = journal::check_outside(*place, "state directory", *tree, role);
    if (!outside) return std::unexpected(outside.error() + ": give another with --state-dir");
  }
  return journal::StateDirectory::open(*place);
}

}  // namespace

journal::StartUp<std::unique_ptr<Mirror>> Mirror::open(const MirrorOptions& options) {
  auto source = journal::open_root(options.source, "source");
  if (!source) return std::unexpected(source.error());
  auto replica = journal::open_root(options.replica, "replica");
  if (!replica) return std::unexpected(replica.error());
  std::optional<journal::TreeRoot> mount_point;
  if (!options.mount_point.empty()) {
    auto opened = journal::open_root(options.mount_point, "mount point");
    if (!opened) return std::unexpected(opened.error());
    mount_point = std::move(*opened);
  }
  const journal::TreeRoot* mount = mount_point ? &*mount_point : nullptr;
  if (auto checked = journal::check_nesting(*source, *replica, mount); !checked) {
    return std::unexpected(checked.error());
  }
  if (auto probed = probe_io_uring(); !probed) return std::unexpected(probed.error());
  auto state = open_state(options.state_dir, *source, *replica, mount);
  if (!state) return std::unexpected(state.error());
  auto pairing = journal::Pairing::acquire(*source, *replica, {.adopt = options.adopt});
  if (!pairing) return std::unexpected(pairing.error());
  auto session =
      journal::SessionRecord::open(std::move(*state), pairing->id(), pairing->reserved_directory());
  if (!session) return std::unexpected(session.error());
  return std::make_unique<live::LiveMirror>(live::LiveMirror::Opened{.options = options,
                                                                     .source = std::move(*source),
                                                                     .replica = std::move(*replica),
                                                                     .pairing = std::move(*pairing),
                                                                     .session = std::move(*session),
                                                                     .boot = journal::boot_id()});
}

}  // namespace mirrorfs
