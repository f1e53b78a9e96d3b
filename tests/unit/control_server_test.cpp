// The control protocol against a fake mirror, over real sockets.
#include "fs/control/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <future>
#include <nlohmann/json.hpp>

#include "fake_mirror.h"
#include "fs/control/client.h"
#include "fs/control/requests.h"
#include "fs/control/socket_path.h"
#include "fs/daemon/live_options.h"
#include "temporary_directory.h"

namespace mirrorfs::control {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::FakeMirror;
using testing::TemporaryDirectory;

constexpr const char* kMount = "/srv/data";

class ControlServer : public ::testing::Test {
 protected:
  void SetUp() override {
    auto socket = ControlSocket::listen(directory_.path(), kMount);
    ASSERT_TRUE(socket) << socket.error();
    daemon_.mount = kMount;
    daemon_.source = "/usr";
    daemon_.replica = "/etc";
    auto server = Server::start(std::move(*socket), answer_from(mirror_, calls()));
    ASSERT_TRUE(server) << server.error().message();
    server_ = std::move(*server);
  }

  DaemonCalls calls() {
    return {.look = [this] { return mirror_.status(); },
            .status = [this] { return daemon_; },
            .capture = [] {},
            .mapped = [] { return MappedFiles{.nodes = {5}, .generation = 7}; },
            .set =
                [this](const std::vector<std::string>& settings) {
                  return options_.change(settings, mirror_);
                },
            .settings = [this] { return changeable(options_.current()); }};
  }

  UniqueFd connect() {
    const UniqueFd directory(open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto socket = connect_to(directory.get(), socket_name(kMount));
    EXPECT_TRUE(socket) << socket.error().message();
    return socket ? std::move(*socket) : UniqueFd();
  }

  std::expected<Client::Answer, std::string> ask(const json& request, Timeout timeout = 5s) {
    return Client(connect()).ask(request, timeout);
  }

  TemporaryDirectory directory_;
  FakeMirror mirror_;
  DaemonStatus daemon_;
  LiveOptions options_{DaemonOptions()};
  std::unique_ptr<Server> server_;
};

TEST_F(ControlServer, StatusHasTheKeysThatScriptsRelyOn) {
  mirror_.engine_status.state = MirrorState::kCatchingUp;
  mirror_.engine_status.queued_bytes = 1ULL << 40;
  const auto answer = ask({{"request", "status"}});
  ASSERT_TRUE(answer) << answer.error();
  const json status = json::parse(answer->body)["status"];
  for (const char* const key : {"state",
                                "lag_seconds",
                                "queued_ops",
                                "queued_bytes",
                                "completed_seq",
                                "applied_seq",
                                "durable_seq",
                                "marks",
                                "errors_total",
                                "last_error",
                                "bytes_replicated_total",
                                "ops_replicated_total",
                                "baseline",
                                "mode",
                                "io",
                                "transport",
                                "source",
                                "replica",
                                "mount",
                                "pid",
                                "uptime_seconds"}) {
    EXPECT_TRUE(status.contains(key)) << key;
  }
  for (const char* const key : {"files_done", "files_total", "bytes_done", "bytes_total"}) {
    EXPECT_TRUE(status["baseline"].contains(key)) << key;
  }
  EXPECT_EQ(status["state"], "catching-up");
  EXPECT_EQ(status["queued_bytes"], 1ULL << 40);
}

TEST_F(ControlServer, StatusShowsNamesThatAreNotUtf8) {
  mirror_.engine_status.failed = {{"bad\xff name", "ENOSPC"}};
  const auto answer = ask({{"request", "status"}});
  ASSERT_TRUE(answer) << answer.error();
  const json failed = json::parse(answer->body)["status"]["failed"][0];
  EXPECT_EQ(failed["path"], "bad\\xff name");
  EXPECT_EQ(failed["path_base64"], "YmFk/yBuYW1l");
}

TEST_F(ControlServer, TreesHandsOverTheRootsAsDescriptors) {
  const auto answer = ask({{"request", "trees"}});
  ASSERT_TRUE(answer) << answer.error();
  ASSERT_EQ(answer->descriptors.size(), 2U);
  const auto same = [](int fd, const char* path) {
    struct stat by_fd{}, by_path{};
    return fstat(fd, &by_fd) == 0 && stat(path, &by_path) == 0 && by_fd.st_ino == by_path.st_ino &&
           by_fd.st_dev == by_path.st_dev;
  };
  EXPECT_TRUE(same(answer->descriptors[0].get(), "/usr"));
  EXPECT_TRUE(same(answer->descriptors[1].get(), "/etc"));
}

TEST_F(ControlServer, PauseAndResumeReachTheMirror) {
  const auto paused = ask({{"request", "pause"}});
  ASSERT_TRUE(paused);
  EXPECT_EQ(json::parse(paused->body)["stands_still"], true);
  EXPECT_TRUE(mirror_.paused);
  mirror_.stands_still = false;
  const auto hanging = ask({{"request", "pause"}});
  ASSERT_TRUE(hanging);
  EXPECT_EQ(json::parse(hanging->body)["stands_still"], false);
  ASSERT_TRUE(ask({{"request", "resume"}}));
  EXPECT_FALSE(mirror_.paused);
}

TEST_F(ControlServer, ExamineReachesTheMirrorWithItsPaths) {
  mirror_.finding = {Finding::kDiffers, "content"};
  json request = {{"request", "examine"}, {"repair", true}};
  request["paths"] = json::array({json{{"path", "a/b"}}, json{{"path", "c"}}});
  const auto answered = ask(request);
  ASSERT_TRUE(answered) << answered.error();
  const json answer = json::parse(answered->body);
  EXPECT_EQ(answer.at("findings").size(), 2U);
  EXPECT_EQ(answer.at("findings").at(1).at("finding"), "differs");
  ASSERT_EQ(mirror_.examined.size(), 1U);
  EXPECT_EQ(mirror_.examined[0].paths, (std::vector<std::string>{"a/b", "c"}));
  EXPECT_TRUE(mirror_.examined[0].repair);
  EXPECT_FALSE(mirror_.examined[0].full);
}

TEST_F(ControlServer, WaitAnswersNoAtItsTimeout) {
  const auto answer = ask({{"request", "wait"}, {"timeout", 0.05}});
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(json::parse(answer->body)["done"], false);
}

TEST_F(ControlServer, WaitPassesPathsOnByTheirBytes) {
  mirror_.become_durable();
  const auto answer =
      ask({{"request", "wait"},
           {"paths", {{{"path", "a/b"}}, {{"path", "?"}, {"path_base64", "/w=="}}}}});
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(json::parse(answer->body)["done"], true);
  EXPECT_EQ(mirror_.waited_for, (std::vector<std::string>{"a/b", "\xff"}));
}

TEST_F(ControlServer, AWaitingClientHoldsUpNobody) {
  auto waiting = std::async(std::launch::async, [this] { return ask({{"request", "wait"}}, 30s); });
  while (mirror_.waits == 0) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(ask({{"request", "status"}}));
  mirror_.become_durable();
  const auto answer = waiting.get();
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(json::parse(answer->body)["done"], true);
}

TEST_F(ControlServer, ASilentClientHoldsUpNeitherOthersNorTheEnd) {
  const UniqueFd silent = connect();
  EXPECT_TRUE(ask({{"request", "status"}}));
  const auto before = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

TEST_F(ControlServer, AWaitEndsWhenItsClientGoesAway) {
  {
    const UniqueFd client = connect();
    ASSERT_TRUE(write_line(client.get(), R"({"request":"wait"})", 1s));
    while (mirror_.waits == 0) std::this_thread::sleep_for(1ms);
  }
  std::this_thread::sleep_for(600ms);
  const int after = mirror_.waits;
  std::this_thread::sleep_for(900ms);
  EXPECT_EQ(mirror_.waits, after);
}

TEST_F(ControlServer, NonsenseIsRefusedWithAReason) {
  const auto say = [this](std::string_view text) {
    const UniqueFd client = connect();
    EXPECT_TRUE(write_line(client.get(), text, 1s));
    const auto line = read_line(client.get(), 5s, 1 << 20);
    return line ? json::parse(line->text) : json();
  };
  for (const char* const text :
       {"", "hello", "[]", "7", "{", "{}", R"({"request":"format"})", R"({"request":5})",
        R"({"request":"wait","timeout":"soon"})", R"({"request":"wait","timeout":-1})",
        R"({"request":"wait","paths":["a"]})", R"({"request":"wait","paths":"a"})"}) {
    const json answer = say(text);
    EXPECT_EQ(answer.value("ok", true), false) << text;
    EXPECT_FALSE(answer.value("error", "").empty()) << text;
  }
  EXPECT_EQ(say(std::string(100'000, 'x')).value("ok", true), false);
  EXPECT_TRUE(ask({{"request", "status"}}));
}

TEST_F(ControlServer, ManyClientsAtOnceAreAllAnswered) {
  std::vector<std::future<bool>> clients;
  for (int i = 0; i < 32; ++i) {
    clients.push_back(std::async(std::launch::async,
                                 [this] { return ask({{"request", "status"}}).has_value(); }));
  }
  for (auto& client : clients) EXPECT_TRUE(client.get());
}

TEST_F(ControlServer, OnlyTheOwnerCanOpenTheSocket) {
  struct stat status{};
  ASSERT_EQ(stat((directory_.path() / socket_name(kMount)).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(ControlServer, ASecondDaemonOnTheSameMountIsRefused) {
  const auto second = ControlSocket::listen(directory_.path(), kMount);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find(kMount), std::string::npos);
  EXPECT_TRUE(ask({{"request", "status"}})) << "the first one goes on";
}

TEST_F(ControlServer, TheNameGoesWithTheServer) {
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / socket_name(kMount)));
}

TEST(ControlSocket, ReplacesWhatADeadDaemonLeft) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / socket_name(kMount);
  {
    const UniqueFd dead(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto socket = ControlSocket::listen(directory.path(), kMount);
  EXPECT_TRUE(socket) << socket.error();
}

TEST(ControlSocket, LeavesANameThatIsNoLongerItsOwn) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / socket_name(kMount);
  auto first = ControlSocket::listen(directory.path(), kMount);
  ASSERT_TRUE(first);
  std::filesystem::remove(path);
  const auto second = ControlSocket::listen(directory.path(), kMount);
  ASSERT_TRUE(second) << second.error();
  first->reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(ControlServer, SetChangesAllOrNothing) {
  const auto set = ask({{"request", "set"}, {"options", {"mode=fsync", "queue-size=1M"}}});
  ASSERT_TRUE(set) << set.error();
  const json settings = json::parse(set->body).at("settings");
  EXPECT_EQ(settings.at("mode"), "fsync");
  EXPECT_EQ(settings.at("queue-size"), "1048576");
  EXPECT_EQ(mirror_.settings().mode, Mode::kFsync);
  EXPECT_EQ(mirror_.settings().queue_size, 1U << 20);
  const auto refused = ask({{"request", "set"}, {"options", {"mode=sync", "queue-size=1"}}});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("queue-size=1: not allowed"), std::string::npos);
  EXPECT_EQ(mirror_.settings().mode, Mode::kFsync) << "half of a refused request was done";
}

TEST_F(ControlServer, SetRefusesByNameWhatOnlyTheMountTakes) {
  for (const char* const setting : {"threads=4", "no-such-option=1", "dst=/x", "mode", "adopt"}) {
    const auto refused = ask({{"request", "set"}, {"options", {setting}}});
    ASSERT_FALSE(refused) << setting;
    const std::string name = std::string(setting).substr(0, std::string(setting).find('='));
    EXPECT_NE(refused.error().find(name), std::string::npos) << refused.error();
  }
}

}  // namespace
}  // namespace mirrorfs::control
