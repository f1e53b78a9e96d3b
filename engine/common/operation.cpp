#include "mirrorfs/operation.h"

#include <algorithm>

#include "mirrorfs/footprint.h"

namespace mirrorfs {

Payload::Payload(std::span<const std::byte> bytes)
    : bytes_(std::make_unique_for_overwrite<std::byte[]>(bytes.size())), size_(bytes.size()) {
  std::ranges::copy(bytes, bytes_.get());
}

namespace {

/// Beside each allocation: malloc's own head, and what rounding up costs.
constexpr std::size_t kAllocation = 16;

std::size_t bytes_of(const std::string& text) {
  static const std::size_t in_place = std::string().capacity();
  return text.capacity() <= in_place ? 0 : text.capacity() + kAllocation;
}

std::size_t bytes_of(const Location& where) { return bytes_of(where.name); }
std::size_t bytes_of(const Payload& payload) {
  return payload.size() == 0 ? 0 : payload.size() + kAllocation;
}
template <class Value>
std::size_t bytes_of(const std::optional<Value>& value) {
  return value ? bytes_of(*value) : 0;
}

std::size_t bytes_in(const Write& op) { return bytes_of(op.where) + bytes_of(op.data); }
std::size_t bytes_in(const SetXattr& op) {
  return bytes_of(op.where) + bytes_of(op.name) + bytes_of(op.value);
}
std::size_t bytes_in(const RemoveXattr& op) { return bytes_of(op.where) + bytes_of(op.name); }
std::size_t bytes_in(const MakeSymlink& op) { return bytes_of(op.where) + bytes_of(op.target); }
std::size_t bytes_in(const Link& op) { return bytes_of(op.where) + bytes_of(op.existing); }
std::size_t bytes_in(const Unlink& op) { return bytes_of(op.where) + bytes_of(op.other_name); }
std::size_t bytes_in(const Rename& op) { return bytes_of(op.from) + bytes_of(op.to); }
template <class Op>
std::size_t bytes_in(const Op& op) {
  if constexpr (requires { op.where; }) return bytes_of(op.where);
  return 0;
}

}  // namespace

std::size_t heap_bytes(const Operation& operation) {
  return std::visit([](const auto& op) { return bytes_in(op); }, operation);
}

std::size_t Footprint::heap_bytes() const {
  std::size_t bytes = 0;
  for (const Location& entry : entries()) bytes += bytes_of(entry);
  if (others_) bytes += sizeof(OtherNames);
  for (const Location& name : others_ ? others_->known : std::vector<Location>()) {
    bytes += sizeof(Location) + bytes_of(name);
  }
  return bytes;
}

}  // namespace mirrorfs
