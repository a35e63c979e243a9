#include "cuda/device/emulation/ptx/machine.hpp"

#include <llorch/plugin.hpp>

#include <algorithm>
#include <cstring>

#include "cuda/device/emulation/ptx/warp.hpp"
#include "cuda/device/emulation/random.hpp"

namespace llorch::cuda::ptx {

std::string Warp::where(const Instruction& i, int lane) const {
  const auto& b = block->index;
  return "PTX of " + block->kernel->name + ", line " + std::to_string(i.line) + ", block " + std::to_string(b[0]) +
         " " + std::to_string(b[1]) + " " + std::to_string(b[2]) + ", thread " +
         std::to_string(index * kLanes + static_cast<unsigned>(lane)) + ": ";
}

namespace {

enum class Stop { kBlockSync, kEnd };

class Runner {
 public:
  Runner(Warp& warp, const std::vector<Instruction>& code) : w_(warp), code_(code) {}

  /// Until all threads that live stand at a barrier of the block, or none lives.
  Stop run() {
    while (true) {
      if (w_.live == 0) return Stop::kEnd;
      const bool together = choose();
      const Instruction* stop = walk(together);
      if (stop != nullptr) return Stop::kBlockSync;
    }
  }

 private:
  /// The threads that go on: those at the lowest instruction, so that branches meet again where they can. True when all
  /// that were waiting for one another have come.
  bool choose() {
    const Mask free = w_.live & ~w_.blocked;
    if (free == 0) {
      const std::uint32_t at = w_.pc[static_cast<std::size_t>(std::countr_zero(w_.live))];
      each_lane(w_.live, [&](int l) {
        if (w_.pc[static_cast<std::size_t>(l)] != at) {
          w_.fail(code_[w_.pc[static_cast<std::size_t>(l)]], l, "waits for others of its warp, which wait at line ",
                  code_[at].line);
        }
      });
      if (w_.live != kAllLanes) w_.fail(code_[at], std::countr_zero(w_.live), "wants all lanes, some have ended");
      w_.blocked = 0;
      pc_ = at;
      lanes_ = w_.live;
      join_ = kNone;
      return true;
    }
    pc_ = kNone;
    each_lane(free, [&](int l) { pc_ = std::min(pc_, w_.pc[static_cast<std::size_t>(l)]); });
    lanes_ = 0;
    join_ = kNone;
    each_lane(free, [&](int l) {
      const std::uint32_t pc = w_.pc[static_cast<std::size_t>(l)];
      if (pc == pc_) {
        lanes_ |= Mask{1} << static_cast<unsigned>(l);
      } else {
        join_ = std::min(join_, pc);
      }
    });
    return false;
  }

  void leave(Mask lanes, std::uint32_t pc) {
    each_lane(lanes, [&](int l) { w_.pc[static_cast<std::size_t>(l)] = pc; });
  }

  /// Runs lanes_ from pc_ on; the barrier when all stand at it, null when others have to be looked at.
  const Instruction* walk(bool together) {
    while (true) {
      const Instruction& i = code_[pc_];
      Mask lanes = lanes_;
      if (i.guarded) lanes &= i.guard_negated ? ~w_.words[i.guard] : w_.words[i.guard];
      switch (i.flow) {
        case Flow::kNext:
          if (lanes != 0) i.run(w_, i, lanes);
          ++pc_;
          break;
        case Flow::kTogether:
        case Flow::kBlockSync:
          if (lanes != lanes_) w_.fail(i, std::countr_zero(lanes_), "only some lanes want what all must do");
          if (!together && lanes != kAllLanes) {
            leave(lanes_, pc_);
            w_.blocked |= lanes_;
            return nullptr;
          }
          together = false;
          if (i.flow == Flow::kBlockSync) {
            leave(lanes_, pc_ + 1);
            return &i;
          }
          i.run(w_, i, lanes);
          ++pc_;
          break;
        case Flow::kBranch:
          if (lanes == lanes_ && (i.target < join_)) {
            pc_ = i.target;
            break;
          }
          if (lanes == 0) {
            ++pc_;
            break;
          }
          leave(lanes, i.target);
          leave(lanes_ & ~lanes, pc_ + 1);
          return nullptr;
        case Flow::kEnd:
          if ((lanes & ~w_.waited) != 0)
            w_.fail(i, std::countr_zero(lanes & ~w_.waited), "ends without griddepcontrol.wait");
          each_lane(lanes, [&](int l) {
            for (const auto& group : w_.copies[static_cast<std::size_t>(l)]) {
              if (!group.empty()) w_.fail(i, l, "ends before its copies to shared memory have come");
            }
          });
          w_.live &= ~lanes;
          leave(lanes_ & ~lanes, pc_ + 1);
          return nullptr;
      }
      if (pc_ >= join_) {
        leave(lanes_, pc_);
        return nullptr;
      }
    }
  }

  static constexpr std::uint32_t kNone = 0xffffffffu;
  Warp& w_;
  const std::vector<Instruction>& code_;
  Mask lanes_ = 0;
  std::uint32_t pc_ = 0, join_ = kNone;
};

void set_special(Warp& w, const Kernel& kernel, Special special, int lane, unsigned value) {
  const std::uint32_t at = kernel.specials[static_cast<std::size_t>(special)];
  if (at != 0) w.set(Operand{at, 4}, lane, std::uint32_t{value});
}

void start(Warp& w, const emulation::Grid& grid, const Kernel& kernel) {
  const auto& b = w.block->index;
  for (int lane = 0; lane < kLanes; ++lane) {
    const unsigned thread = w.index * kLanes + static_cast<unsigned>(lane);
    const auto set = [&](Special special, unsigned value) { set_special(w, kernel, special, lane, value); };
    set(Special::kTidX, thread % grid.block.x);
    set(Special::kTidY, thread / grid.block.x % grid.block.y);
    set(Special::kTidZ, thread / grid.block.x / grid.block.y);
    set(Special::kNtidX, grid.block.x);
    set(Special::kNtidY, grid.block.y);
    set(Special::kNtidZ, grid.block.z);
    set(Special::kCtaidX, b[0]);
    set(Special::kCtaidY, b[1]);
    set(Special::kCtaidZ, b[2]);
    set(Special::kNctaidX, grid.grid.x);
    set(Special::kNctaidY, grid.grid.y);
    set(Special::kNctaidZ, grid.grid.z);
  }
  w.pc = {};
  w.live = kAllLanes;
  w.blocked = 0;
  w.waited = kernel.waits ? 0 : kAllLanes;
  std::ranges::fill(w.local, static_cast<unsigned char>(0xff));
  for (auto& groups : w.copies)
    groups.clear();
}

void run_block(std::vector<Warp>& warps, const emulation::Grid& grid, const Kernel& kernel, emulation::Random& random) {
  for (Warp& w : warps)
    start(w, grid, kernel);
  const std::size_t n = warps.size();
  while (true) {
    std::size_t ended = 0;
    const std::size_t first = random.next() % n;
    for (std::size_t k = 0; k < n; ++k)
      ended += Runner(warps[(first + k) % n], kernel.code).run() == Stop::kEnd ? 1 : 0;
    if (ended == n) return;
    warps.front().block->races->block_meets();
    if (ended != 0) {
      abi::fail(LLORCH_DEVICE_ERROR, "PTX of ", kernel.name, ": ", ended, " warps of ", n,
                " have ended, the others wait at a barrier of the block");
    }
  }
}

}  // namespace

void run_grid(const emulation::Grid& grid, const Kernel& kernel, void* const* arguments) {
  // One grid at a time: memory is open.
  static emulation::Random random(1);
  static Races races;
  std::vector<unsigned char> parameters(kernel.parameter_bytes);
  for (std::size_t i = 0; i < kernel.parameters.size(); ++i)
    std::memcpy(parameters.data() + kernel.parameters[i].offset, arguments[i], kernel.parameters[i].bytes);
  Block block;
  block.kernel = &kernel;
  block.parameters = parameters.data();
  block.races = &races;
  std::vector<Warp> warps(std::size_t{grid.block.x} * grid.block.y * grid.block.z / kLanes);
  for (std::size_t i = 0; i < warps.size(); ++i) {
    warps[i].words = kernel.words;
    warps[i].block = &block;
    warps[i].index = static_cast<unsigned>(i);
    warps[i].local.resize(std::size_t{kernel.local_bytes} * kLanes);
  }
  const std::uint64_t n_blocks = std::uint64_t{1} * grid.grid.x * grid.grid.y * grid.grid.z;
  const std::uint64_t first = random.next() % n_blocks;
  for (std::uint64_t i = 0; i < n_blocks; ++i) {
    const std::uint64_t at = (first + i) % n_blocks;
    block.index = {static_cast<unsigned>(at % grid.grid.x), static_cast<unsigned>(at / grid.grid.x % grid.grid.y),
                   static_cast<unsigned>(at / grid.grid.x / grid.grid.y)};
    block.shared.assign(grid.shared_bytes, 0xff);
    races.begin(grid.shared_bytes);
    run_block(warps, grid, kernel, random);
  }
}

}  // namespace llorch::cuda::ptx
