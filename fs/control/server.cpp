#include "fs/control/server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <exception>
#include <nlohmann/json.hpp>
#include <system_error>

#include "fs/control/channel.h"
#include "mirrorfs/log.h"

namespace mirrorfs::control {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostConnections = 64;
constexpr std::size_t kLongestRequest = 64 << 10;
constexpr auto kPatience = 10s;  ///< for a client to send its request, and to take the answer

/// The socket's mode keeps others out already; a descriptor handed on to them does not count.
bool may_ask(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return false;
  return credentials.uid == 0 || credentials.uid == geteuid();
}

Reply answer(const Handler& handler, const std::string& line, const Presence& presence) {
  const auto request = nlohmann::json::parse(line, nullptr, false);
  if (!request.is_object()) return refuse("a request is one JSON object on one line");
  try {
    return handler(request, presence);
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}

void converse(int socket, const Handler& handler, const Presence& presence) {
  Reply reply;
  if (may_ask(socket)) {
    const auto line = read_line(socket, kPatience, kLongestRequest);
    if (!line && line.error().code == ECONNRESET) return;
    reply = line ? answer(handler, line->text, presence) : refuse(line.error().message());
  } else {
    reply = refuse("only the owner of the mount and root may ask");
  }
  const auto sent = write_line(socket, reply.body, kPatience, reply.descriptors);
  if (!sent) log_debug("control: a client did not read its answer: {}", sent.error().message());
}

}  // namespace

bool Presence::gone() const { return stopping_ || peer_is_gone(socket_); }

Reply refuse(std::string_view why) {
  const nlohmann::json body{{"ok", false}, {"error", why}};
  return {body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), {}};
}

Result<std::unique_ptr<Server>> Server::start(std::unique_ptr<ControlSocket> socket,
                                              Handler handler) {
  UniqueFd wake_up(eventfd(0, EFD_CLOEXEC));
  if (!wake_up) return fail_errno("eventfd");
  std::unique_ptr<Server> server(
      new Server(std::move(socket), std::move(wake_up), std::move(handler)));
  try {
    server->accepting_ = std::thread([raw = server.get()] { raw->accept_loop(); });
  } catch (const std::system_error& error) {
    return fail(error.code().value(), "pthread_create");
  }
  return server;
}

Server::Server(std::unique_ptr<ControlSocket> socket, UniqueFd wake_up, Handler handler)
    : socket_(std::move(socket)), wake_up_(std::move(wake_up)), handler_(std::move(handler)) {}

Server::~Server() {
  stopping_ = true;
  eventfd_write(wake_up_.get(), 1);
  if (accepting_.joinable()) accepting_.join();
  for (Connection& connection : connections_) {
    shutdown(connection.socket.get(), SHUT_RD);  // ends a read; an answer still goes out
    connection.thread.join();
  }
}

void Server::accept_loop() {
  std::array<pollfd, 2> waiting{pollfd{socket_->get(), POLLIN, 0},
                                pollfd{wake_up_.get(), POLLIN, 0}};
  while (!stopping_) {
    if (poll(waiting.data(), waiting.size(), -1) < 0) continue;
    reap();
    if ((waiting[0].revents & POLLIN) != 0) accept_one();
  }
}

void Server::accept_one() {
  UniqueFd client(accept4(socket_->get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) {
    // Out of descriptors or memory: the client stays in the backlog, so do not spin on it.
    if (errno != EAGAIN && errno != ECONNABORTED) std::this_thread::sleep_for(100ms);
    return;
  }
  if (connections_.size() >= kMostConnections) return;
  Connection& connection = connections_.emplace_back();
  connection.socket = std::move(client);
  try {
    connection.thread = std::thread([this, &connection] { serve(connection); });
  } catch (const std::system_error&) {
    connections_.pop_back();
  }
}

void Server::serve(Connection& connection) {
  const int socket = connection.socket.get();
  converse(socket, handler_, Presence(socket, stopping_));
  // The client waits for the end of the stream; the descriptor itself is closed by reap().
  shutdown(socket, SHUT_RDWR);
  connection.finished = true;
}

void Server::reap() {
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    if (!connection->finished) {
      ++connection;
      continue;
    }
    connection->thread.join();
    connection = connections_.erase(connection);
  }
}

}  // namespace mirrorfs::control
