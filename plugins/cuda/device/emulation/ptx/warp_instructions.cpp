// Instructions of the whole warp, and waiting.
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "cuda/device/emulation/ptx/halves.hpp"
#include "cuda/device/emulation/ptx/operations.hpp"
#include "cuda/device/emulation/ptx/warp.hpp"

namespace llorch::cuda::ptx {
namespace {

void nothing(Warp& /*warp*/, const Instruction& /*i*/, Mask /*lanes*/) {}

void warp_meets(Warp& w, const Instruction& i, Mask /*lanes*/) {
  for (int l = 0; l < kLanes; ++l) {
    if (w.get<std::uint32_t>(i.operands[0], l) != kAllLanes) w.fail(i, l, "expected all lanes as members of a barrier");
  }
  ++w.epoch;
}

void wait_for_previous(Warp& w, const Instruction& /*i*/, Mask lanes) {
  w.waited |= lanes;
}

void close_copies(Warp& w, const Instruction& /*i*/, Mask lanes) {
  each_lane(lanes, [&](int l) {
    auto& groups = w.copies[static_cast<std::size_t>(l)];
    if (groups.empty()) groups.emplace_back();
    groups.emplace_back();
  });
}

void wait_for_copies(Warp& w, const Instruction& i, Mask lanes) {
  each_lane(lanes, [&](int l) {
    auto& groups = w.copies[static_cast<std::size_t>(l)];
    const std::size_t open = w.get<std::uint32_t>(i.operands[0], l);
    while (groups.size() > open + 1) {  // the last one is not closed yet
      for (const Copy& copy : groups.front()) {
        w.check_race(i, l, copy.to, 16, true);  // once more: it was on its way until now
        std::memcpy(w.block->shared.data() + copy.to, copy.from, 16);
      }
      groups.erase(groups.begin());
    }
  });
}

// shfl.sync d, a, b, c, members: c has the clamp in its low 5 bits, the segments' mask 8 bits above.
template <bool kButterfly>
void shuffle(Warp& w, const Instruction& i, Mask /*lanes*/) {
  std::array<std::uint32_t, kLanes> values{};
  for (int l = 0; l < kLanes; ++l)
    values[static_cast<std::size_t>(l)] = w.get<std::uint32_t>(i.operands[1], l);
  for (int l = 0; l < kLanes; ++l) {
    if (w.get<std::uint32_t>(i.operands[4], l) != kAllLanes) w.fail(i, l, "expected all lanes as members of a shuffle");
    const auto lane = static_cast<std::uint32_t>(l);
    const std::uint32_t b = w.get<std::uint32_t>(i.operands[2], l) & 31u, c = w.get<std::uint32_t>(i.operands[3], l);
    const std::uint32_t clamp = c & 31u, segment = c >> 8u & 31u;
    const std::uint32_t most = (lane & segment) | (clamp & ~segment), least = lane & segment;
    const std::uint32_t from = kButterfly ? lane ^ b : least | (b & ~segment);
    w.set(i.operands[0], l, values[from <= most ? from : lane]);
    if (i.n_operands > 5) w.set_predicate(i.operands[5], Mask{1} << lane, from <= most ? kAllLanes : 0);
  }
}

// ---- mma.sync: fragments as the figures of the ISA show them, g = lane / 4, t = lane % 4 ----------------------

float half_at(std::uint32_t word, int k) {
  return value_of_half(static_cast<std::uint16_t>(word >> (16 * k)));
}
float bfloat_at(std::uint32_t word, int k) {
  return std::bit_cast<float>(k == 0 ? word << 16u : word & 0xffff0000u);
}
std::int32_t byte_at(std::uint32_t word, int k) {
  return static_cast<std::int8_t>(word >> (8 * k));
}

/// d = a b + c for a of 8 kRows rows, k in kHalves halves of 4 kPerWord each: a lane has a word of each row and half.
template <class Element, class Sum, int kPerWord, int kRows, int kHalves, Element (*kAt)(std::uint32_t, int)>
void multiply(Warp& w, const Instruction& i, Mask /*lanes*/) {
  constexpr int kDeep = 4 * kPerWord * kHalves;
  constexpr std::size_t kD = 0, kA = 2 * kRows, kB = kA + kRows * kHalves, kC = kB + kHalves;
  const auto word = [&](std::size_t operand, int lane) { return w.get<std::uint32_t>(i.operands[operand], lane); };
  Element a[8 * kRows][kDeep], b[kDeep][8];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int half = 0; half < kHalves; ++half) {
      for (int k = 0; k < kPerWord; ++k) {
        const int column = (half * 4 + t) * kPerWord + k;
        for (int r = 0; r < kRows; ++r)
          a[8 * r + g][column] = kAt(word(kA + static_cast<std::size_t>(kRows * half + r), lane), k);
        b[column][g] = kAt(word(kB + static_cast<std::size_t>(half), lane), k);
      }
    }
  }
  using Number = std::conditional_t<std::is_integral_v<Element>, std::int32_t, float>;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int r = 0; r < 2 * kRows; ++r) {
      const int row = lane / 4 + r / 2 * 8, column = lane % 4 * 2 + r % 2;
      auto sum = static_cast<Sum>(w.get<Number>(i.operands[kC + static_cast<std::size_t>(r)], lane));
      for (int k = 0; k < kDeep; ++k)
        sum += static_cast<Sum>(a[row][k]) * static_cast<Sum>(b[k][column]);
      w.set(i.operands[kD + static_cast<std::size_t>(r)], lane, canonical(static_cast<Number>(sum)));
    }
  }
}

Form together(Run run, std::vector<std::uint8_t> bytes) {
  return {run, std::move(bytes), Flow::kTogether};
}

}  // namespace

void add_warp_instructions(Forms& forms) {
  forms["griddepcontrol.launch_dependents"] = {nothing, {}};
  forms["griddepcontrol.wait"] = {wait_for_previous, {}};
  forms["cp.async.commit_group"] = {close_copies, {}};
  forms["cp.async.wait_group"] = {wait_for_copies, {4}};
  forms["shfl.sync.bfly.b32"] = together(shuffle<true>, {4, 4, 4, 4, 4});
  forms["shfl.sync.idx.b32"] = together(shuffle<false>, {4, 4, 4, 4, 4});
  forms["ldmatrix.sync.aligned.m8n8.x4.shared.b16"] = together(run_load_matrix, {4, 4, 4, 4, 4});
  forms["bar.sync"] = {nothing, {4}, Flow::kBlockSync};
  forms["bar.warp.sync"] = together(warp_meets, {4});
  const auto product = [&](const char* name, Run run, std::size_t n_operands) {
    forms[std::string("mma.sync.aligned.") + name] = together(run, std::vector<std::uint8_t>(n_operands, 4));
  };
  product("m16n8k16.row.col.f32.f16.f16.f32", multiply<float, double, 2, 2, 2, half_at>, 14);
  product("m16n8k16.row.col.f32.bf16.bf16.f32", multiply<float, double, 2, 2, 2, bfloat_at>, 14);
  product("m16n8k32.row.col.s32.s8.s8.s32", multiply<std::int32_t, std::int64_t, 4, 2, 2, byte_at>, 14);
  product("m16n8k16.row.col.s32.s8.s8.s32", multiply<std::int32_t, std::int64_t, 4, 2, 1, byte_at>, 11);
  // Of devices before 8.0.
  product("m16n8k8.row.col.f32.f16.f16.f32", multiply<float, double, 2, 2, 1, half_at>, 11);
  product("m8n8k16.row.col.s32.s8.s8.s32", multiply<std::int32_t, std::int64_t, 4, 1, 1, byte_at>, 6);
}

const Forms& forms() {
  static const Forms* const all = [] {
    auto* made = new Forms;
    add_arithmetic(*made);
    add_addresses(*made);
    add_warp_instructions(*made);
    return made;
  }();
  return *all;
}

}  // namespace llorch::cuda::ptx
