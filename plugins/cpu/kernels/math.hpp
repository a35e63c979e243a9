// Elementary functions with the same bits on every instruction set: polynomials in fma, no library calls.
#pragma once

#include "cpu/kernels/types.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

/// e^x for x clamped to [-86, 88]; a number that is none stays none. Relative error below 1e-7 (measured:
/// docs/kernels.md). x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a minimax polynomial of degree 6.
inline V16 exponential(V16 x) {
  constexpr float kLog2E = 0x1.715476p+0f;
  constexpr float kLn2High = 0x1.62e4p-1f;  // 15 bits, so n * kLn2High is exact
  constexpr float kLn2Low = 0x1.7f7d1cp-20f;
  constexpr float kRound = 0x1.8p+23f;  // adding it leaves the nearest integer in the low bits
  x = min(splat(88.0f), max(splat(-86.0f), x));
  const V16 z = fma(x, splat(kLog2E), splat(kRound));
  const V16 n = sub(z, splat(kRound));
  V16 r = fma(n, splat(-kLn2High), x);
  r = fma(n, splat(-kLn2Low), r);
  V16 p = splat(0x1.6a2358p-10f);
  p = fma(p, r, splat(0x1.123a6cp-7f));
  p = fma(p, r, splat(0x1.5558f4p-5f));
  p = fma(p, r, splat(0x1.55549p-3f));
  p = fma(p, r, splat(0x1.fffffcp-2f));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  return scale_by_power(p, z);
}

/// x / (1 + e^-x).
inline V16 silu_of(V16 x) {
  return div(x, add(splat(1.0f), exponential(sub(splat(0.0f), x))));
}

/// 0.5 x (1 + tanh u) = x / (1 + e^(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3). Hendrycks and Gimpel, arXiv:1606.08415.
inline V16 gelu_tanh_of(V16 x) {
  constexpr float kMinusTwoRoot = -0x1.988454p+0f;  // -2 sqrt(2 / pi)
  const V16 cubic = fma(mul(x, x), splat(0.044715f), splat(1.0f));
  const V16 minus_two_u = mul(mul(x, splat(kMinusTwoRoot)), cubic);
  return div(x, add(splat(1.0f), exponential(minus_two_u)));
}

/// x Phi(x). For a = |x|, the tail Phi(-a) = e^(-a^2 / 2) R(a); R, the scaled Mills ratio, is a polynomial in
/// t = 1 / (1 + 0.3 a) without constant term (fitted on 0..13.5, relative error 1.3e-7).
inline V16 gelu_erf_of(V16 x) {
  const V16 a = abs(x);
  const V16 t = div(splat(1.0f), fma(a, splat(0.3f), splat(1.0f)));
  V16 p = splat(0.0359305776655674f);
  p = fma(p, t, splat(-0.15827055275440216f));
  p = fma(p, t, splat(0.2081962376832962f));
  p = fma(p, t, splat(-0.055383533239364624f));
  p = fma(p, t, splat(0.12946344912052155f));
  p = fma(p, t, splat(0.09963927417993546f));
  p = fma(p, t, splat(0.12079807370901108f));
  p = fma(p, t, splat(0.11962641030550003f));
  const V16 tail = mul(mul(p, t), exponential(mul(mul(a, a), splat(-0.5f))));
  return mul(x, select_negative(x, tail, sub(splat(1.0f), tail)));
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
