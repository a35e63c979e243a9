#include "cuda/device/emulation/fibers.hpp"

#include <llorch/plugin.hpp>

#include <bit>
#include <boost/context/detail/fcontext.hpp>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cuda/device/emulation/collectives.hpp"
#include "cuda/device/emulation/memory.hpp"
#include "cuda/device/emulation/random.hpp"
#include "cuda/device/emulation/settings.hpp"
#include "cuda/device/emulation/stacks.hpp"

namespace llorch::cuda {

emulation::Index threadIdx, blockIdx;  // NOLINT(readability-identifier-naming)
emulation::Index blockDim, gridDim;    // NOLINT(readability-identifier-naming)

namespace emulation {
namespace {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::transfer_t;

constexpr std::size_t kGuardBytes = 1024;  // behind the block's shared memory
constexpr unsigned char kGuard = 0xa5, kPoison = 0xff;

struct Copy {
  void* to;
  const void* from;
};

struct Thread {
  fcontext_t context = nullptr;  // where it goes on; null: at the beginning of its stack
  Index index;
  Switch stack;
  std::vector<std::vector<Copy>> copies;  // groups of copy_async_16, the last one still open
  bool waited = false;                    // for the previous kernel
};

struct Warp {
  Exchange lanes[32];
  Collective what = Collective::kNone;  // where the lanes that came already are
  unsigned came = 0;                    // lanes in this round
  unsigned first = 0;                   // the lane that came first
  std::uint32_t order = 0;              // of lanes in this round
};

/// The n-th lane in an order drawn from 16 bits of a random number: lanes multiplied by an odd number, then turned.
unsigned lane_in_order(std::uint32_t order, unsigned n) {
  return ((n * ((order & 31u) | 1u)) ^ (order >> 5u)) % 32u;
}

[[noreturn]] void enter_fiber(transfer_t from);

class Machine {
 public:
  void run(const Grid& grid);

  void meet(Collective what);
  void meet_all(Collective what, void* value, std::size_t bytes);
  void wait_for_previous();
  void* shared();
  Thread& current() { return *current_; }
  /// The thread that runs may read constant memory alone.
  [[nodiscard]] bool is_early() const { return early_ && !current_->waited; }
  [[nodiscard]] std::string where(const Thread& thread) const;

  // Of the fibers themselves.
  void arrive(transfer_t from);
  void run_body();

  Random random{settings().seed};
  std::mutex mutex;  // one grid at a time

 private:
  Thread& thread(unsigned warp, unsigned lane) { return threads_[warp * kWarp + lane]; }
  unsigned warp_of(const Thread& t) const { return static_cast<unsigned>(&t - threads_.data()) / kWarp; }
  void prepare(const Grid& grid);
  void run_block(bool early);
  void begin_round(unsigned warp);
  void warp_waits_for_block(unsigned warp);
  void switch_to(Thread& to);
  void check_guard() const;

  const Grid* grid_ = nullptr;
  std::vector<Thread> threads_;  // as many as any grid had so far
  std::vector<Warp> warps_;
  unsigned n_warps_ = 0;
  unsigned warps_came_ = 0;  // that wait for the block, in this phase
  unsigned first_warp_ = 0;  // where the phase began; the others follow in a circle
  Collective phase_ = Collective::kNone;
  bool early_ = false;  // the block began before the previous kernel ended
  std::vector<unsigned char> shared_;
  Thread caller_;
  Thread* current_ = &caller_;
  std::exception_ptr failure_;
};

Machine& machine() {
  static Machine* const one = new Machine;  // never destroyed: a stream may be, later than statics
  return *one;
}

// ---- fibers --------------------------------------------------------------------------------------------------------

void Machine::switch_to(Thread& to) {
  Thread& from = *current_;
  if (&to == &from) return;
  current_ = &to;
  threadIdx = to.index;
  if (to.context == nullptr) to.context = to.stack.make(&enter_fiber);
  from.stack.leave(to.stack);
  const transfer_t back = jump_fcontext(to.context, &from);
  arrive(back);
}

void Machine::arrive(transfer_t from) {
  auto& left = *static_cast<Thread*>(from.data);
  left.context = from.fctx;
  current_->stack.enter(left.stack);
}

[[noreturn]] void enter_fiber(transfer_t from) {
  machine().arrive(from);
  for (;;)  // once a block
    machine().run_body();
}

void Machine::run_body() {
  try {
    (*grid_->body)();
    for (const auto& group : current_->copies) {
      if (!group.empty()) abi::fail(LLORCH_DEVICE_ERROR, where(*current_), ": ends before copy_async_wait");
    }
    current_->copies.clear();
    if (!current_->waited) abi::fail(LLORCH_DEVICE_ERROR, where(*current_), ": ends without wait_for_previous");
    meet(Collective::kEnd);
  } catch (...) {
    failure_ = std::current_exception();
  }
  // Not within the handler: what is being handled belongs to the thread, not to a fiber.
  if (failure_) switch_to(caller_);
}

std::string Machine::where(const Thread& thread) const {
  const auto triple = [](const Index& i) {
    const std::uint64_t indices[] = {i.x, i.y, i.z};
    return abi::shape_text(indices);
  };
  return "kernel " + std::string(grid_->name) + ", block " + triple(blockIdx) + ", thread " + triple(thread.index);
}

// ---- meetings ------------------------------------------------------------------------------------------------------

void Machine::begin_round(unsigned warp) {
  Warp& w = warps_[warp];
  w.came = 0;
  w.order = random.next16();
  switch_to(thread(warp, lane_in_order(w.order, 0)));
}

void Machine::meet(Collective what) {
  Thread& self = *current_;
  const unsigned warp = warp_of(self);
  Warp& w = warps_[warp];
  if (w.came == 0) {
    w.what = what;
    w.first = lane_in_order(w.order, 0);
  } else if (w.what != what) {
    abi::fail(LLORCH_DEVICE_ERROR, where(self), " is at ", name_of(what), ", but ", where(thread(warp, w.first)),
              " of the same warp is at ", name_of(w.what));
  }
  ++w.came;
  if (w.came < kWarp) return switch_to(thread(warp, lane_in_order(w.order, w.came)));
  if (what == Collective::kBlockSync || what == Collective::kWaitForPrevious || what == Collective::kEnd) {
    return warp_waits_for_block(warp);
  }
  combine(what, w.lanes);
  begin_round(warp);
}

void Machine::warp_waits_for_block(unsigned warp) {
  const Collective what = warps_[warp].what;
  if (warps_came_ == 0) {
    phase_ = what;
  } else if (phase_ != what) {
    abi::fail(LLORCH_DEVICE_ERROR, where(thread(warp, 0)), " and its warp are at ", name_of(what), ", but ",
              where(thread(first_warp_, 0)), " and its warp are at ", name_of(phase_));
  }
  ++warps_came_;
  if (warps_came_ < n_warps_) return begin_round((first_warp_ + warps_came_) % n_warps_);
  if (what == Collective::kEnd) return switch_to(caller_);
  if (what == Collective::kWaitForPrevious) open_all_but_constant(true);
  warps_came_ = 0;
  first_warp_ = random.next16() % n_warps_;
  begin_round(first_warp_);
}

/// In an early block all threads come here before one goes on: what was done before had no more than constant memory.
void Machine::wait_for_previous() {
  current_->waited = true;
  if (early_) meet(Collective::kWaitForPrevious);
}

void Machine::meet_all(Collective what, void* value, std::size_t bytes) {
  const auto self = static_cast<unsigned>(current_ - threads_.data());
  unsigned char* place = warps_[self / kWarp].lanes[self % kWarp].bytes.data();
  if (bytes != 0) std::memcpy(place, value, bytes);
  meet(what);
  if (bytes != 0) std::memcpy(value, place, bytes);
}

// ---- grids ---------------------------------------------------------------------------------------------------------

void Machine::prepare(const Grid& grid) {
  grid_ = &grid;
  const unsigned n_threads = grid.block.x * grid.block.y * grid.block.z;
  if (threads_.size() < n_threads) {  // all fibers are new then: their contexts know the old addresses
    threads_.clear();
    threads_.resize(n_threads);
    for (unsigned i = 0; i < n_threads; ++i)
      threads_[i].stack.take(i);
  }
  n_warps_ = n_threads / kWarp;
  if (warps_.size() < n_warps_) warps_.resize(n_warps_);
  for (unsigned i = 0; i < n_threads; ++i)
    threads_[i].index = {i % grid.block.x, i / grid.block.x % grid.block.y, i / grid.block.x / grid.block.y};
  shared_.assign(grid.shared_bytes + 128 + kGuardBytes, kGuard);
  blockDim = {grid.block.x, grid.block.y, grid.block.z};
  gridDim = {grid.grid.x, grid.grid.y, grid.grid.z};
}

void* Machine::shared() {
  const auto address = std::bit_cast<std::uintptr_t>(shared_.data());
  return shared_.data() + (128 - address % 128) % 128;
}

void Machine::check_guard() const {
  const auto* end = static_cast<const unsigned char*>(const_cast<Machine*>(this)->shared()) + grid_->shared_bytes;
  for (std::size_t i = 0; i < kGuardBytes - 128; ++i) {
    if (end[i] != kGuard) {
      abi::fail(LLORCH_DEVICE_ERROR, where(threads_[0]), " or another one wrote ", i, " bytes behind the ",
                grid_->shared_bytes, " bytes of shared memory");
    }
  }
}

void Machine::run_block(bool early) {
  std::memset(shared(), kPoison, grid_->shared_bytes);
  for (Thread& thread : threads_)
    thread.waited = false;
  early_ = early;
  if (early) open_all_but_constant(false);
  warps_came_ = 0;
  first_warp_ = random.next16() % n_warps_;
  failure_ = nullptr;
  begin_round(first_warp_);
  if (failure_) {
    if (early) open_all_but_constant(true);
    // The others stay where they are for good; kernels own nothing that would have to be given back.
    for (Thread& thread : threads_) {
      thread.context = nullptr;
      thread.copies.clear();
    }
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
  check_guard();
}

void Machine::run(const Grid& grid) {
  const std::lock_guard lock(mutex);
  caller_ = {};
  prepare(grid);
  const std::uint64_t n_blocks = std::uint64_t{1} * grid.grid.x * grid.grid.y * grid.grid.z;
  const RandomOrder order(n_blocks, random);
  const bool one_is_early = grid.overlaps && random.next() % settings().grids_for_an_early_block == 0;
  const std::uint64_t early = random.next() % n_blocks;
  for (std::uint64_t i = 0; i < n_blocks; ++i) {
    const std::uint64_t block = order[i];
    const std::uint64_t above = block / grid.grid.x;
    blockIdx = {static_cast<unsigned>(block % grid.grid.x), static_cast<unsigned>(above % grid.grid.y),
                static_cast<unsigned>(above / grid.grid.y)};
    run_block(one_is_early && block == early);
  }
}

}  // namespace

void run_grid(const Grid& grid) {
  machine().run(grid);
}

void set_seed(std::uint64_t seed) {
  Machine& one = machine();
  const std::lock_guard lock(one.mutex);
  one.random = Random(seed);
}

// ---- what kernels call ---------------------------------------------------------------------------------------------

void* shared_memory_of_block() {
  return machine().shared();
}
void wait_for_previous() {
  machine().wait_for_previous();
}
void meet_block() {
  machine().meet(Collective::kBlockSync);
}
void meet_warp(Collective what, void* value, std::size_t bytes) {
  machine().meet_all(what, value, bytes);
}

void copy_later(void* shared, const void* global) {
  check_aligned(shared, 16);
  check_aligned(global, 16);
  if (machine().is_early()) (void)*static_cast<const volatile unsigned char*>(global);  // a device reads it now
  auto& copies = machine().current().copies;
  if (copies.empty()) copies.emplace_back();
  copies.back().push_back({shared, global});
}
void close_copies() {
  auto& copies = machine().current().copies;
  if (copies.empty()) copies.emplace_back();
  copies.emplace_back();
}
void wait_for_copies(int open) {
  auto& copies = machine().current().copies;
  while (copies.size() > static_cast<std::size_t>(open) + 1) {  // the last group is not closed yet
    for (const Copy& copy : copies.front())
      std::memcpy(copy.to, copy.from, 16);
    copies.erase(copies.begin());
  }
}

void fail_misaligned(const void* p, unsigned alignment) {
  Machine& one = machine();
  abi::fail(LLORCH_DEVICE_ERROR, one.where(one.current()), ": address ", p, " is not aligned to ", alignment, " bytes");
}

}  // namespace emulation
}  // namespace llorch::cuda
