#include "engine_under_test.h"

#include <future>

#include "engine/journal/pairing.h"
#include "engine/journal/session_record.h"
#include "engine/live/live_mirror.h"
#include "engine/ring/ring.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::simulation {
namespace {

using live::Core;
using live::LiveMirror;
using live::Waited;

/// As Mirror::open() does it, without a look at the machine.
std::expected<LiveMirror::Opened, std::string> open_pair(const MirrorOptions& options,
                                                         const std::string& boot) {
  auto source = journal::open_root(options.source, "source");
  if (!source) return std::unexpected(source.error());
  auto replica = journal::open_root(options.replica, "replica");
  if (!replica) return std::unexpected(replica.error());
  auto state = journal::StateDirectory::open(options.state_dir);
  if (!state) return std::unexpected(state.error());
  auto pairing = journal::Pairing::acquire(*source, *replica,
                                           {.adopt = options.adopt, .exclude = options.exclude});
  if (!pairing) return std::unexpected(pairing.error());
  auto session = journal::SessionRecord::open(std::move(*state), *pairing, source->fd.get());
  if (!session) return std::unexpected(session.error());
  return LiveMirror::Opened{.options = options,
                            .source = std::move(*source),
                            .replica = std::move(*replica),
                            .pairing = std::move(*pairing),
                            .session = std::move(*session),
                            .boot = boot};
}

/// Sets `awaited` to what a task of the core came to.
template <class T, class Start>
ring::Task<void> await_core(Start start, AwaitedRef awaited) {
  auto promise = std::make_shared<std::promise<T>>();
  auto answer = promise->get_future();
  co_await start(std::move(promise));
  if constexpr (std::is_void_v<T>) {
    answer.get();
    awaited->good = true;
  } else {
    awaited->good = answer.get();
  }
  awaited->done = true;
}

ring::Task<void> await_findings(Core& core, ExamineRequest request, ExaminationRef examination) {
  auto promise = std::make_shared<std::promise<Core::Findings>>();
  auto answer = promise->get_future();
  const std::vector<std::string> paths = request.paths;
  co_await core.examine(std::move(request), std::move(promise));
  const Core::Findings findings = answer.get();
  for (std::size_t at = 0; at < findings.size(); ++at) {
    const Finding finding = findings[at].finding;
    examination->undecided |= finding == Finding::kBusy || finding == Finding::kFailed;
    if (finding != Finding::kDiffers) continue;
    examination->differing.push_back("'" + paths[at] + "': " + findings[at].what);
  }
  examination->done = true;
}

class LiveEngine final : public EngineUnderTest {
 public:
  explicit LiveEngine(LiveMirror::Opened opened) : mirror_(std::move(opened)) {}

  Result<void> begin(std::unique_ptr<Driver> driver) {
    return mirror_.make_core(std::make_unique<ring::Ring>(std::move(driver)));
  }

  void run() override { mirror_.run_core(); }
  void cut() override { core().ring().abandon(); }
  Replicator& replicator() override { return mirror_; }
  EngineStatus status() override { return core().status(); }

  AwaitedRef wait_durable() override {
    auto awaited = std::make_shared<Awaited>();
    const SequenceNumber number = mirror_.intake().last_recorded();
    core().ring().post([this, awaited, number] {
      core().wait({.id = {},
                   .what = live::WaitFor::kDurable,
                   .number = number,
                   .covered = nullptr,
                   .then = [awaited](Waited waited) {
                     awaited->good = waited == Waited::kDone;
                     awaited->done = true;
                   }});
    });
    return awaited;
  }
  AwaitedRef wait_for_paths(std::vector<std::string> paths) override {
    return spawn<bool>([this, paths](auto result) {
      return core().wait_for_paths(paths, std::nullopt, std::move(result));
    });
  }
  ExaminationRef examine(ExamineRequest request) override {
    auto examination = std::make_shared<Examination>();
    core().ring().post([this, request = std::move(request), examination] {
      core().ring().spawn(await_findings(core(), request, examination));
    });
    return examination;
  }
  AwaitedRef pause() override {
    return spawn<void>([this](auto result) { return core().pause(result); });
  }
  void resume() override {
    core().ring().post([this] { core().resume(); });
  }
  AwaitedRef drain() override {
    mirror_.intake().close();
    return spawn<bool>([this](auto result) { return core().drain(result); });
  }

 private:
  [[nodiscard]] Core& core() { return mirror_.core(); }

  template <class T, class Start>
  AwaitedRef spawn(Start start) {
    auto awaited = std::make_shared<Awaited>();
    core().ring().post(
        [this, start, awaited] { core().ring().spawn(await_core<T>(start, awaited)); });
    return awaited;
  }

  LiveMirror mirror_;
};

}  // namespace

void EngineUnderTest::prepare() { static_cast<void>(calls::prepare()); }

std::expected<std::unique_ptr<EngineUnderTest>, std::string> EngineUnderTest::start(
    const MirrorOptions& options, const std::string& boot, std::unique_ptr<Driver> driver) {
  auto opened = open_pair(options, boot);
  if (!opened) return std::unexpected(opened.error());
  auto engine = std::make_unique<LiveEngine>(std::move(*opened));
  if (auto begun = engine->begin(std::move(driver)); !begun) {
    return std::unexpected(begun.error().message());
  }
  return engine;
}

}  // namespace mirrorfs::simulation
