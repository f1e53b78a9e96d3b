// publish_file() and update_file(): the two ways a file's content gets into the replica.
#include <cerrno>

#include "engine/ring/ring.h"
#include "engine/tree/content.h"
#include "engine/tree/entry.h"

namespace mirrorfs::tree {
namespace {

constexpr int kCopyAttempts = 3;

/// Same object, and neither content nor attributes were touched in between (ctime tells).
bool unchanged(const Metadata& before, const Metadata& after) {
  return before.id() == after.id() && before.size == after.size &&
         same_time(before.mtime, after.mtime) && same_time(before.ctime, after.ctime);
}

enum class Step { kDone, kAgain, kVanished };

/// After content was read from `from`: is it what entry.source describes? If not, entry.source is
/// brought up to date for another try.
ring::Task<Result<Step>> check_source(Entry& entry, int from) {
  Result<Metadata> after = co_await entry.context.ring.statx(from, "", AT_EMPTY_PATH);
  if (!after) co_return pass_on(std::move(after));
  if (unchanged(entry.source, *after)) co_return Step::kDone;
  if (after->id() != entry.source.id() || !after->is_regular()) co_return Step::kVanished;
  entry.source = *after;
  co_return Step::kAgain;
}

ring::Task<Result<Step>> publish_once(Entry& entry, int from) {
  Context& context = entry.context;
  Result<Staged> staged =
      co_await context.staging->create_file(context.ring, entry.target(), entry.source.mode & 0777);
  if (!staged) co_return pass_on(std::move(staged));
  Result<std::uint64_t> written =
      co_await copy_content(context.ring, from, staged->fd(), entry.source, context.limits.pieces);
  Result<Step> step = co_await check_source(entry, from);
  if (!step || *step != Step::kDone) co_return step;
  if (!written) co_return pass_on(std::move(written));
  Result<void> attributes = copy_attributes(entry, from, *staged);
  if (!attributes) co_return pass_on(std::move(attributes));
  Result<void> published = co_await context.staging->publish(context.ring, *staged, entry.target());
  if (!published) co_return pass_on(std::move(published));
  Result<void> closed = co_await context.ring.close(staged->take_fd());
  if (!closed) co_return pass_on(std::move(closed));
  if (!entry.replica) context.observer.created(entry.name);
  context.observer.copied(entry.name, *written);
  co_return Step::kDone;
}

ring::Task<Result<Step>> update_once(Entry& entry, int from, int to) {
  Context& context = entry.context;
  const ByteRange whole{0, entry.source.size};
  Result<std::uint64_t> written = co_await update_content_in_place(
      context.ring, from, to, entry.source, whole, context.limits.pieces);
  Result<Step> step = co_await check_source(entry, from);
  if (!step || *step != Step::kDone) co_return step;
  if (!written) co_return pass_on(std::move(written));
  // Read after writing: a write removes file capabilities.
  Result<Xattrs> present = read_xattrs(to, context.rights);
  if (!present) co_return pass_on(std::move(present));
  Result<Xattrs> wanted = read_xattrs(from, context.rights);
  if (!wanted) co_return pass_on(std::move(wanted));
  Result<void> attributes =
      apply_attributes(to, AttributeSet::all(), entry.source, *wanted, *present, context.rights);
  if (!attributes) co_return pass_on(std::move(attributes));
  if (*written > 0) {
    context.observer.copied(entry.name, *written);
  } else {
    context.observer.attributes_set(entry.name);
  }
  co_return Step::kDone;
}

}  // namespace

Result<void> copy_attributes(const Entry& entry, int from, const Staged& to) {
  const Rights rights = entry.context.rights;
  Result<Xattrs> wanted = read_xattrs(from, rights);
  if (!wanted) return pass_on(std::move(wanted));
  const AttributeSet which = to_set_on_new(entry.source, *wanted, to.permissions(), to.owner());
  return apply_attributes(to.fd(), which, entry.source, *wanted, {}, rights);
}

ring::Task<Result<Outcome>> publish_file(Entry& entry) {
  ring::Ring& ring = entry.context.ring;
  Result<UniqueFd> from =
      co_await open_for_reading(ring, entry.directory.source, entry.name.c_str());
  if (!from && means_vanished(from.error().code)) co_return Outcome::kVanished;
  if (!from) co_return pass_on(std::move(from));
  for (int tries = 0; tries < kCopyAttempts; ++tries) {
    Result<Step> step = co_await publish_once(entry, from->get());
    if (!step) co_return pass_on(std::move(step));
    if (*step == Step::kAgain) continue;
    Result<void> closed = co_await ring.close(std::move(*from));
    if (!closed) co_return pass_on(std::move(closed));
    co_return *step == Step::kDone ? Outcome::kChanged : Outcome::kVanished;
  }
  co_return fail(EBUSY, "copy (the source keeps changing)", entry.name);
}

ring::Task<Result<Outcome>> update_file(Entry& entry) {
  ring::Ring& ring = entry.context.ring;
  const char* name = entry.name.c_str();
  Result<UniqueFd> to =
      co_await ring.open(entry.directory.replica, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!to) {
    // Not writable for its owner, or being executed: replaced as a whole. Other names of it are
    // linked anew when they are met.
    ring::Task<Result<Outcome>> fresh = publish_file(entry);
    co_return co_await std::move(fresh);
  }
  Result<UniqueFd> from = co_await open_for_reading(ring, entry.directory.source, name);
  if (!from && means_vanished(from.error().code)) co_return Outcome::kVanished;
  if (!from) co_return pass_on(std::move(from));
  for (int tries = 0; tries < kCopyAttempts; ++tries) {
    Result<Step> step = co_await update_once(entry, from->get(), to->get());
    if (!step) co_return pass_on(std::move(step));
    if (*step == Step::kAgain) continue;
    Result<void> closed = co_await ring.close(std::move(*to));
    if (!closed) co_return pass_on(std::move(closed));
    co_return *step == Step::kDone ? Outcome::kChanged : Outcome::kVanished;
  }
  co_return fail(EBUSY, "copy (the source keeps changing)", entry.name);
}

}  // namespace mirrorfs::tree
