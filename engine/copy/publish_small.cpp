// Objects that one call makes: symlinks, FIFOs, sockets, devices, further links. And attributes.
#include <cerrno>

#include "engine/copy/transfer.h"
#include "engine/objects/dir_fd.h"
#include "engine/ring/ring.h"

namespace mirrorfs::copy {

ring::Task<Result<void>> publish_small(Transfer& transfer, const std::string& link,
                                       const objects::Xattrs& xattrs) {
  const Context& context = transfer.tools;
  const Metadata& source = transfer.source;
  ring::Task<Result<Staged>> making =
      source.is_symlink()
          ? context.staging->create_symlink(context.writer, transfer.target(), link.c_str())
          : context.staging->create_special(context.writer, transfer.target(), source.mode,
                                            source.rdev);
  Result<Staged> staged = co_await std::move(making);
  if (!staged) co_return pass_on(std::move(staged));
  Result<objects::Refusal> attributes = context.writer.apply_attributes(
      staged->fd(), objects::AttributeSet::all(), source, xattrs, {}, context.rights);
  if (!attributes) co_return pass_on(std::move(attributes));
  transfer.refused = std::move(*attributes);
  Result<void> published =
      co_await context.staging->publish(context.writer, *staged, transfer.target());
  co_return published;
}

ring::Task<Result<void>> publish_link(Transfer& transfer, int from, const char* from_name) {
  const Context& context = transfer.tools;
  if (!transfer.replica) {
    Result<void> linked = co_await context.writer.link(from, from_name, transfer.place.replica,
                                                       transfer.name.c_str());
    if (linked || linked.error().code != EEXIST) co_return linked;
  }
  Result<Staged> staged = co_await context.staging->create_link(context.writer, from, from_name);
  if (!staged) co_return pass_on(std::move(staged));
  Result<void> published =
      co_await context.staging->publish(context.writer, *staged, transfer.target());
  co_return published;
}

ring::Task<Result<void>> update_attributes(Transfer& transfer, objects::AttributeSet which,
                                           const objects::Xattrs& wanted,
                                           const objects::Xattrs& present) {
  const Context& context = transfer.tools;
  Result<UniqueFd> object =
      co_await objects::open_path_at(context.ring, transfer.place.replica, transfer.name.c_str());
  if (!object) co_return pass_on(std::move(object));
  Result<objects::Refusal> applied = context.writer.apply_attributes(
      object->get(), which, transfer.source, wanted, present, context.rights);
  if (!applied) co_return pass_on(std::move(applied));
  transfer.refused = std::move(*applied);
  Result<void> closed = co_await context.ring.close(std::move(*object));
  co_return closed;
}

}  // namespace mirrorfs::copy
