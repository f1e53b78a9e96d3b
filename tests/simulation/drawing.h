// What operations and initial trees are made of.
#pragma once

#include <fmt/core.h>

#include <string>
#include <vector>

#include "plan.h"
#include "random.h"

namespace mirrorfs::simulation {

/// Few names and little depth, so that operations meet.
inline std::vector<std::string> draw_path_of(Random& random, const Plan& plan) {
  std::vector<std::string> path;
  for (std::size_t left = random.between(1, plan.depth); left > 0; --left) {
    path.push_back("n" + std::to_string(random.below(plan.names)));
  }
  return path;
}

inline std::string joined(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& name : path) text += (text.empty() ? "" : "/") + name;
  return text;
}

/// Bytes that no other operation writes.
inline std::string draw_data(Random& random) {
  const std::uint64_t tag = random.next();
  const std::size_t size = random.chance(1, 10) ? random.between(1, 9000) : random.between(1, 64);
  std::string data;
  while (data.size() < size) data += fmt::format("{:08x}", static_cast<std::uint32_t>(tag));
  data.resize(size);
  return data;
}

}  // namespace mirrorfs::simulation
