// Loads, stores, copies: what an address means, and who may touch it when.
#include <llorch/plugin.hpp>

#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "cuda/device/emulation/memory.hpp"
#include "cuda/device/emulation/ptx/operations.hpp"
#include "cuda/device/emulation/ptx/warp.hpp"

namespace llorch::cuda::ptx {
namespace {

std::uint64_t address_of(const Warp& w, Operand base, std::int64_t offset, int lane) {
  const std::uint64_t begin = base.bytes == 8 ? w.get<std::uint64_t>(base, lane) : w.get<std::uint32_t>(base, lane);
  return begin + static_cast<std::uint64_t>(offset);
}

/// Into a register that may be wider than the element, extended by its sign.
template <class T>
void put(Warp& w, Operand to, int lane, T value) {
  if (to.bytes == 8) {
    w.set(to, lane,
          static_cast<std::uint64_t>(
              static_cast<std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>(value)));
  } else if (to.bytes == 4) {
    w.set(to, lane, static_cast<std::uint32_t>(value));
  } else {
    w.set(to, lane, static_cast<std::uint16_t>(value));
  }
}

std::uint64_t taken(const Warp& w, Operand from, int lane) {
  return from.bytes == 8 ? w.get<std::uint64_t>(from, lane) : w.get<std::uint32_t>(from, lane);
}

template <std::uint64_t kMark>
void mark_address(Warp& w, const Instruction& i, Mask lanes) {
  each_lane(lanes,
            [&](int l) { w.set(i.operands[0], l, (w.get<std::uint64_t>(i.operands[1], l) & ~kGenericMark) | kMark); });
}

template <class T>
void run_load(Warp& w, const Instruction& i, Mask lanes) {
  const Operand base = i.operands[i.n_elements];
  const auto bytes = static_cast<std::uint32_t>(sizeof(T) * i.n_elements);
  each_lane(lanes, [&](int l) {
    const std::uint64_t address = address_of(w, base, i.offset, l);
    const unsigned char* from = nullptr;
    if (i.space == Space::kParameter) {
      const std::uint64_t end = w.block->kernel->parameter_bytes;
      if (address % bytes != 0) w.fail(i, l, "parameter ", address, " is not aligned to ", bytes, " bytes");
      if (address > end || bytes > end - address) w.fail(i, l, "parameters have ", end, " bytes, touched ", address);
      from = w.block->parameters + address;
    } else {
      from = w.at(i, l, i.space, address, bytes, false);
    }
    for (std::size_t k = 0; k < i.n_elements; ++k) {
      T value;
      std::memcpy(&value, from + k * sizeof(T), sizeof(T));
      put(w, i.operands[k], l, value);
    }
  });
}

template <class T>
void run_store(Warp& w, const Instruction& i, Mask lanes) {
  const auto bytes = static_cast<std::uint32_t>(sizeof(T) * i.n_elements);
  each_lane(lanes, [&](int l) {
    unsigned char* to = w.at(i, l, i.space, address_of(w, i.operands[0], i.offset, l), bytes, true);
    for (std::size_t k = 0; k < i.n_elements; ++k) {
      const auto value = static_cast<T>(taken(w, i.operands[k + 1], l));
      std::memcpy(to + k * sizeof(T), &value, sizeof(T));
    }
  });
}

}  // namespace

Run load_of(std::uint8_t bytes, bool is_signed) {
  if (is_signed)
    return bytes == 1   ? run_load<std::int8_t>
           : bytes == 2 ? run_load<std::int16_t>
           : bytes == 4 ? run_load<std::int32_t>
                        : run_load<std::int64_t>;
  return bytes == 1   ? run_load<std::uint8_t>
         : bytes == 2 ? run_load<std::uint16_t>
         : bytes == 4 ? run_load<std::uint32_t>
                      : run_load<std::uint64_t>;
}
Run store_of(std::uint8_t bytes) {
  return bytes == 1   ? run_store<std::uint8_t>
         : bytes == 2 ? run_store<std::uint16_t>
         : bytes == 4 ? run_store<std::uint32_t>
                      : run_store<std::uint64_t>;
}

unsigned char* Warp::at(const Instruction& i, int lane, Space space, std::uint64_t address, std::uint32_t bytes,
                        bool write) {
  if (space == Space::kGeneric) {
    const std::uint64_t mark = address & kGenericMark;
    space = mark == kGenericShared ? Space::kShared : mark == kGenericLocal ? Space::kLocal : Space::kGlobal;
    if (space != Space::kGlobal) address &= ~kGenericMark;
  } else if (space == Space::kLocal) {
    address &= ~kGenericMark;
  }
  if (address % bytes != 0) fail(i, lane, "address ", address, " is not aligned to ", bytes, " bytes");
  if (space == Space::kShared) {
    const std::uint64_t end = kSharedBegin + block->shared.size();
    if (address < kSharedBegin || address > end || bytes > end - address) {
      fail(i, lane, "shared memory has bytes ", kSharedBegin, " to ", end, ", touched ", address);
    }
    check_race(i, lane, address - kSharedBegin, bytes, write);
    return block->shared.data() + (address - kSharedBegin);
  }
  if (space == Space::kLocal) {
    const std::uint64_t each = local.size() / kLanes;
    if (address > each || bytes > each - address) fail(i, lane, "local memory has ", each, " bytes, touched ", address);
    return local.data() + static_cast<std::uint64_t>(lane) * each + address;
  }
  const emulation::Touched touched = emulation::touched(std::bit_cast<const void*>(address), bytes);
  if (!touched.inside) fail(i, lane, "address ", address, " is not in device memory");
  const bool early = (waited >> static_cast<unsigned>(lane) & 1u) == 0;
  if (write && touched.constant) fail(i, lane, "writes to constant memory");
  if (early && (write || !touched.constant)) fail(i, lane, "touches memory before griddepcontrol.wait");
  return std::bit_cast<unsigned char*>(address);
}

void Warp::check_race(const Instruction& i, int lane, std::size_t offset, std::uint32_t bytes, bool write) const {
  const unsigned thread = index * kLanes + static_cast<unsigned>(lane);
  if (const auto race = block->races->touch(thread, epoch, offset, bytes, write)) {
    fail(i, lane, write ? "writes" : "reads", " shared memory at ", kSharedBegin + offset, " that thread ", race->other,
         race->other_wrote ? " wrote" : " read", ", which it has not met since");
  }
}

// It arrives when it is waited for.
void run_copy_async(Warp& w, const Instruction& i, Mask lanes) {
  constexpr std::uint32_t kBytes = 16;
  each_lane(lanes, [&](int l) {
    const std::uint64_t to = address_of(w, i.operands[0], i.offset, l);
    const std::uint64_t from = address_of(w, i.operands[1], i.second_offset, l);
    static_cast<void>(w.at(i, l, Space::kShared, to, kBytes, true));
    const unsigned char* source = w.at(i, l, Space::kGlobal, from, kBytes, false);
    auto& groups = w.copies[static_cast<std::size_t>(l)];
    if (groups.empty()) groups.emplace_back();
    groups.back().push_back({static_cast<std::uint32_t>(to) - kSharedBegin, source});
  });
}

// ldmatrix.x4: lane i gives the address of row i % 8 of matrix i / 8; register m of lane l has bytes 4 (l % 4).. of row
// l / 4 of matrix m.
void run_load_matrix(Warp& w, const Instruction& i, Mask /*lanes*/) {
  constexpr int kMatrices = 4;
  std::array<const unsigned char*, kLanes> rows{};  // all before a register is written, which may be the addresses'
  for (int l = 0; l < kLanes; ++l)
    rows[static_cast<std::size_t>(l)] =
        w.at(i, l, Space::kShared, address_of(w, i.operands[kMatrices], i.offset, l), 16, false);
  for (int m = 0; m < kMatrices; ++m) {
    for (int l = 0; l < kLanes; ++l) {
      const auto row = static_cast<std::size_t>(m) * 8 + static_cast<std::size_t>(l) / 4;
      std::uint32_t word = 0;
      std::memcpy(&word, rows[row] + l % 4 * 4, 4);
      w.set(i.operands[static_cast<std::size_t>(m)], l, word);
    }
  }
}

void add_addresses(Forms& forms) {
  forms["cvta.to.global.u64"] = forms["cvta.global.u64"] = forms.at("mov.b64");
  forms["cvta.shared.u64"] = {mark_address<kGenericShared>, {8, 8}};
  forms["cvta.to.shared.u64"] = {mark_address<0>, {8, 8}};
  forms["cvta.to.local.u64"] = {mark_address<0>, {8, 8}};
  forms["cvta.local.u64"] = {mark_address<kGenericLocal>, {8, 8}};
}

void run_pack(Warp& w, const Instruction& i, Mask lanes) {
  const unsigned bits = i.operands[0].bytes * 8 / i.n_elements;
  each_lane(lanes, [&](int l) {
    std::uint64_t value = 0;
    for (unsigned k = 0; k < i.n_elements; ++k)
      value |= (taken(w, i.operands[k + 1], l) & ((std::uint64_t{1} << bits) - 1)) << (k * bits);
    put(w, i.operands[0], l, value);
  });
}

void run_unpack(Warp& w, const Instruction& i, Mask lanes) {
  const Operand from = i.operands[i.n_elements];
  const unsigned bits = from.bytes * 8 / i.n_elements;
  each_lane(lanes, [&](int l) {
    const std::uint64_t value = taken(w, from, l);
    for (unsigned k = 0; k < i.n_elements; ++k) {
      const std::uint64_t part = value >> (k * bits) & ((std::uint64_t{1} << bits) - 1);
      put(w, i.operands[k], l, part);
    }
  });
}

}  // namespace llorch::cuda::ptx
