#include "engine_under_test.h"

#include <future>

#include "engine/copy/staging.h"
#include "engine/journal/pairing.h"
#include "engine/journal/session_record.h"
#include "engine/live/core.h"
#include "mirrorfs/object_calls.h"
#include "engine/ring/ring.h"
#include "engine/stream/intake.h"

namespace mirrorfs::simulation {
namespace {

using live::Core;
using live::Waited;

struct Opened {
  MirrorOptions options;
  journal::TreeRoot source, replica;
  journal::Pairing pairing;
  journal::SessionRecord session;
};

std::expected<Opened, std::string> open_pair(const MirrorOptions& options) {
  auto source = journal::open_root(options.source, "source");
  if (!source) return std::unexpected(source.error());
  auto replica = journal::open_root(options.replica, "replica");
  if (!replica) return std::unexpected(replica.error());
  auto state = journal::StateDirectory::open(options.state_dir);
  if (!state) return std::unexpected(state.error());
  auto pairing = journal::Pairing::acquire(*source, *replica, {.adopt = options.adopt});
  if (!pairing) return std::unexpected(pairing.error());
  auto session = journal::SessionRecord::open(std::move(*state), pairing->id());
  if (!session) return std::unexpected(session.error());
  return Opened{options, std::move(*source), std::move(*replica), std::move(*pairing),
                std::move(*session)};
}

/// As LiveMirror decides it.
std::optional<compare::Policy> first_baseline(const Opened& opened) {
  compare::Policy policy;
  if (!opened.pairing.was_paired()) {
    policy.compare = compare::Compare::kFull;
    return policy;
  }
  const bool clean = opened.session.clean();
  if (clean && opened.options.check == Check::kNone) return std::nullopt;
  if (opened.options.check == Check::kFull) policy.compare = compare::Compare::kFull;
  if (!clean) {
    policy.changed_since = opened.session.unclean_since();
    if (policy.changed_since.tv_sec == 0) policy.compare = compare::Compare::kFull;
  }
  return policy;
}

stream::WhenFull when_full(Overflow overflow) {
  return overflow == Overflow::kThrottle ? stream::WhenFull::kWait : stream::WhenFull::kDropPayload;
}

/// Sets `awaited` to what the engine's own waiting came to.
template <class T, class Start>
ring::Task<void> await_engine(Start start, AwaitedRef awaited) {
  auto promise = std::make_shared<std::promise<T>>();
  auto answer = promise->get_future();
  co_await start(std::move(promise));
  if constexpr (std::is_void_v<T>) {
    answer.get();
    awaited->good = true;
  } else if constexpr (std::is_same_v<T, Waited>) {
    awaited->good = answer.get() == Waited::kDurable;
  } else {
    awaited->good = answer.get();
  }
  awaited->done = true;
}

/// Where admissions go that end without a record. Handlers wait in the simulation, not here.
class Gate final : public Replicator {
 public:
  explicit Gate(stream::Intake& intake) : intake_(intake) {}
  Admission admit(std::size_t payload) override { return {*this, intake_.admit(payload)}; }
  SequenceNumber record(Admission admission, Operation operation) override {
    return intake_.record(admission.consume(), std::move(operation));
  }
  Result<void> settle(SequenceNumber) override { return {}; }
  Result<void> settle_barrier(SequenceNumber) override { return {}; }

 private:
  void withdraw(Admitted admitted) noexcept override { intake_.withdraw(admitted); }
  stream::Intake& intake_;
};

class TodaysEngine final : public EngineUnderTest {
 public:
  explicit TodaysEngine(Opened opened)
      : opened_(std::move(opened)),
        intake_(opened_.options.queue_size, when_full(opened_.options.overflow)),
        gate_(intake_) {}

  Result<void> begin(std::unique_ptr<Driver> driver) {
    baseline_ = first_baseline(opened_);
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= 2;
    if (auto begun = opened_.session.begin(now); !begun) return begun;
    auto staging = copy::Staging::open(opened_.replica.fd.get());
    if (!staging) return pass_on(std::move(staging));
    core_.emplace(Core::Parts{.ring = std::make_unique<ring::Ring>(std::move(driver)),
                              .staging = std::move(*staging),
                              .intake = intake_,
                              .session = opened_.session,
                              .root = opened_.source.metadata.id(),
                              .source_root = opened_.source.fd.get(),
                              .replica_root = opened_.replica.fd.get()});
    intake_.on_work([this] { core_->ring().post([this] { core_->pull(); }); });
    return {};
  }

  void run() override { core_->run(baseline_); }
  void cut() override { core_->ring().abandon(); }

  bool has_room(std::size_t payload) override {
    const std::uint64_t limit = opened_.options.queue_size;
    const std::uint64_t bound = opened_.options.overflow == Overflow::kThrottle ? limit : 2 * limit;
    const std::uint64_t queued = intake_.queued_bytes();
    return queued == 0 || queued + payload + stream::kOperationCost <= bound;
  }
  Admission admit(std::size_t payload) override { return gate_.admit(payload); }
  SequenceNumber record(Admission admission, Operation operation) override {
    return gate_.record(std::move(admission), std::move(operation));
  }

  AwaitedRef settle(SequenceNumber number) override {
    if (opened_.options.mode != Mode::kSync) return nullptr;
    return await<Waited>(
        [this, number](auto result) { return core_->wait_applied(number, result); });
  }
  AwaitedRef settle_barrier(SequenceNumber number) override {
    if (opened_.options.mode == Mode::kAsync) return nullptr;
    return await<Waited>(
        [this, number](auto result) { return core_->wait_barrier(number, result); });
  }

  EngineStatus status() override { return core_->status(); }
  AwaitedRef wait_durable() override {
    const SequenceNumber number = intake_.last_recorded();
    return await<Waited>(
        [this, number](auto result) { return core_->wait_durable(number, result); });
  }
  AwaitedRef pause() override {
    return await<void>([this](auto result) { return core_->pause(result); });
  }
  void resume() override {
    core_->ring().post([this] { core_->resume(); });
  }
  AwaitedRef drain() override {
    intake_.close();
    return await<bool>([this](auto result) { return core_->drain(result); });
  }

 private:
  template <class T, class Start>
  AwaitedRef await(Start start) {
    auto awaited = std::make_shared<Awaited>();
    core_->ring().post(
        [this, start, awaited] { core_->ring().spawn(await_engine<T>(start, awaited)); });
    return awaited;
  }

  Opened opened_;
  stream::Intake intake_;
  Gate gate_;
  std::optional<compare::Policy> baseline_;
  std::optional<Core> core_;
};

}  // namespace

void EngineUnderTest::prepare() { (void)calls::prepare(); }

std::expected<std::unique_ptr<EngineUnderTest>, std::string> EngineUnderTest::start(
    const MirrorOptions& options, std::unique_ptr<Driver> driver) {
  auto opened = open_pair(options);
  if (!opened) return std::unexpected(opened.error());
  auto engine = std::make_unique<TodaysEngine>(std::move(*opened));
  if (auto begun = engine->begin(std::move(driver)); !begun) {
    return std::unexpected(begun.error().message());
  }
  return engine;
}

}  // namespace mirrorfs::simulation
