// Starting a kernel, the same call for nvcc and for the emulation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#if defined(LLORCH_CUDA_EMULATION)
#include <functional>
#include <memory>
#include <vector>
#endif

namespace llorch::cuda {

class Stream;  // of runtime.hpp, which would be most of what nvcc reads

struct Dim {
  unsigned x = 1, y = 1, z = 1;
};

/// A block has at most 1024 threads, a multiple of 32 in x: warps are whole, and lane_id() is threadIdx.x % 32.
inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kMostBlockThreads = 1024;

namespace detail {

/// `function`: the kernel's address on the host; `arguments`: where each of its arguments lies. (CUDA)
void launch_kernel(Stream& stream, const char* name, const void* function, Dim grid, Dim block,
                   std::size_t shared_bytes, void** arguments);
#if defined(LLORCH_CUDA_EMULATION)
/// A kernel and its arguments: `body` runs it for the current thread.
struct EmulatedCall {
  std::function<void()> body;
  const void* function;  // the kernel's own
  struct Argument {
    const void* data;
    std::size_t bytes;
  };
  std::vector<Argument> arguments;  // `body` keeps them
};
void launch_emulated(Stream& stream, const char* name, Dim grid, Dim block, std::size_t shared_bytes,
                     EmulatedCall call);
#endif
/// The address on the host of a kernel that does nothing: compiled as all of them are.
[[nodiscard]] const void* a_kernel();
/// INTERNAL, naming the kernel, for a grid or block that no device takes or more shared memory than this one has.
void check_launch(const char* name, Dim grid, Dim block, std::size_t shared_bytes, std::uint64_t most_shared_bytes);

}  // namespace detail

/// Gives `kernel` to the stream for every thread of `grid` blocks of `block` threads, with that much dynamic shared
/// memory for each block. The arguments are copied now. `name` is what messages call the kernel; it must live on (a
/// literal).
template <class... Parameters, class... Arguments>
void launch(Stream& stream, const char* name, void (*kernel)(Parameters...), Dim grid, Dim block,
            std::size_t shared_bytes, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument for each parameter of the kernel");
#if defined(LLORCH_CUDA_EMULATION)
  const auto values = std::make_shared<std::tuple<Parameters...>>(std::forward<Arguments>(arguments)...);
  detail::launch_emulated(stream, name, grid, block, shared_bytes,
                          {[kernel, values] { std::apply(kernel, *values); }, reinterpret_cast<const void*>(kernel),
                           std::apply(
                               [](Parameters&... value) {
                                 return std::vector<detail::EmulatedCall::Argument>{{&value, sizeof value}...};
                               },
                               *values)});
#else
  std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
  std::apply(
      [&](Parameters&... value) {
        void* pointers[] = {static_cast<void*>(&value)..., nullptr};
        detail::launch_kernel(stream, name, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, pointers);
      },
      values);
#endif
}

}  // namespace llorch::cuda
