// Instructions of one thread: every opcode that nvcc uses for our kernels, by the definitions of the PTX ISA.
#include <bit>
#include <cmath>
#include <type_traits>

#include "cuda/device/emulation/ptx/halves.hpp"
#include "cuda/device/emulation/ptx/operations.hpp"
#include "cuda/device/emulation/ptx/warp.hpp"

namespace llorch::cuda::ptx {
namespace {

template <class T>
constexpr std::uint8_t kBytes = sizeof(T) == 1 ? 2 : sizeof(T);  // registers have 2, 4 or 8
template <class T>
using Wrapping = std::conditional_t<std::is_integral_v<T>,
                                    std::make_unsigned_t<std::conditional_t<std::is_integral_v<T>, T, int>>, T>;

template <class D, class S, class F>
void map1(Warp& w, const Instruction& i, Mask lanes) {
  each_lane(lanes, [&](int l) { w.set<D>(i.operands[0], l, F()(w.get<S>(i.operands[1], l))); });
}
template <class D, class A, class B, class F>
void map2(Warp& w, const Instruction& i, Mask lanes) {
  each_lane(lanes,
            [&](int l) { w.set<D>(i.operands[0], l, F()(w.get<A>(i.operands[1], l), w.get<B>(i.operands[2], l))); });
}
template <class D, class A, class C, class F>
void map3(Warp& w, const Instruction& i, Mask lanes) {
  each_lane(lanes, [&](int l) {
    w.set<D>(i.operands[0], l, F()(w.get<A>(i.operands[1], l), w.get<A>(i.operands[2], l), w.get<C>(i.operands[3], l)));
  });
}
/// Integers: what a division by zero gives is not said.
template <class T, class F>
void divide(Warp& w, const Instruction& i, Mask lanes) {
  each_lane(lanes, [&](int l) {
    if (w.get<T>(i.operands[2], l) == 0) w.fail(i, l, "divides by zero");
  });
  map2<T, T, T, F>(w, i, lanes);
}
template <class A, class F>
void compare(Warp& w, const Instruction& i, Mask lanes) {
  Mask result = 0;
  each_lane(lanes, [&](int l) {
    if (F()(w.get<A>(i.operands[1], l), w.get<A>(i.operands[2], l))) result |= Mask{1} << static_cast<unsigned>(l);
  });
  w.set_predicate(i.operands[0], lanes, result);
}
template <class T>
void select(Warp& w, const Instruction& i, Mask lanes) {
  const Mask first = w.predicate(i.operands[3]);
  each_lane(lanes, [&](int l) {
    const bool a = (first >> static_cast<unsigned>(l) & 1u) != 0;
    w.set<T>(i.operands[0], l, w.get<T>(i.operands[a ? 1 : 2], l));
  });
}
template <class F>
void on_predicates(Warp& w, const Instruction& i, Mask lanes) {
  w.set_predicate(i.operands[0], lanes, F()(w.predicate(i.operands[1]), w.predicate(i.operands[2])));
}
void move_predicate(Warp& w, const Instruction& i, Mask lanes) {
  w.set_predicate(i.operands[0], lanes, w.predicate(i.operands[1]));
}
void not_predicate(Warp& w, const Instruction& i, Mask lanes) {
  w.set_predicate(i.operands[0], lanes, ~w.predicate(i.operands[1]));
}
template <class T>
void bit_field_insert(Warp& w, const Instruction& i, Mask lanes) {
  each_lane(lanes, [&](int l) {
    const auto from = w.get<T>(i.operands[1], l);
    const std::uint32_t at = w.get<std::uint32_t>(i.operands[3], l) & 0xffu;
    const std::uint32_t n = w.get<std::uint32_t>(i.operands[4], l) & 0xffu;
    auto out = w.get<T>(i.operands[2], l);
    for (std::uint32_t bit = 0; bit < n && at + bit < sizeof(T) * 8; ++bit)
      out = (out & ~(T{1} << (at + bit))) | ((from >> bit & T{1}) << (at + bit));
    w.set(i.operands[0], l, out);
  });
}

// ---- what is computed ----------------------------------------------------------------------------------------------

/// Every NaN that is computed is the same one.
template <class F>
struct Canonical {
  template <class... T>
  float operator()(T... values) const {
    return canonical(F()(values...));
  }
};
struct Same {
  template <class T>
  T operator()(T a) const {
    return a;
  }
};
template <class T>
T wrapped(Wrapping<T> value) {
  return static_cast<T>(value);
}
struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return wrapped<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
};
struct Subtract {
  template <class T>
  T operator()(T a, T b) const {
    return wrapped<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
  }
};
struct Multiply {
  float operator()(float a, float b) const { return a * b; }
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  }
};
struct MultiplyHigh {
  std::int32_t operator()(std::int32_t a, std::int32_t b) const {
    return static_cast<std::int32_t>((std::int64_t{a} * b) >> 32);
  }
  std::uint32_t operator()(std::uint32_t a, std::uint32_t b) const {
    return static_cast<std::uint32_t>((std::uint64_t{a} * b) >> 32u);
  }
};
template <class Wide>
struct MultiplyWide {
  template <class T>
  Wide operator()(T a, T b) const {
    return static_cast<Wide>(static_cast<Wide>(a) * static_cast<Wide>(b));
  }
};
struct MultiplyAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    return Add()(Multiply()(a, b), c);
  }
};
struct FusedMultiplyAdd {
  float operator()(float a, float b, float c) const { return std::fma(a, b, c); }
};
struct Divide {
  float operator()(float a, float b) const { return a / b; }
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return Subtract()(T{0}, a);
    }
    return static_cast<T>(a / b);
  }
};
struct Remainder {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
    }
    return static_cast<T>(a % b);
  }
};
struct Least {
  float operator()(float a, float b) const {
    return std::isnan(a) ? b : std::isnan(b) ? a : a < b || (a == b && std::signbit(a)) ? a : b;
  }
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};
struct Greatest {
  float operator()(float a, float b) const {
    return std::isnan(a) ? b : std::isnan(b) ? a : a > b || (a == b && !std::signbit(a)) ? a : b;
  }
  template <class T>
  T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
struct Negate {
  float operator()(float a) const { return -a; }
  template <class T>
  T operator()(T a) const {
    return Subtract()(T{0}, a);
  }
};
struct Absolute {
  float operator()(float a) const { return std::fabs(a); }
};
struct SquareRoot {
  float operator()(float a) const { return std::sqrt(a); }
};
struct NearestInteger {
  float operator()(float a) const { return std::nearbyintf(a); }
};
struct And {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
};
struct Not {
  template <class T>
  T operator()(T a) const {
    return static_cast<T>(~a);
  }
};
struct ShiftLeft {
  template <class T>
  T operator()(T a, std::uint32_t n) const {
    return n >= sizeof(T) * 8 ? T{0} : static_cast<T>(static_cast<std::uint64_t>(a) << n);
  }
};
struct ShiftRight {
  template <class T>
  T operator()(T a, std::uint32_t n) const {
    constexpr std::uint32_t kBits = sizeof(T) * 8;
    if (n >= kBits) return std::is_signed_v<T> && a < 0 ? static_cast<T>(-1) : T{0};
    return static_cast<T>(a >> n);
  }
};
struct Dot4 {
  std::int32_t operator()(std::int32_t a, std::int32_t b, std::int32_t c) const {
    std::int32_t sum = c;
    for (unsigned byte = 0; byte < 32; byte += 8) {
      const auto x = static_cast<std::int8_t>(static_cast<std::uint32_t>(a) >> byte);
      const auto y = static_cast<std::int8_t>(static_cast<std::uint32_t>(b) >> byte);
      sum = Add()(sum, std::int32_t{x} * y);
    }
    return sum;
  }
};
struct BytePermute {
  std::uint32_t operator()(std::uint32_t a, std::uint32_t b, std::uint32_t selectors) const {
    const std::uint64_t bytes = std::uint64_t{b} << 32u | a;
    std::uint32_t out = 0;
    for (unsigned i = 0; i < 4; ++i) {
      const std::uint32_t selector = selectors >> (4 * i) & 0xfu;
      auto byte = static_cast<std::uint32_t>(bytes >> (8 * (selector & 7u)) & 0xffu);
      if ((selector & 8u) != 0) byte = (byte & 0x80u) != 0 ? 0xffu : 0;
      out |= byte << (8 * i);
    }
    return out;
  }
};

struct FromHalf {
  float operator()(std::uint16_t bits) const { return value_of_half(bits); }
};
struct ToHalf {
  std::uint16_t operator()(float value) const { return nearest_half(value); }
};
template <class D>
struct Convert {
  template <class S>
  D operator()(S value) const {
    return static_cast<D>(value);
  }
};

struct Equal {
  template <class T>
  bool operator()(T a, T b) const {
    return a == b;
  }
};
struct NotEqual {  // of floats: both are numbers
  template <class T>
  bool operator()(T a, T b) const {
    return a < b || a > b;
  }
};
struct Less {
  template <class T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};
struct AtMost {
  template <class T>
  bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct Greater {
  template <class T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};
struct AtLeast {
  template <class T>
  bool operator()(T a, T b) const {
    return a >= b;
  }
};
/// Of floats: the comparisons that also hold where one is no number.
template <class F>
struct Unless {
  bool operator()(float a, float b) const { return !F()(a, b); }
};
struct Nan {
  bool operator()(float a, float b) const { return std::isnan(a) || std::isnan(b); }
};

// ---- tables --------------------------------------------------------------------------------------------------------

template <class T, class F>
Form unary() {
  return {map1<T, T, F>, {kBytes<T>, kBytes<T>}};
}
template <class T, class F>
Form binary() {
  return {map2<T, T, T, F>, {kBytes<T>, kBytes<T>, kBytes<T>}};
}
template <class T, class F>
Form shift() {
  return {map2<T, T, std::uint32_t, F>, {kBytes<T>, kBytes<T>, 4}};
}
template <class T, class F>
Form comparison() {
  return {compare<T, F>, {0, kBytes<T>, kBytes<T>}};
}
template <class D, class S, class F = Convert<D>>
Form conversion() {
  return {map1<D, S, F>, {kBytes<D>, kBytes<S>}};
}
template <class T>
Form selection() {
  return {select<T>, {kBytes<T>, kBytes<T>, kBytes<T>, 0}};
}

/// Of integers and bits alike.
template <class T>
void add_words(Forms& forms, const std::string& type) {
  forms["shr." + type] = shift<T, ShiftRight>();
  forms["mov." + type] = unary<T, Same>();
  forms["selp." + type] = selection<T>();
  forms["setp.eq." + type] = comparison<T, Equal>();
  forms["setp.ne." + type] = comparison<T, NotEqual>();
}
template <class T>
void add_integer(Forms& forms, const std::string& type) {
  add_words<T>(forms, type);
  forms["add." + type] = binary<T, Add>();
  forms["sub." + type] = binary<T, Subtract>();
  forms["mul.lo." + type] = binary<T, Multiply>();
  forms["mad.lo." + type] = {map3<T, T, T, MultiplyAdd>, {kBytes<T>, kBytes<T>, kBytes<T>, kBytes<T>}};
  forms["div." + type] = {divide<T, Divide>, {kBytes<T>, kBytes<T>, kBytes<T>}};
  forms["rem." + type] = {divide<T, Remainder>, {kBytes<T>, kBytes<T>, kBytes<T>}};
  forms["min." + type] = binary<T, Least>();
  forms["max." + type] = binary<T, Greatest>();
  if constexpr (std::is_signed_v<T>) forms["neg." + type] = unary<T, Negate>();
  forms["setp.lt." + type] = comparison<T, Less>();
  forms["setp.le." + type] = comparison<T, AtMost>();
  forms["setp.gt." + type] = comparison<T, Greater>();
  forms["setp.ge." + type] = comparison<T, AtLeast>();
}
template <class T>
void add_bits(Forms& forms, const std::string& type) {
  add_words<T>(forms, type);
  forms["and." + type] = binary<T, And>();
  forms["or." + type] = binary<T, Or>();
  forms["xor." + type] = binary<T, Xor>();
  forms["not." + type] = unary<T, Not>();
  forms["shl." + type] = shift<T, ShiftLeft>();
}
/// From `S` to every other integer. A destination of fewer bytes than its register is extended by its own sign.
template <class S>
void add_conversions_from(Forms& forms, const std::string& type) {
  const auto add = [&]<class D>(const char* to, D) {
    using Kept =
        std::conditional_t<sizeof(D) == 1, std::conditional_t<std::is_signed_v<D>, std::int16_t, std::uint16_t>, D>;
    struct Through {
      Kept operator()(S value) const { return static_cast<Kept>(static_cast<D>(value)); }
    };
    const std::string opcode = std::string("cvt.") + to + "." + type;
    forms[opcode] = {map1<Kept, S, Through>, {kBytes<D>, kBytes<S>}};
    // A register may be wider than the type that is read of it.
    struct FromWide {
      Kept operator()(std::uint64_t value) const { return Through()(static_cast<S>(value)); }
    };
    if (sizeof(S) < 8) forms[opcode + " of 8 bytes"] = {map1<Kept, std::uint64_t, FromWide>, {kBytes<D>, 8}};
    if (sizeof(S) < 4) forms[opcode + " of 4 bytes"] = {map1<Kept, S, Through>, {kBytes<D>, 4}};
  };
  add("s8", std::int8_t{});
  add("u8", std::uint8_t{});
  add("s16", std::int16_t{});
  add("u16", std::uint16_t{});
  add("s32", std::int32_t{});
  add("u32", std::uint32_t{});
  add("s64", std::int64_t{});
  add("u64", std::uint64_t{});
  forms["cvt.rn.f32." + type] = conversion<float, S>();
}
void add_floats(Forms& forms) {
  forms["mov.f32"] = unary<float, Same>();
  forms["add.rn.f32"] = binary<float, Canonical<Add>>();
  forms["sub.rn.f32"] = binary<float, Canonical<Subtract>>();
  forms["mul.rn.f32"] = binary<float, Canonical<Multiply>>();
  forms["div.rn.f32"] = binary<float, Canonical<Divide>>();
  forms["fma.rn.f32"] = {map3<float, float, float, Canonical<FusedMultiplyAdd>>, {4, 4, 4, 4}};
  forms["min.f32"] = binary<float, Canonical<Least>>();
  forms["max.f32"] = binary<float, Canonical<Greatest>>();
  forms["neg.f32"] = unary<float, Negate>();
  forms["abs.f32"] = unary<float, Absolute>();
  forms["sqrt.rn.f32"] = unary<float, Canonical<SquareRoot>>();
  forms["cvt.rni.f32.f32"] = unary<float, Canonical<NearestInteger>>();
  forms["cvt.f32.f16"] = conversion<float, std::uint16_t, Canonical<FromHalf>>();
  forms["cvt.rn.f16.f32"] = conversion<std::uint16_t, float, ToHalf>();
  forms["selp.f32"] = selection<float>();
  forms["setp.eq.f32"] = comparison<float, Equal>();
  forms["setp.ne.f32"] = comparison<float, NotEqual>();
  forms["setp.lt.f32"] = comparison<float, Less>();
  forms["setp.le.f32"] = comparison<float, AtMost>();
  forms["setp.gt.f32"] = comparison<float, Greater>();
  forms["setp.ge.f32"] = comparison<float, AtLeast>();
  forms["setp.neu.f32"] = comparison<float, Unless<Equal>>();
  forms["setp.ltu.f32"] = comparison<float, Unless<AtLeast>>();
  forms["setp.leu.f32"] = comparison<float, Unless<Greater>>();
  forms["setp.gtu.f32"] = comparison<float, Unless<AtMost>>();
  forms["setp.geu.f32"] = comparison<float, Unless<Less>>();
  forms["setp.nan.f32"] = comparison<float, Nan>();
  forms["setp.num.f32"] = comparison<float, Unless<Nan>>();
}

template <class Wide, class T>
Form widening() {
  return {map2<Wide, T, T, MultiplyWide<Wide>>, {kBytes<Wide>, kBytes<T>, kBytes<T>}};
}

}  // namespace

void add_arithmetic(Forms& forms) {
  add_bits<std::uint16_t>(forms, "b16");
  add_bits<std::uint32_t>(forms, "b32");
  add_bits<std::uint64_t>(forms, "b64");
  add_integer<std::int16_t>(forms, "s16");
  add_integer<std::uint16_t>(forms, "u16");
  add_integer<std::int32_t>(forms, "s32");
  add_integer<std::uint32_t>(forms, "u32");
  add_integer<std::int64_t>(forms, "s64");
  add_integer<std::uint64_t>(forms, "u64");
  add_conversions_from<std::int8_t>(forms, "s8");
  add_conversions_from<std::uint8_t>(forms, "u8");
  add_conversions_from<std::int16_t>(forms, "s16");
  add_conversions_from<std::uint16_t>(forms, "u16");
  add_conversions_from<std::int32_t>(forms, "s32");
  add_conversions_from<std::uint32_t>(forms, "u32");
  add_conversions_from<std::int64_t>(forms, "s64");
  add_conversions_from<std::uint64_t>(forms, "u64");
  add_floats(forms);
  forms["mul.hi.s32"] = binary<std::int32_t, MultiplyHigh>();
  forms["mul.hi.u32"] = binary<std::uint32_t, MultiplyHigh>();
  forms["mul.wide.s32"] = widening<std::int64_t, std::int32_t>();
  forms["mul.wide.u32"] = widening<std::uint64_t, std::uint32_t>();
  forms["mul.wide.s16"] = widening<std::int32_t, std::int16_t>();
  forms["mul.wide.u16"] = widening<std::uint32_t, std::uint16_t>();
  forms["dp4a.s32.s32"] = {map3<std::int32_t, std::int32_t, std::int32_t, Dot4>, {4, 4, 4, 4}};
  forms["prmt.b32"] = {map3<std::uint32_t, std::uint32_t, std::uint32_t, BytePermute>, {4, 4, 4, 4}};
  forms["bfi.b32"] = {bit_field_insert<std::uint32_t>, {4, 4, 4, 4, 4}};
  forms["bfi.b64"] = {bit_field_insert<std::uint64_t>, {8, 8, 8, 4, 4}};
  forms["mov.pred"] = {move_predicate, {0, 0}};
  forms["not.pred"] = {not_predicate, {0, 0}};
  forms["and.pred"] = {on_predicates<And>, {0, 0, 0}};
  forms["or.pred"] = {on_predicates<Or>, {0, 0, 0}};
  forms["xor.pred"] = {on_predicates<Xor>, {0, 0, 0}};
}

}  // namespace llorch::cuda::ptx
