#include "tests/fuzz/random_kernel.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <system_error>

namespace mirrorfs::testing {
namespace {

constexpr std::size_t kMostOpen = 24;

constexpr std::array kBadNames = {"", ".", "..", "/", "a/b", "../secret", "/etc", "a/"};

/// Answers that would mean a fault of ours: a descriptor or a pointer gone wrong, or a request that
/// was given up.
bool is_never_right(int error) {
  switch (error) {
    case EBADF:
    case EFAULT:
    case EIO:
    case ENOSYS:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EDEADLK: return true;
    default: return error < 0 || error > 4095;
  }
}

/// Not through a symlink, which may lead out of the source.
void rewrite(const std::filesystem::path& path, std::string_view content) {
  const UniqueFd fd(::open(
      path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
  if (!fd) return;
  [[maybe_unused]] const auto written = ::pwrite(fd.get(), content.data(), content.size(), 0);
}

}  // namespace

std::optional<std::string> RandomKernel::step() {
  const std::uint64_t choice = below(100);
  Sent sent;
  if (choice < 14) {
    sent = request_by_name();
  } else if (choice < 32) {
    sent = make_something();
  } else if (choice < 42) {
    sent = move_something();
  } else if (choice < 52) {
    sent = request_by_node();
  } else if (choice < 58) {
    sent = change_attributes();
  } else if (choice < 64) {
    sent = use_xattrs();
  } else if (choice < 82) {
    sent = use_file();
  } else if (choice < 90) {
    sent = use_directory();
  } else if (choice < 96) {
    sent = forget_something();
  } else {
    sent = change_behind_the_back();
  }
  if (wrong_identity_) return sent.what + ": " + *wrong_identity_;
  return judge(sent);
}

std::optional<std::string> RandomKernel::judge(const Sent& sent) const {
  const auto complaint = [&](const char* why) {
    return fmt::format("{}: errno {}: {}", sent.what, sent.answer.error, why);
  };
  if (is_never_right(sent.answer.error)) return complaint("never a right answer");
  if (sent.bad_name && sent.answer.error == 0) return complaint("a bad name was taken");
  if (sent.bad_node && sent.answer.error != ESTALE && !sent.bad_name) {
    return complaint("the node does not exist, so ESTALE");
  }
  return std::nullopt;
}

RandomKernel::Node RandomKernel::some_node() {
  const std::uint64_t choice = below(20);
  if (choice == 0) {
    constexpr std::array kNever = {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 40};
    return {.id = kNever.at(below(kNever.size())), .bad = true};
  }
  if (choice == 1 && !forgotten_.empty()) {
    const std::uint64_t id = forgotten_.at(below(forgotten_.size()));
    // Open handles and other names below it may still keep it: then it is neither bad nor good.
    return {.id = id, .bad = false};
  }
  if (choice < 5 || client_.known().empty()) return {.id = FUSE_ROOT_ID};
  return {.id = std::next(client_.known().begin(),
                          static_cast<std::ptrdiff_t>(below(client_.known().size())))
                    ->first};
}

RandomKernel::Name RandomKernel::some_name() {
  const std::uint64_t choice = below(40);
  if (choice == 0) return {.text = kBadNames.at(below(kBadNames.size())), .bad = true};
  if (choice == 1) return {.text = std::string(256 + below(4000), 'x'), .bad = true};
  if (choice == 2) return {.text = std::string(255, static_cast<char>(0x80 + below(100)))};
  if (choice == 3) return {.text = "\xff\xfe\x01\n"};
  return {.text = fmt::format("n{}", below(10))};
}

std::uint64_t RandomKernel::some_offset() {
  return below(50) == 0 ? (std::uint64_t{1} << (20 + below(25))) : below(2 * kMostRandomBytes);
}

std::optional<std::string> RandomKernel::judge_identity(std::uint64_t node, const Answer& answer) {
  const auto known = client_.known().find(node);
  if (answer.error != 0 || known == client_.known().end()) return std::nullopt;
  const auto shown = answer.as<fuse_attr_out>().attr;
  if (shown.ino == known->second.ino && (shown.mode & S_IFMT) == known->second.type) {
    return std::nullopt;
  }
  return fmt::format("node {} was inode {}, type {:o}, and is now {}, {:o}", node,
                     known->second.ino, known->second.type, shown.ino, shown.mode & S_IFMT);
}

RandomKernel::Sent RandomKernel::request_by_name() {
  const Node node = some_node();
  const Name name = some_name();
  const auto sent = [&](const char* what, Answer answer) {
    return Sent{.what = fmt::format("{} of {} in {}", what, name.text.substr(0, 20), node.id),
                .answer = std::move(answer),
                .bad_name = name.bad,
                .bad_node = node.bad};
  };
  switch (below(6)) {
    case 0: return sent("unlink", client_.unlink(node.id, name.text));
    case 1: return sent("rmdir", client_.remove_directory(node.id, name.text));
    default: return sent("lookup", client_.lookup(node.id, name.text));
  }
}

RandomKernel::Sent RandomKernel::make_something() {
  const Node node = some_node();
  const Name name = some_name();
  const auto mode = static_cast<std::uint32_t>(0600 | below(0200));
  const auto sent = [&](const char* what, Answer answer) {
    return Sent{.what = fmt::format("{} of {} in {}", what, name.text.substr(0, 20), node.id),
                .answer = std::move(answer),
                .bad_name = name.bad,
                .bad_node = node.bad};
  };
  const bool may_open = client_.files().size() < kMostOpen;
  switch (below(8)) {
    case 0: return sent("mknod", client_.make_node(node.id, name.text, S_IFREG | mode));
    case 1: return sent("mknod of a FIFO", client_.make_node(node.id, name.text, S_IFIFO | mode));
    case 2: return sent("symlink", client_.make_symlink(node.id, name.text, "../../secret"));
    case 3: {
      const Node existing = some_node();
      Sent linked = sent("link", client_.make_link(existing.id, node.id, name.text));
      linked.bad_node = linked.bad_node || existing.bad;
      return linked;
    }
    case 4:
    case 5: return sent("mkdir", client_.make_directory(node.id, name.text, 0100 | mode));
    default:
      if (!may_open) return sent("lookup", client_.lookup(node.id, name.text));
      return sent("create", client_.create(node.id, name.text, O_RDWR, mode));
  }
}

RandomKernel::Sent RandomKernel::move_something() {
  const Node from = some_node(), to = some_node();
  const Name from_name = some_name(), to_name = some_name();
  constexpr std::array<std::uint32_t, 6> kFlags = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, 0};
  const std::uint32_t flags = kFlags.at(below(kFlags.size()));
  return {
      .what = fmt::format("rename of {} in {} to {} in {}, flags {}", from_name.text.substr(0, 20),
                          from.id, to_name.text.substr(0, 20), to.id, flags),
      .answer = client_.rename(from.id, from_name.text, to.id, to_name.text, flags),
      .bad_name = from_name.bad || to_name.bad,
      .bad_node = from.bad};
}

RandomKernel::Sent RandomKernel::request_by_node() {
  const Node node = some_node();
  const auto sent = [&](const char* what, Answer answer) {
    return Sent{.what = fmt::format("{} of {}", what, node.id),
                .answer = std::move(answer),
                .bad_node = node.bad};
  };
  const bool may_open = client_.files().size() + client_.directories().size() < kMostOpen;
  switch (below(may_open ? 8 : 4)) {
    case 0: return sent("readlink", client_.read_link(node.id));
    case 1: return sent("statx", client_.extended_attributes(node.id));
    case 2:
    case 3: {
      Sent asked = sent("getattr", client_.get_attributes(node.id));
      wrong_identity_ = judge_identity(node.id, asked.answer);
      return asked;
    }
    case 4: return sent("opendir", client_.open_directory(node.id));
    case 5: return sent("tmpfile", client_.create_nameless(node.id, O_RDWR, 0600));
    default: {
      constexpr std::array<std::uint32_t, 5> kFlags = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_TRUNC,
                                                       O_WRONLY | O_DSYNC};
      return sent("open", client_.open(node.id, kFlags.at(below(kFlags.size()))));
    }
  }
}

RandomKernel::Sent RandomKernel::change_attributes() {
  const Node node = some_node();
  constexpr std::array<std::uint32_t, 6> kBits = {
      FATTR_MODE,      FATTR_UID | FATTR_GID,
      FATTR_SIZE,      FATTR_ATIME | FATTR_MTIME,
      FATTR_MTIME_NOW, FATTR_SIZE | FATTR_MODE | FATTR_KILL_SUIDGID};
  fuse_setattr_in wanted{};
  wanted.valid = kBits.at(below(kBits.size()));
  wanted.mode = static_cast<std::uint32_t>(0400 | below(07400));
  wanted.uid = static_cast<std::uint32_t>(below(3));
  wanted.gid = static_cast<std::uint32_t>(below(3));
  wanted.size = some_offset();
  wanted.mtime = below(2'000'000'000);
  wanted.mtimensec = static_cast<std::uint32_t>(below(1'000'000'000));
  Sent sent{.what = fmt::format("setattr {:x} of {}", wanted.valid, node.id),
            .answer = client_.set_attributes(node.id, wanted),
            .bad_node = node.bad};
  wrong_identity_ = judge_identity(node.id, sent.answer);
  return sent;
}

RandomKernel::Sent RandomKernel::use_xattrs() {
  const Node node = some_node();
  constexpr std::array kNames = {"user.a",   "trusted.b", "security.c", "system.posix_acl_access",
                                 "nonsense", ""};
  const char* const name = kNames.at(below(kNames.size()));
  const auto sent = [&](const char* what, Answer answer) {
    return Sent{.what = fmt::format("{} {} of {}", what, name, node.id),
                .answer = std::move(answer),
                .bad_node = node.bad};
  };
  const auto room = static_cast<std::uint32_t>(below(3) == 0 ? 0 : below(4000));
  switch (below(5)) {
    case 0: return sent("getxattr", client_.get_xattr(node.id, name, room));
    case 1: return sent("listxattr", client_.list_xattrs(node.id, room));
    case 2: return sent("removexattr", client_.remove_xattr(node.id, name));
    default:
      return sent("setxattr", client_.set_xattr(node.id, name, std::string(below(600), 'v'),
                                                static_cast<std::uint32_t>(below(3))));
  }
}

RandomKernel::Sent RandomKernel::forget_something() {
  if (client_.known().empty()) return request_by_node();
  const Node node = some_node();
  if (node.id == FUSE_ROOT_ID) return request_by_node();
  switch (below(3)) {
    case 0: client_.forget(node.id, 1); break;
    case 1: client_.forget(node.id, below(1000)); break;
    default: client_.forget_many({node.id, some_node().id, ~std::uint64_t{0}}); break;
  }
  constexpr std::size_t kRemembered = 50;
  if (!node.bad) forgotten_.push_back(node.id);
  if (forgotten_.size() > kRemembered) forgotten_.erase(forgotten_.begin());
  return {.what = fmt::format("forget of {}", node.id), .answer = {}};
}

/// In the upper levels of the source, by whoever has access to it.
RandomKernel::Sent RandomKernel::change_behind_the_back() {
  auto path = source_;
  for (std::uint64_t depth = 1 + below(3); depth > 0; --depth) {
    path /= fmt::format("n{}", below(10));
  }
  std::error_code ignored;
  const std::uint64_t choice = below(6);
  switch (choice) {
    case 0: std::filesystem::remove_all(path, ignored); break;
    case 1:
      std::filesystem::remove_all(path, ignored);
      std::filesystem::create_symlink("../../secret", path, ignored);
      break;
    case 2:
      std::filesystem::remove_all(path, ignored);
      std::filesystem::create_directory(path, ignored);
      break;
    case 3: std::filesystem::rename(path, source_ / fmt::format("n{}", below(10)), ignored); break;
    case 4: rewrite(path, "written behind the back"); break;
    default: rewrite(path, std::string(below(kMostRandomBytes), 'b')); break;
  }
  return {.what = fmt::format("change {} of {}", choice, path.string()), .answer = {}};
}

}  // namespace mirrorfs::testing
