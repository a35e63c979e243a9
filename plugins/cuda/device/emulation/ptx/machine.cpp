#include "cuda/device/emulation/ptx/machine.hpp"

#include <llorch/plugin.hpp>

#include <algorithm>
#include <cstring>

#include "cuda/device/emulation/ptx/warp.hpp"
#include "cuda/device/emulation/random.hpp"
#include "cuda/device/emulation/settings.hpp"

namespace llorch::cuda::ptx {

std::string Warp::where(const Instruction& i, int lane) const {
  const auto& b = block->index;
  return "PTX of " + block->kernel->name + ", line " + std::to_string(i.line) + ", block " + std::to_string(b[0]) +
         " " + std::to_string(b[1]) + " " + std::to_string(b[2]) + ", thread " +
         std::to_string(index * kLanes + static_cast<unsigned>(lane)) + ": ";
}

namespace {

class Runner {
 public:
  Runner(Warp& warp, const std::vector<Instruction>& code) : w_(warp), code_(code) {}

  /// Until all threads stand at a barrier of the block, which is returned, or none lives: null.
  const Instruction* run() {
    while (w_.live != 0) {
      const bool together = choose();
      if (const Instruction* barrier = walk(together)) return barrier;
    }
    return nullptr;
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
          if (lanes == 0) {
            ++pc_;
            break;
          }
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
  w.words = kernel.words;  // registers are garbage again
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
    const Instruction* barrier = nullptr;
    const emulation::RandomOrder order(n, random);
    for (std::size_t k = 0; k < n; ++k) {
      Warp& w = warps[order[k]];
      const Instruction* const at = Runner(w, kernel.code).run();
      if (at == nullptr) {
        ++ended;
      } else if (barrier != nullptr && barrier != at) {
        w.fail(*at, 0, "waits at a barrier of the block, others at that of line ", barrier->line);
      } else {
        barrier = at;
      }
    }
    if (ended == n) return;
    if (ended != 0) {
      abi::fail(LLORCH_DEVICE_ERROR, "PTX of ", kernel.name, ": ", ended, " warps of ", n,
                " have ended, the others wait at the barrier of line ", barrier->line);
    }
    warps.front().block->races->block_meets();
  }
}

}  // namespace

void run_grid(const emulation::Grid& grid, const Kernel& kernel, const std::vector<Argument>& arguments) {
  const std::uint32_t threads = grid.block.x * grid.block.y * grid.block.z;
  if (threads > kernel.most_threads) {
    abi::fail(LLORCH_DEVICE_ERROR, "PTX of ", kernel.name, ": a block of ", threads, " threads, compiled for ",
              kernel.most_threads);
  }
  // One grid at a time: memory is open.
  static emulation::Random random(emulation::settings().seed);
  static Races races;
  std::vector<unsigned char> parameters(kernel.parameter_bytes);
  if (arguments.size() != kernel.parameters.size()) {
    abi::fail(LLORCH_INTERNAL, "PTX of ", kernel.name, ": expected ", kernel.parameters.size(), " arguments, found ",
              arguments.size());
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Parameter& parameter = kernel.parameters[i];
    if (arguments[i].bytes != parameter.bytes) {
      abi::fail(LLORCH_INTERNAL, "PTX of ", kernel.name, ", argument ", i, ": expected ", parameter.bytes,
                " bytes, found ", arguments[i].bytes);
    }
    std::memcpy(parameters.data() + parameter.offset, arguments[i].data, parameter.bytes);
  }
  Block block;
  block.kernel = &kernel;
  block.parameters = parameters.data();
  block.races = &races;
  std::vector<Warp> warps(threads / kLanes);
  for (std::size_t i = 0; i < warps.size(); ++i) {
    warps[i].block = &block;
    warps[i].index = static_cast<unsigned>(i);
    warps[i].local.resize(std::size_t{kernel.local_bytes} * kLanes);
  }
  const std::uint64_t n_blocks = std::uint64_t{1} * grid.grid.x * grid.grid.y * grid.grid.z;
  const emulation::RandomOrder order(n_blocks, random);
  for (std::uint64_t i = 0; i < n_blocks; ++i) {
    const std::uint64_t at = order[i];
    block.index = {static_cast<unsigned>(at % grid.grid.x), static_cast<unsigned>(at / grid.grid.x % grid.grid.y),
                   static_cast<unsigned>(at / grid.grid.x / grid.grid.y)};
    block.shared.assign(grid.shared_bytes, 0xff);
    races.begin(grid.shared_bytes);
    run_block(warps, grid, kernel, random);
  }
}

}  // namespace llorch::cuda::ptx
