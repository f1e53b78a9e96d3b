#include "trace.h"

#include "simulated_time.h"

namespace mirrorfs::simulation {

void Trace::say_line(std::string_view line) {
  const double microseconds = static_cast<double>(SimulatedTime::elapsed().count()) / 1e3;
  fmt::print(output_, "{:>6} {:>12.3f}us  {}\n", steps_, microseconds, line);
}

}  // namespace mirrorfs::simulation
