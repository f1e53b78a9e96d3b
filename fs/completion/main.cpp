// completions DIRECTORY: writes the files of bash-completion there, one for each program.
#include <cstdio>
#include <fstream>
#include <string>

#include "fs/completion/bash.h"

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: completions DIRECTORY\n", stderr);
    return 2;
  }
  const std::string directory = std::string(arguments[1]) + "/";
  std::ofstream daemon(directory + "mirrorfs");
  std::ofstream control(directory + "mirrorctl");
  daemon << mirrorfs::completion::bash_for_mirrorfs() << std::flush;
  control << mirrorfs::completion::bash_for_mirrorctl() << std::flush;
  return daemon && control ? 0 : 1;
}
