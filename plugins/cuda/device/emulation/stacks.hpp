// The stacks of fibers, and what AddressSanitizer wants to know about them.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

namespace llorch::cuda::emulation {

/// One fiber's stack, or the stack that the caller came with.
class Switch {
 public:
  using Entry = void (*)(boost::context::detail::transfer_t);

  /// Takes the n-th stack of the process; two fibers must not have the same. Pages cost nothing until touched, and a
  /// page that cannot be touched lies below each.
  void take(unsigned n);
  /// A context that begins `entry` on this stack, whatever was on it.
  [[nodiscard]] boost::context::detail::fcontext_t make(Entry entry);

  /// Around every switch, in the fiber that goes and in the one that comes.
  void leave(const Switch& to);
  void enter(Switch& from);

 private:
  void* bottom_ = nullptr;  // lowest address
  std::size_t bytes_ = 0;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
};

}  // namespace llorch::cuda::emulation
