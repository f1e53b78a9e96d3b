// publish_file() and update_file(): the two ways a file's content gets into the replica.
#include <cerrno>

#include "engine/copy/content.h"
#include "engine/copy/transfer.h"
#include "engine/objects/dir_fd.h"
#include "engine/ring/ring.h"

namespace mirrorfs::copy {
namespace {

constexpr int kCopyAttempts = 3;

/// Same object, and neither content nor attributes changed in between (ctime shows).
bool unchanged(const Metadata& before, const Metadata& after) {
  return before.id() == after.id() && before.size == after.size &&
         same_time(before.mtime, after.mtime) && same_time(before.ctime, after.ctime);
}

enum class Step { kDone, kAgain, kVanished };

/// After content was read from `from`: is it what transfer.source describes? If not,
/// transfer.source is brought up to date for another try.
ring::Task<Result<Step>> check_source(Transfer& transfer, int from) {
  Result<Metadata> after = co_await transfer.tools.ring.statx(from, "", AT_EMPTY_PATH);
  if (!after) co_return pass_on(std::move(after));
  if (unchanged(transfer.source, *after)) co_return Step::kDone;
  if (after->id() != transfer.source.id() || !after->is_regular()) co_return Step::kVanished;
  transfer.source = *after;
  co_return Step::kAgain;
}

ring::Task<Result<Step>> publish_once(Transfer& transfer, int from, Written& done) {
  const Context& context = transfer.tools;
  Result<Staged> staged = co_await context.staging->create_file(context.writer, transfer.target(),
                                                                transfer.source.mode & 0777);
  if (!staged) co_return pass_on(std::move(staged));
  Result<std::uint64_t> written = co_await copy_content(context.writer, from, staged->fd(),
                                                        transfer.source, context.limits.pieces);
  Result<Step> step = co_await check_source(transfer, from);
  if (!step || *step != Step::kDone) co_return step;
  if (!written) co_return pass_on(std::move(written));
  Result<void> attributes = copy_attributes(transfer, from, *staged);
  if (!attributes) co_return pass_on(std::move(attributes));
  Result<void> published =
      co_await context.staging->publish(context.writer, *staged, transfer.target());
  if (!published) co_return pass_on(std::move(published));
  done = {.bytes = *written, .published = true};
  co_return Step::kDone;
}

ring::Task<Result<Step>> update_content_once(Transfer& transfer, int from, int to, Written& done) {
  const Context& context = transfer.tools;
  const ByteRange whole{0, transfer.source.size};
  Result<std::uint64_t> written = co_await update_content_in_place(
      context.writer, from, to, transfer.source, whole, context.limits.pieces);
  Result<Step> step = co_await check_source(transfer, from);
  if (!step || *step != Step::kDone) co_return step;
  if (!written) co_return pass_on(std::move(written));
  done = {.bytes = *written, .published = false};
  co_return Step::kDone;
}

/// After the content was closed without an error: with the source's times on it, nothing but a
/// comparison of content would find what a failed close has lost.
ring::Task<Result<void>> update_all_attributes(Transfer& transfer, int from) {
  const objects::Rights rights = transfer.tools.rights;
  Result<objects::Xattrs> wanted = objects::read_xattrs(from, rights);
  if (!wanted) co_return pass_on(std::move(wanted));
  // Read after writing: a write removes file capabilities.
  Result<objects::Xattrs> present =
      objects::read_xattrs_at(transfer.place.replica, transfer.name.c_str(), rights);
  if (!present) co_return pass_on(std::move(present));
  Result<void> updated =
      co_await update_attributes(transfer, objects::AttributeSet::all(), *wanted, *present);
  co_return updated;
}

/// Not writable for its owner, immutable, or being executed.
bool can_only_be_replaced(const Error& error) {
  return error.code == EACCES || error.code == EPERM || error.code == ETXTBSY;
}

}  // namespace

Result<void> copy_attributes(Transfer& transfer, int from, const Staged& to) {
  const objects::Rights rights = transfer.tools.rights;
  Result<objects::Xattrs> wanted = objects::read_xattrs(from, rights);
  if (!wanted) return pass_on(std::move(wanted));
  objects::AttributeSet which =
      objects::to_set_on_new(transfer.source, *wanted, to.permissions(), to.owner());
  // What it was made with may have come to nothing.
  if (!rights.fidelity.replica.exact) which.owner = which.mode = true;
  Result<objects::Refusal> applied =
      transfer.tools.writer.apply_attributes(to.fd(), which, transfer.source, *wanted, {}, rights);
  if (!applied) return pass_on(std::move(applied));
  transfer.refused = std::move(*applied);
  return {};
}

ring::Task<Result<WrittenOrVanished>> publish_file(Transfer& transfer) {
  ring::Ring& ring = transfer.tools.ring;
  Result<UniqueFd> from =
      co_await objects::open_for_reading(ring, transfer.place.source, transfer.name.c_str());
  if (!from && objects::means_vanished(from.error().code)) co_return WrittenOrVanished{};
  if (!from) co_return pass_on(std::move(from));
  Written done;
  for (int tries = 0; tries < kCopyAttempts; ++tries) {
    Result<Step> step = co_await publish_once(transfer, from->get(), done);
    if (!step) co_return pass_on(std::move(step));
    if (*step == Step::kAgain) continue;
    Result<void> closed = co_await ring.close(std::move(*from));
    if (!closed) co_return pass_on(std::move(closed));
    co_return *step == Step::kDone ? WrittenOrVanished(done) : WrittenOrVanished{};
  }
  co_return fail(EBUSY, "copy (the source keeps changing)", transfer.name);
}

ring::Task<Result<WrittenOrVanished>> update_file(Transfer& transfer) {
  ring::Ring& ring = transfer.tools.ring;
  const char* name = transfer.name.c_str();
  Result<UniqueFd> to =
      co_await ring.open(transfer.place.replica, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!to && !can_only_be_replaced(to.error())) co_return pass_on(std::move(to));
  if (!to) {
    // Whoever knows other names of it has them linked again.
    ring::Task<Result<WrittenOrVanished>> fresh = publish_file(transfer);
    co_return co_await std::move(fresh);
  }
  Result<UniqueFd> from = co_await objects::open_for_reading(ring, transfer.place.source, name);
  if (!from && objects::means_vanished(from.error().code)) co_return WrittenOrVanished{};
  if (!from) co_return pass_on(std::move(from));
  // What is written into the replica's file appears under all its names: never that of another
  // object that took the name meanwhile.
  Result<Metadata> opened = co_await ring.statx(from->get(), "", AT_EMPTY_PATH);
  if (!opened) co_return pass_on(std::move(opened));
  if (opened->id() != transfer.source.id()) co_return WrittenOrVanished{};
  Written done;
  for (int tries = 0; tries < kCopyAttempts; ++tries) {
    Result<Step> step = co_await update_content_once(transfer, from->get(), to->get(), done);
    if (!step) co_return pass_on(std::move(step));
    if (*step == Step::kAgain) continue;
    Result<void> closed = co_await ring.close(std::move(*to));
    if (!closed) co_return pass_on(std::move(closed));
    if (*step == Step::kVanished) co_return WrittenOrVanished{};
    Result<void> attributes = co_await update_all_attributes(transfer, from->get());
    if (!attributes) co_return pass_on(std::move(attributes));
    co_return WrittenOrVanished(done);
  }
  co_return fail(EBUSY, "copy (the source keeps changing)", transfer.name);
}

}  // namespace mirrorfs::copy
