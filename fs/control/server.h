// Serves the control socket: one JSON line in, one JSON line out, then the connection ends.
//
// Every client has a thread of its own, so one that waits or hangs does not delay the others.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>
#include <vector>

#include "fs/control/control_socket.h"
#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::control {

struct Reply {
  std::string body;              ///< one line of JSON
  std::vector<int> descriptors;  ///< sent along; they stay the handler's
};

/// Lets a slow handler find out that its answer is no longer wanted: the client went away, or the
/// server is stopping.
class Presence {
 public:
  Presence(int socket, const std::atomic<bool>& stopping) : socket_(socket), stopping_(stopping) {}
  [[nodiscard]] bool gone() const;

 private:
  int socket_;
  const std::atomic<bool>& stopping_;
};

/// Called by the clients' threads, several at once.
using Handler = std::function<Reply(const nlohmann::json& request, const Presence& presence)>;

[[nodiscard]] Reply refuse(std::string_view why);

class Server {
 public:
  /// Starts the accepting thread. The socket closes, and its name goes, with the server.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(std::unique_ptr<ControlSocket> socket,
                                                             Handler handler);
  /// Ends all conversations; returns when the handlers have returned.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Takes the socket's name away early, for an exit without destructors. Any thread.
  void remove_name() { socket_->remove_name(); }

 private:
  struct Connection {
    UniqueFd socket;
    std::atomic<bool> finished = false;
    std::thread thread;
  };

  Server(std::unique_ptr<ControlSocket> socket, UniqueFd wake_up, Handler handler);
  void accept_loop();
  void accept_one();
  void serve(Connection& connection);
  void reap();

  const std::unique_ptr<ControlSocket> socket_;
  const UniqueFd wake_up_;  ///< eventfd(2): stop
  const Handler handler_;
  std::atomic<bool> stopping_ = false;
  std::list<Connection> connections_;  ///< the accepting thread's; after its end the destructor's
  std::thread accepting_;
};

}  // namespace mirrorfs::control
