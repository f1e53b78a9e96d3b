// A network of the test's own, with one other machine in it.
#pragma once

#include <string>
#include <vector>

#include "process.h"

namespace mirrorfs::test {

/// The calling thread, and what it starts from then on, is in a network namespace of its own; a
/// cable leads to a second one, in which servers run. Nothing is named outside, so that tests run
/// beside each other; all goes when the processes are gone. Throws when it cannot be made.
class OwnNetwork {
 public:
  OwnNetwork();

  static constexpr const char* kServer = "10.77.0.2";

  /// `command`, to be run on the server's side; it and all its descendants end with it.
  [[nodiscard]] std::vector<std::string> on_server(const std::vector<std::string>& command) const;

  void cut() const;
  void mend() const;

 private:
  void run_on_server(const std::vector<std::string>& command) const;

  ChildProcess other_machine_;
};

}  // namespace mirrorfs::test
