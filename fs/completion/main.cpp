// completions DIRECTORY: writes the files for bash and zsh there, one for each program.
#include <cstdio>
#include <fstream>
#include <string>

#include "fs/completion/bash.h"
#include "fs/completion/zsh.h"

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: completions DIRECTORY\n", stderr);
    return 2;
  }
  const std::string directory = std::string(arguments[1]) + "/";
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream file(directory + name);
    file << text << std::flush;
    return static_cast<bool>(file);
  };
  using namespace mirrorfs::completion;
  const bool bash =
      write("mirrorfs", bash_for_mirrorfs()) && write("mirrorctl", bash_for_mirrorctl());
  const bool zsh =
      write("_mirrorfs", zsh_for_mirrorfs()) && write("_mirrorctl", zsh_for_mirrorctl());
  return bash && zsh ? 0 : 1;
}
