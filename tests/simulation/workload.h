// What applications do: operations drawn one by one, each a function of the seed and its number.
#pragma once

#include <string>
#include <vector>

#include "mount.h"
#include "plan.h"
#include "random.h"

namespace mirrorfs::simulation {

/// Objects made in the source before anything is mirrored.
void make_initial_tree(int source_root, const Plan& plan);

/// The operations of one session, handed out to its applications.
class Workload {
 public:
  Workload(Mount& mount, const Plan& plan, std::size_t session, Trace& trace);

  /// One application; ends when no operation is left.
  [[nodiscard]] Task<void> application(unsigned number);
  [[nodiscard]] unsigned begun() const { return begun_; }

 private:
  using Path = std::vector<std::string>;
  struct Application {
    unsigned number;
    std::vector<OpenFile> files;
  };

  [[nodiscard]] Task<void> operation(Application& application, std::uint64_t number);
  [[nodiscard]] Request perform(Application& application, Random& random, std::string& what);
  [[nodiscard]] Request make_something(Application& application, Work work, Random& random,
                                       std::string& what);
  [[nodiscard]] Request change_content(Application& application, Work work, Random& random,
                                       std::string& what);
  [[nodiscard]] Request change_attributes(Work work, Random& random, std::string& what);
  [[nodiscard]] Request remove_something(Work work, Random& random, std::string& what);
  [[nodiscard]] Request link_something(Random& random, std::string& what);
  [[nodiscard]] Request rename_something(Work work, Random& random, std::string& what);
  [[nodiscard]] Request use_nameless_file(Application& application, Random& random,
                                          std::string& what);
  [[nodiscard]] Path draw_path(Random& random) const;
  [[nodiscard]] Work draw_work(Random& random) const;
  [[nodiscard]] Task<NodeRef> node_at(Path path);

  Mount& mount_;
  const Plan& plan_;
  const std::size_t session_;
  const unsigned operations_;
  Trace& trace_;
  unsigned begun_ = 0;
};

}  // namespace mirrorfs::simulation
