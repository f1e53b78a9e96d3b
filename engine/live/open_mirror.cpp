// Start-up: everything that can be refused is refused before anything is changed.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <utility>

#include "engine/compare/removals.h"
#include "engine/journal/boot.h"
#include "engine/live/live_mirror.h"
#include "engine/replica/probe.h"
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

/// Of a session that did not end: since when the replica may lack what the mount did.
std::optional<timespec> unfinished_since(const journal::PairRecord& record) {
  const journal::SessionNote& last = record.session;
  if (last.ended || last.nonce.empty()) return std::nullopt;
  return last.source_since.tv_sec != 0 ? last.source_since : last.time;
}

journal::StartUp<void> check_removals(const MirrorOptions& options,
                                      const journal::PairRecord& record,
                                      const journal::TreeRoot& source,
                                      const journal::TreeRoot& replica, int state_directory) {
  // After a kill a walk of all names would take longer than the recovery.
  const std::string marks = record.pair_id + ".marks";
  const bool has_marks = ::faccessat(state_directory, marks.c_str(), F_OK, 0) == 0;
  return compare::check_removals({.source = source.fd.get(),
                                  .replica = replica.fd.get(),
                                  .source_path = source.path.string(),
                                  .replica_path = replica.path.string(),
                                  .limit = options.max_delete,
                                  .one_file_system = record.one_file_system,
                                  .inner_mounts = record.inner_mounts,
                                  .exclude = record.exclude,
                                  .excused_since = unfinished_since(record),
                                  .no_count = has_marks && unfinished_since(record)});
}

/// What the replica's filesystem can hold.
std::function<journal::StartUp<void>(int, journal::Ruling&)> examiner(
    const MirrorOptions& options, const journal::TreeRoot& source,
    const journal::TreeRoot& replica) {
  return [&](int reserved, journal::Ruling& ruling) -> journal::StartUp<void> {
    ruling.record.tolerated = options.tolerate;
    auto found = replica::examine({.source_root = source.fd.get(),
                                   .reserved_directory = reserved,
                                   .replica_path = replica.path.string(),
                                   .tolerated = options.tolerate,
                                   .known = ruling.known_capabilities()});
    if (!found) return std::unexpected(found.error());
    ruling.record.capabilities = *found;
    return {};
  };
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
  const journal::Pairing::Request request{.adopt = options.adopt,
                                          .mounts = true,
                                          .one_file_system = options.one_file_system,
                                          .exclude = options.exclude,
                                          .state_directory = state->fd.get(),
                                          .examine = examiner(options, *source, *replica)};
  auto ruling = journal::Pairing::decide(*source, *replica, request);
  if (!ruling) return std::unexpected(ruling.error());
  if (auto few = check_removals(options, ruling->record, *source, *replica, state->fd.get());
      !few) {
    return std::unexpected(few.error());
  }
  auto pairing = journal::Pairing::take(*source, *replica, request, std::move(*ruling));
  if (!pairing) return std::unexpected(pairing.error());
  auto session = journal::SessionRecord::open(std::move(*state), *pairing, source->fd.get());
  if (!session) return std::unexpected(session.error());
  return std::make_unique<live::LiveMirror>(live::LiveMirror::Opened{.options = options,
                                                                     .source = std::move(*source),
                                                                     .replica = std::move(*replica),
                                                                     .pairing = std::move(*pairing),
                                                                     .session = std::move(*session),
                                                                     .boot = journal::boot_id()});
}

}  // namespace mirrorfs
