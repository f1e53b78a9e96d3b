// A regular file that the replica lacks is copied as soon as its name is seen: it is looked at
// once, after its content was read, and not before.
#include "engine/copy/copy_on_sight.h"

#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "engine/copy/content.h"
#include "engine/objects/dir_fd.h"
#include "engine/ring/ring.h"

namespace mirrorfs::copy {
namespace {

/// The time that the kernel would stamp on a change made now (it takes this clock, or a finer one
/// that is never behind it): a change made later shows a time that is not before this.
timespec earliest_ctime_of_a_change() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

/// What was read of a source file before the look at it.
struct Reading {
  int fd;
  timespec earliest;               ///< the ctime of any change since reading began
  std::span<const std::byte> all;  ///< the content of a small file; else empty
  Metadata layout;                 ///< size, and blocks as far as they show holes
};

/// Size and whether there are holes, by lseek(2): all that a copy of the content needs.
Result<Metadata> layout_of(int fd) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size < 0) return fail_errno("lseek SEEK_END");
  Metadata layout;
  layout.size = static_cast<std::uint64_t>(size);
  const off_t hole = size == 0 ? 0 : ::lseek(fd, 0, SEEK_HOLE);
  if (hole < 0) return fail_errno("lseek SEEK_HOLE");
  layout.blocks = hole < size ? 0 : layout.size / 512 + 1;
  return layout;
}

/// Whether the file is what was read: `now` is of after the reading.
bool is_as_read(const SightRules& rules, const Reading& reading, const Metadata& now) {
  return now.is_regular() && now.dev == rules.device && now.size == reading.layout.size &&
         is_before(now.ctime, reading.earliest);
}

/// A small file with a hole was read as if it had none; compressed files only look like that.
bool hides_a_hole(const Reading& reading, const Metadata& now) {
  if (reading.all.empty() || now.blocks * 512 >= now.size) return false;
  const off_t hole = ::lseek(reading.fd, 0, SEEK_HOLE);
  return hole < 0 || static_cast<std::uint64_t>(hole) < now.size;
}

ring::Task<Result<std::uint64_t>> write_content(const Context& context, const Reading& reading,
                                                int to) {
  if (reading.all.empty()) {
    ring::Task<Result<std::uint64_t>> large =
        copy_content(context.ring, reading.fd, to, reading.layout, context.limits.pieces);
    co_return co_await std::move(large);
  }
  Result<std::size_t> put = co_await context.ring.write(to, reading.all, 0);
  if (!put) co_return pass_on(std::move(put));
  if (*put < reading.all.size()) {
    Result<void> rest = co_await context.ring.write_all(to, reading.all.subspan(*put), *put);
    if (!rest) co_return pass_on(std::move(rest));
  }
  co_return reading.all.size();
}

/// Gives the staged file its attributes and its name; false: another name of the object is in the
/// replica already.
ring::Task<Result<bool>> publish(Transfer& transfer, const SightRules& rules, Staged& staged,
                                 int from) {
  const Context& context = transfer.tools;
  const ObjectId source = transfer.source.id();
  const bool linked = transfer.source.nlink > 1;
  HardlinkMap::Lease lease;
  if (linked) {
    lease = co_await context.hardlinks.lease(source);
    if (context.hardlinks.find(source)) co_return false;
  }
  Result<void> attributes = copy_attributes(transfer, from, staged);
  if (!attributes) co_return pass_on(std::move(attributes));
  Result<void> published =
      co_await context.staging->publish(context.ring, staged, transfer.target());
  if (!published) co_return pass_on(std::move(published));
  const Location here{rules.directory, transfer.name};
  if (linked) context.hardlinks.remember(source, {here, {}}, transfer.source.nlink - 1);
  co_return true;
}

/// The one statx. Without `as_read` the file has to be copied the ordinary way.
ring::Task<Result<Sighting>> look(Transfer& transfer, const SightRules& rules,
                                  const Reading& reading, bool& as_read) {
  as_read = false;
  Result<Metadata> now = co_await transfer.tools.ring.statx(reading.fd, "", AT_EMPTY_PATH);
  if (!now) co_return pass_on(std::move(now));
  if (!now->is_regular()) co_return Sighting{};
  transfer.source = *now;
  as_read = is_as_read(rules, reading, *now) && !hides_a_hole(reading, *now);
  co_return Sighting{.seen = *now};
}

/// A small file is looked at before anything is made for it, a large one after it was copied.
ring::Task<Result<Sighting>> copy_read(Transfer& transfer, const SightRules& rules,
                                       const Reading& reading) {
  const Context& context = transfer.tools;
  const bool small = !reading.all.empty() || reading.layout.size == 0;
  Result<Sighting> sighting{Sighting{}};
  bool as_read = true;
  if (small) sighting = co_await look(transfer, rules, reading, as_read);
  if (!sighting || !as_read) co_return sighting;
  const mode_t mode = small ? transfer.source.mode & 0777 : 0600;
  Result<Staged> staged =
      co_await context.staging->create_file(context.ring, transfer.target(), mode);
  if (!staged) co_return pass_on(std::move(staged));
  // A large file's size counts while it is copied, not only when it is looked at.
  const auto size = small ? 0 : static_cast<std::int64_t>(reading.layout.size);
  rules.expected(size);
  Result<std::uint64_t> written = co_await write_content(context, reading, staged->fd());
  rules.expected(-size);
  if (!written) co_return pass_on(std::move(written));
  if (!small) sighting = co_await look(transfer, rules, reading, as_read);
  if (!sighting || !as_read) co_return sighting;
  Result<bool> published = co_await publish(transfer, rules, *staged, reading.fd);
  if (!published) co_return pass_on(std::move(published));
  sighting->published = *published;
  sighting->bytes = *written;
  co_return sighting;
}

/// Reads a small file entirely, or the layout of a large one.
ring::Task<Result<Reading>> begin_reading(Transfer& transfer, int fd, std::span<std::byte> buffer) {
  Reading reading{.fd = fd, .earliest = earliest_ctime_of_a_change(), .all = {}, .layout = {}};
  Result<std::size_t> got = co_await transfer.tools.ring.read(fd, buffer, 0);
  if (!got) co_return pass_on(std::move(got));
  if (*got < buffer.size()) {
    reading.all = buffer.first(*got);
    reading.layout.size = *got;
    co_return reading;
  }
  Result<Metadata> layout = layout_of(fd);
  if (!layout) co_return pass_on(std::move(layout));
  reading.layout = *layout;
  co_return reading;
}

ring::Task<Result<Sighting>> read_and_copy(Transfer& transfer, const SightRules& rules, int from) {
  PieceBudget::Piece buffer = co_await transfer.tools.limits.sights.acquire();
  Result<Reading> reading = co_await begin_reading(transfer, from, {buffer.data(), kSmallFile});
  if (!reading) co_return pass_on(std::move(reading));
  const bool large = reading->all.empty() && reading->layout.size > 0;
  if (large && transfer.place.hidden) co_return Sighting{.seen = {}, .too_large = true};
  Result<Sighting> sighting = co_await copy_read(transfer, rules, *reading);
  co_return sighting;
}

}  // namespace

ring::Task<Result<Sighting>> copy_on_sight(Transfer& transfer, const SightRules& rules) {
  ring::Ring& ring = transfer.tools.ring;
  Result<UniqueFd> from =
      co_await objects::open_for_reading(ring, transfer.place.source, transfer.name.c_str());
  if (!from) co_return pass_on(std::move(from));
  Result<Sighting> sighting = co_await read_and_copy(transfer, rules, from->get());
  Result<void> closed = co_await ring.close(std::move(*from));
  if (sighting && !closed) co_return pass_on(std::move(closed));
  co_return sighting;
}

}  // namespace mirrorfs::copy
