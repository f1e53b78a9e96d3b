#include "actor.h"

namespace mirrorfs::simulation {

Actor::Actor(std::string name, Task<void> body)
    : name_(std::move(name)), root_(run(std::move(body), done_)), at_(root_.coroutine) {}

Actor::~Actor() { root_.coroutine.destroy(); }

Actor::Root Actor::run(Task<void> body, bool& done) {
  co_await std::move(body);
  done = true;
}

void Actor::step() {
  Actor* const outer = std::exchange(current_, this);
  until_ = nullptr;
  try {
    at_.resume();
  } catch (...) {
    current_ = outer;
    throw;
  }
  current_ = outer;
}

}  // namespace mirrorfs::simulation
