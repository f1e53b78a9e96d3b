#include "tests/fuzz/fake_kernel.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>

namespace mirrorfs::testing {
namespace {

constexpr std::size_t kLargestMessage = 2UL << 20;
constexpr std::chrono::seconds kPatience(30);

[[noreturn]] void throw_errno(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

}  // namespace

Body& Body::add_name(std::string_view name) {
  add_bytes(std::as_bytes(std::span(name)));
  bytes_.push_back(std::byte{0});
  return *this;
}

Body& Body::add_bytes(std::span<const std::byte> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return *this;
}

// Messages keep their boundaries, as those of /dev/fuse do.
FakeKernel::FakeKernel() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw_errno("socketpair");
  }
  ours_ = UniqueFd(ends[0]);
  theirs_ = ends[1];
  const int room = kLargestMessage;
  for (const int end : ends) {
    (void)::setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  }
  receiver_ = std::thread([this] { receive(); });
}

FakeKernel::~FakeKernel() {
  hang_up();
  receiver_.join();
}

std::string FakeKernel::device() const { return "/dev/fd/" + std::to_string(theirs_); }

void FakeKernel::hang_up() { (void)::shutdown(ours_.get(), SHUT_RDWR); }

void FakeKernel::initialise() {
  fuse_init_in wanted{};
  wanted.major = FUSE_KERNEL_VERSION;
  wanted.minor = FUSE_KERNEL_MINOR_VERSION;
  wanted.max_readahead = 128 * 1024;
  wanted.flags = ~0U;
  const Answer answer = call(FUSE_INIT, 0, Body().add(wanted));
  if (answer.error != 0) throw std::runtime_error("INIT was refused");
}

Answer FakeKernel::call(std::uint32_t opcode, std::uint64_t node, const Body& body,
                        const Identity& caller) {
  const std::uint64_t unique = send(opcode, node, body, caller);
  std::unique_lock lock(mutex_);
  const bool came = answered_.wait_for(lock, kPatience, [&] { return answers_.contains(unique); });
  if (!came) throw std::runtime_error("no answer to opcode " + std::to_string(opcode));
  return std::move(answers_.extract(unique).mapped());
}

void FakeKernel::tell(std::uint32_t opcode, std::uint64_t node, const Body& body) {
  (void)send(opcode, node, body, {});
}

std::uint64_t FakeKernel::send(std::uint32_t opcode, std::uint64_t node, const Body& body,
                               const Identity& caller) {
  fuse_in_header header{};
  {
    const std::lock_guard lock(mutex_);
    header.unique = last_unique_ += 2;  // odd ones are for interrupts
  }
  header.len = static_cast<std::uint32_t>(sizeof header + body.bytes().size());
  header.opcode = opcode;
  header.nodeid = node;
  header.uid = caller.uid;
  header.gid = caller.gid;
  header.pid = static_cast<std::uint32_t>(::getpid());
  const std::array<iovec, 2> parts = {
      {{&header, sizeof header},
       {const_cast<std::byte*>(body.bytes().data()), body.bytes().size()}}};
  if (::writev(ours_.get(), parts.data(), parts.size()) != static_cast<ssize_t>(header.len)) {
    throw_errno("writev to the session");
  }
  return header.unique;
}

void FakeKernel::receive() {
  std::vector<std::byte> buffer(kLargestMessage);
  for (;;) {
    const ssize_t count = ::read(ours_.get(), buffer.data(), buffer.size());
    if (count <= 0) return;
    const auto message = std::span(buffer).first(static_cast<std::size_t>(count));
    fuse_out_header header{};
    if (message.size() < sizeof header) throw std::runtime_error("a short answer");
    std::memcpy(&header, message.data(), sizeof header);
    const auto body = message.subspan(sizeof header);
    const std::lock_guard lock(mutex_);
    answers_[header.unique] = {.error = -header.error, .body = {body.begin(), body.end()}};
    answered_.notify_all();
  }
}

}  // namespace mirrorfs::testing
