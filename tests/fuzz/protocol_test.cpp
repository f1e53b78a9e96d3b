// The handlers against what no kernel sends, and against objects that vanish behind the daemon's
// back: an error, never a crash, and never a step outside of the source (G7).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "tests/fuzz/fake_mount.h"
#include "tests/fuzz/protocol_client.h"

namespace mirrorfs::testing {
namespace {

constexpr std::uint64_t kRoot = FUSE_ROOT_ID;

class Protocol : public ::testing::Test {
 protected:
  [[nodiscard]] std::uint64_t node_of(std::string_view name, std::uint64_t parent = kRoot) {
    const Answer answer = client_.lookup(parent, name);
    EXPECT_EQ(answer.error, 0) << name;
    return answer.as<fuse_entry_out>().nodeid;
  }
  void make_file(const std::string& name, const std::string& content = "content") const {
    std::ofstream(mount_.source(name)) << content;
  }
  [[nodiscard]] bool forgets_down_to(std::size_t nodes) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      if (mount_.session().known_nodes() == nodes) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  FakeMount mount_;
  ProtocolClient client_{mount_.kernel()};
};

struct NamedRequest {
  const char* what;
  std::function<Answer(ProtocolClient&, std::uint64_t node, std::string_view name)> send;
};

/// Every request that carries a name, `node` being the directory.
const std::vector<NamedRequest>& requests_by_name() {
  using Client = ProtocolClient;
  using Node = std::uint64_t;
  using Name = std::string_view;
  static const std::vector<NamedRequest> all = {
      {"lookup", [](Client& c, Node n, Name s) { return c.lookup(n, s); }},
      {"mkdir", [](Client& c, Node n, Name s) { return c.make_directory(n, s, 0755); }},
      {"mknod", [](Client& c, Node n, Name s) { return c.make_node(n, s, S_IFREG | 0644); }},
      {"symlink", [](Client& c, Node n, Name s) { return c.make_symlink(n, s, "target"); }},
      {"link", [](Client& c, Node n, Name s) { return c.make_link(kRoot, n, s); }},
      {"create", [](Client& c, Node n, Name s) { return c.create(n, s, O_RDWR, 0644); }},
      {"unlink", [](Client& c, Node n, Name s) { return c.unlink(n, s); }},
      {"rmdir", [](Client& c, Node n, Name s) { return c.remove_directory(n, s); }},
      {"rename from", [](Client& c, Node n, Name s) { return c.rename(n, s, kRoot, "new"); }},
      {"rename to", [](Client& c, Node n, Name s) { return c.rename(kRoot, "old", n, s); }},
      {"exchange",
       [](Client& c, Node n, Name s) { return c.rename(kRoot, "old", n, s, RENAME_EXCHANGE); }},
  };
  return all;
}

/// Every request about a node alone.
const std::vector<NamedRequest>& requests_by_node() {
  using Client = ProtocolClient;
  using Node = std::uint64_t;
  using Name = std::string_view;
  static const std::vector<NamedRequest> all = {
      {"getattr", [](Client& c, Node n, Name) { return c.get_attributes(n); }},
      {"statx", [](Client& c, Node n, Name) { return c.extended_attributes(n); }},
      {"chmod",
       [](Client& c, Node n, Name) {
         fuse_setattr_in wanted{};
         wanted.valid = FATTR_MODE;
         wanted.mode = 0600;
         return c.set_attributes(n, wanted);
       }},
      {"truncate",
       [](Client& c, Node n, Name) {
         fuse_setattr_in wanted{};
         wanted.valid = FATTR_SIZE;
         return c.set_attributes(n, wanted);
       }},
      {"readlink", [](Client& c, Node n, Name) { return c.read_link(n); }},
      {"open", [](Client& c, Node n, Name) { return c.open(n, O_RDWR); }},
      {"opendir", [](Client& c, Node n, Name) { return c.open_directory(n); }},
      {"link from", [](Client& c, Node n, Name) { return c.make_link(n, kRoot, "linked"); }},
      {"tmpfile", [](Client& c, Node n, Name) { return c.create_nameless(n, O_RDWR, 0600); }},
      {"setxattr", [](Client& c, Node n, Name) { return c.set_xattr(n, "user.a", "b"); }},
      {"getxattr", [](Client& c, Node n, Name) { return c.get_xattr(n, "user.a", 100); }},
      {"listxattr", [](Client& c, Node n, Name) { return c.list_xattrs(n, 1000); }},
      {"removexattr", [](Client& c, Node n, Name) { return c.remove_xattr(n, "user.a"); }},
  };
  return all;
}

TEST_F(Protocol, NamesThatAreNoSingleComponentAreRefused) {
  make_file("old");
  std::filesystem::create_directory(mount_.source("directory"));
  const std::uint64_t directory = node_of("directory");
  for (const char* name : {"", ".", "..", "/", "a/b", "../secret", "/etc/passwd", "old/"}) {
    for (const NamedRequest& request : requests_by_name()) {
      EXPECT_EQ(request.send(client_, directory, name).error, EINVAL)
          << request.what << " of '" << name << "'";
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(mount_.source("directory")));
  EXPECT_TRUE(std::filesystem::exists(mount_.source("old")));
}

TEST_F(Protocol, NamesPastTheLimitAreTooLong) {
  make_file("old");
  for (const std::size_t size : {256UL, 4096UL}) {
    const std::string name(size, 'n');
    for (const NamedRequest& request : requests_by_name()) {
      EXPECT_EQ(request.send(client_, kRoot, name).error, ENAMETOOLONG)
          << request.what << " of " << size << " bytes";
    }
  }
}

TEST_F(Protocol, AnyByteButSlashAndNulMakesAName) {
  std::string odd;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/') odd += static_cast<char>(byte);
  }
  ASSERT_EQ(odd.size(), 254U);
  EXPECT_EQ(client_.create(kRoot, odd, O_RDWR, 0644).error, 0);
  EXPECT_TRUE(std::filesystem::exists(mount_.source(odd)));
  EXPECT_EQ(client_.rename(kRoot, odd, kRoot, std::string(255, '\xff')).error, 0);
  EXPECT_TRUE(std::filesystem::exists(mount_.source(std::string(255, '\xff'))));
}

TEST_F(Protocol, ThereIsNoNodeThatWasNeverGivenOut) {
  for (const std::uint64_t node : {std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{4711},
                                   ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    for (const NamedRequest& request : requests_by_node()) {
      EXPECT_EQ(request.send(client_, node, "").error, ESTALE) << request.what << " of " << node;
    }
    for (const NamedRequest& request : requests_by_name()) {
      EXPECT_EQ(request.send(client_, node, "name").error, ESTALE)
          << request.what << " of " << node;
    }
    client_.forget(node, 3);
  }
  EXPECT_EQ(mount_.session().known_nodes(), 1U);
}

TEST_F(Protocol, AForgottenNodeIsGone) {
  make_file("file");
  const std::uint64_t file = node_of("file");
  EXPECT_EQ(node_of("file"), file);
  client_.forget(file, 1);
  EXPECT_EQ(client_.get_attributes(file).error, 0) << "it was looked up twice";
  client_.forget(file, 1);
  ASSERT_TRUE(forgets_down_to(1));
  for (const NamedRequest& request : requests_by_node()) {
    EXPECT_EQ(request.send(client_, file, "").error, ESTALE) << request.what;
  }
  EXPECT_NE(node_of("file"), file) << "numbers are not used again";
}

TEST_F(Protocol, ForgettingMoreThanWasLookedUpDoesNoHarm) {
  make_file("file");
  const std::uint64_t file = node_of("file");
  client_.forget(file, 1'000'000);
  client_.forget(file, 1);
  client_.forget(kRoot, ~std::uint64_t{0});
  ASSERT_TRUE(forgets_down_to(1));
  EXPECT_NE(node_of("file"), 0U);
}

TEST_F(Protocol, AnOpenFileOutlivesItsNode) {
  make_file("file", "still here");
  const std::uint64_t file = node_of("file");
  ASSERT_EQ(client_.open(file, O_RDWR).error, 0);
  const OpenedFile open = client_.files().back();
  std::filesystem::remove(mount_.source("file"));
  client_.forget(file, 1);
  const Answer read = client_.read(open, 0, 100);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(read.body.data()), read.body.size()),
            "still here");
  EXPECT_EQ(client_.write(open, 0, "STILL").error, 0);
  EXPECT_EQ(client_.release(open).error, 0);
  EXPECT_TRUE(forgets_down_to(1));
}

/// What became of an object that the kernel knows, without the daemon's doing.
struct Vanishing {
  const char* how;
  void (*act)(const std::filesystem::path& object);
};

constexpr Vanishing kVanishings[] = {
    {"removed", [](const auto& object) { std::filesystem::remove_all(object); }},
    {"replaced by a directory",
     [](const auto& object) {
       std::filesystem::remove_all(object);
       std::filesystem::create_directory(object);
     }},
    {"replaced by a file",
     [](const auto& object) {
       std::filesystem::remove_all(object);
       std::ofstream(object) << "another";
     }},
    {"replaced by a symlink that leads out",
     [](const auto& object) {
       std::filesystem::remove_all(object);
       std::filesystem::create_symlink("../../secret", object);
     }},
    {"replaced by a FIFO",
     [](const auto& object) {
       std::filesystem::remove_all(object);
       ::mkfifo(object.c_str(), 0600);
     }},
};

TEST_F(Protocol, AnObjectThatVanishedIsStaleToEveryRequest) {
  for (const bool directory : {false, true}) {
    for (const Vanishing& vanishing : kVanishings) {
      const std::string name = std::string(vanishing.how) + (directory ? " directory" : " file");
      const auto path = mount_.source(name);
      directory ? (void)std::filesystem::create_directory(path) : make_file(name);
      const std::uint64_t node = node_of(name);
      vanishing.act(path);
      for (const NamedRequest& request : requests_by_node()) {
        if (directory && std::string_view(request.what) == "open") continue;  // for files only
        const int error = request.send(client_, node, "").error;
        EXPECT_TRUE(error == ESTALE || error == ENOENT)
            << request.what << " of what was " << name << ": errno " << error;
      }
      for (const NamedRequest& request : requests_by_name()) {
        const int error = request.send(client_, node, "name").error;
        EXPECT_TRUE(error == ESTALE || error == ENOENT)
            << request.what << " in what was " << name << ": errno " << error;
      }
    }
  }
}

TEST_F(Protocol, ADirectoryThatVanishedWhileOpenIsEmpty) {
  std::filesystem::create_directory(mount_.source("directory"));
  const std::uint64_t directory = node_of("directory");
  ASSERT_EQ(client_.open_directory(directory).error, 0);
  std::filesystem::remove(mount_.source("directory"));
  const OpenedFile open = client_.directories().back();
  const Answer listed = client_.list_plus(open, 0, 4096);
  EXPECT_TRUE(listed.error == 0 || listed.error == ENOENT);
  EXPECT_EQ(client_.sync_directory(open).error, 0);
  EXPECT_EQ(client_.release_directory(open).error, 0);
}

}  // namespace
}  // namespace mirrorfs::testing
