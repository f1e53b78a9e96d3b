#include "mirrorfs/pairs.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "engine/journal/known_pairs.h"
#include "engine/journal/pairing.h"
#include "engine/journal/promotion.h"
#include "engine/journal/session_record.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs {
namespace {

PairStatus status_of(const journal::PairRecord& record, bool seen) {
  return {.id = record.pair_id,
          .tree = record.own.path,
          .peer = record.peer.path,
          .is_source = record.role == journal::Role::kSource,
          .generation = record.generation,
          .role_since = record.role_since,
          .last_session_ended = record.session.ended,
          .last_session = record.session.time,
          .host = record.session.host,
          .losses = record.capabilities.value_or(Capabilities()).losses(),
          .tolerated = record.tolerated,
          .seen = seen};
}

/// The tree itself knows better, as long as it can be read.
PairStatus current(const journal::PairRecord& known) {
  const UniqueFd root(::open(known.own.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return status_of(known, false);
  const auto record = journal::read_pair_record(root.get());
  if (!record || !*record || (*record)->pair_id != known.pair_id) return status_of(known, false);
  PairStatus status = status_of(**record, true);
  status.tree = known.own.path;
  return status;
}

/// After `umount` the daemon goes on for a moment.
journal::StartUp<UniqueFd> lock_patiently(int reserved, const journal::TreeRoot& root) {
  constexpr int kTries = 60;
  for (int tries = 1;; ++tries) {
    auto lock = journal::lock_tree(reserved, root, "replica");
    if (lock || tries == kTries) return lock;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

std::expected<std::vector<PairStatus>, std::string> known_pair_statuses() {
  const auto place = journal::StateDirectory::choose({});
  if (!place) return std::unexpected(place.error());
  std::vector<PairStatus> statuses;
  const UniqueFd state(::open(place->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!state && errno == ENOENT) return statuses;
  if (!state) {
    return std::unexpected(fmt::format("state directory {}: {}: look as the user who mounts",
                                       place->string(), std::strerror(errno)));
  }
  for (const auto& known : journal::known_pairs(state.get())) statuses.push_back(current(known));
  return statuses;
}

std::expected<PairStatus, std::string> promote(const std::filesystem::path& tree) {
  auto root = journal::open_root(tree, "replica");
  if (!root) return std::unexpected(root.error());
  const UniqueFd reserved(
      ::openat(root->fd.get(), kReservedName, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!reserved) {
    return std::unexpected(fmt::format("'{}' is not a replica: it has no {}: is its disk mounted?",
                                       root->path.string(), kReservedName));
  }
  const auto lock = lock_patiently(reserved.get(), *root);
  if (!lock) return std::unexpected(lock.error());
  UniqueFd state;
  if (const auto place = journal::StateDirectory::choose({})) {
    auto opened = journal::StateDirectory::open(*place);
    if (opened) state = std::move(opened->fd);
  }
  const auto record = journal::promote_tree(*root, reserved.get(), state.get());
  if (!record) return std::unexpected(record.error());
  return status_of(*record, true);
}

}  // namespace mirrorfs
