// Who has to wait for whom: a first-come queue of shared and exclusive claims for each key.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "engine/stream/claims.h"

namespace mirrorfs::stream {

/// Somebody who holds or waits for claims. Stays where it is from enter() until leave().
class Ticket {
 public:
  Ticket() = default;
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  virtual ~Ticket() = default;

 private:
  friend class Dependencies;
  /// All claims are granted. Called from enter() or from another ticket's leave(): must not block
  /// nor enter or leave itself (schedule the work instead).
  virtual void granted() = 0;

  /// A claim, and its place in the queue of its key.
  struct Place {
    Claim claim;
    Ticket* ticket = nullptr;
    Place* next = nullptr;
  };
  std::vector<Place> places_;
  std::size_t missing_ = 0;
};

/// Grants claims in the order of enter(), key by key: no ticket overtakes an earlier one that it
/// conflicts with, and since each ticket takes its place in all its queues at once there is no
/// cycle. Ring thread only.
class Dependencies {
 public:
  void enter(Ticket& ticket, const ClaimSet& claims);
  void leave(Ticket& ticket);

  /// Nobody holds or waits for the key.
  [[nodiscard]] bool idle(Key key) const { return !queues_.contains(key); }
  /// Somebody waits behind those who hold the key.
  [[nodiscard]] bool contended(Key key) const;
  /// Somebody waits for what the ticket holds.
  [[nodiscard]] bool has_waiters(const Ticket& ticket) const;
  /// The one who asks holds the key, alone, and nobody waits for it.
  [[nodiscard]] bool sole_holder(Key key) const;
  [[nodiscard]] std::size_t busy_keys() const { return queues_.size(); }

 private:
  struct Queue {
    std::size_t shared_holders = 0;
    bool exclusive_holder = false;
    Ticket::Place* first_waiting = nullptr;
    Ticket::Place* last_waiting = nullptr;
    [[nodiscard]] bool nobody_waits() const { return first_waiting == nullptr; }
    [[nodiscard]] bool admits(bool exclusive) const {
      return exclusive ? shared_holders == 0 && !exclusive_holder : !exclusive_holder;
    }
    void push(Ticket::Place& place);
    Ticket::Place& pop();
  };

  static void hold(Queue& queue, bool exclusive);
  void grant_next(Queue& queue, std::vector<Ticket*>& ready);

  std::unordered_map<Key, Queue> queues_;
};

}  // namespace mirrorfs::stream
