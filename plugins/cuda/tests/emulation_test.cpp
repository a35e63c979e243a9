// What the emulation finds that a GPU would not tell.
#include <llorch/plugin.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <set>
#include <string>

#include "cuda/device/emulation/fibers.hpp"
#include "cuda/device/emulation/settings.hpp"
#include "device.hpp"
#include "device_kernels.hpp"

namespace llorch::cuda::testing {
namespace {

/// What the emulation says to a kernel with that mistake; empty when it says nothing.
std::string complaint(Mistake mistake) {
  Stream stream(kDevice);
  const DeviceMemory memory = on_device(stream, std::vector<std::uint32_t>(64, 0));
  make_mistake(stream, mistake, memory.as<std::uint32_t>());
  try {
    stream.synchronize();
  } catch (const abi::Failure& failure) {
    BOOST_TEST(failure.status() == LLORCH_DEVICE_ERROR);
    return failure.what();
  }
  return {};
}

/// Whether the kernel ends its process by touching memory that it may not, in a child of this one.
bool dies(Mistake mistake, bool of_constant_memory, bool overlaps = true) {
  const pid_t child = fork();
  if (child == 0) {
    (void)std::signal(SIGSEGV, SIG_DFL);
    try {
      cuda::emulation::settings().grids_for_an_early_block = 1;
      Stream stream(kDevice, overlaps);
      DeviceMemory memory(kDevice, 256, "test");
      stream.fill(memory.data(), 0, memory.bytes());
      stream.synchronize();
      if (of_constant_memory) memory.make_constant();
      make_mistake(stream, mistake, memory.as<std::uint32_t>());
      stream.synchronize();
    } catch (const std::exception&) {
      _exit(2);  // the test goes on in the parent alone
    }
    _exit(0);
  }
  int status = 0;
  BOOST_REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
  BOOST_TEST((WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 0), "status " << status);
  return WIFSIGNALED(status);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(emulation)

BOOST_AUTO_TEST_CASE(threads_that_do_not_meet_are_named) {
  struct Case {
    Mistake mistake;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases{
      {Mistake::kHalfBlockAtBarrier, {"kernel make_mistake, block (0, ", "block_sync", "the kernel's end"}},
      {Mistake::kLaneLeavesBeforeShuffle, {"thread (37, 0, 0)", "shuffle_xor", "the kernel's end", "same warp"}},
      {Mistake::kLanesAtDifferentPlaces, {"(5, 0, 0)", "block_sync", "warp_sync"}},
      {Mistake::kMisalignedLoad, {"kernel make_mistake", "is not aligned to 16 bytes"}},
      {Mistake::kBehindSharedMemory, {"kernel make_mistake", "0 bytes behind the 256 bytes of shared memory"}},
      {Mistake::kCopyNotWaitedFor, {"kernel make_mistake", "ends before copy_async_wait"}},
      {Mistake::kEndsWithoutWaiting, {"thread (7, 0, 0)", "ends without wait_for_previous"}},
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    cuda::emulation::set_seed(seed);
    for (const Case& c : cases) {
      const std::string found = complaint(c.mistake);
      for (const std::string& part : c.parts)
        BOOST_TEST(has(found, part), "seed " << seed << ": expected '" << part << "' in '" << found << "'");
    }
    BOOST_TEST(complaint(Mistake::kNone) == "");
  }
}

BOOST_AUTO_TEST_CASE(before_the_previous_kernel_is_waited_for_only_constant_memory_can_be_read) {
  for (const Mistake early : {Mistake::kReadsEarly, Mistake::kCopiesEarly, Mistake::kWritesEarly})
    BOOST_TEST(dies(early, false), "mistake " << static_cast<int>(early));
  BOOST_TEST(!dies(Mistake::kReadsEarly, true));
  BOOST_TEST(!dies(Mistake::kCopiesEarly, true));
  BOOST_TEST(!dies(Mistake::kWritesEarly, false, false), "a stream whose kernels do not overlap");
}

BOOST_AUTO_TEST_CASE(constant_memory_cannot_be_written) {
  BOOST_TEST(dies(Mistake::kNone, true));
  BOOST_TEST(!dies(Mistake::kNone, false));
}

BOOST_AUTO_TEST_CASE(a_write_behind_device_memory_is_told_when_the_stream_is_waited_for) {
  Stream stream(kDevice);
  DeviceMemory memory(kDevice, 256 - 4, "the cache");  // 63 words: the guard begins where the kernel writes one more
  make_mistake(stream, Mistake::kBehindDeviceMemory, memory.as<std::uint32_t>());
  BOOST_CHECK_EXCEPTION(stream.synchronize(), abi::Failure, [](const abi::Failure& failure) {
    return has(failure.what(), "device memory for the cache: written 0 bytes behind its 252 bytes");
  });
}

BOOST_AUTO_TEST_CASE(the_first_error_stays_with_its_stream_alone) {
  Stream stream(kDevice), other(kDevice);
  const DeviceMemory memory = on_device(stream, std::vector<std::uint32_t>(64, 0));
  make_mistake(stream, Mistake::kMisalignedLoad, memory.as<std::uint32_t>());
  std::string first;
  for (int i = 0; i < 3; ++i) {
    try {
      stream.synchronize();
      BOOST_ERROR("expected a failure");
    } catch (const abi::Failure& failure) {
      if (i == 0) first = failure.what();
      BOOST_TEST(failure.what() == first);
    }
  }
  BOOST_CHECK_THROW(stream.fill(memory.data(), 0, 16), abi::Failure);
  BOOST_TEST(on_host<std::uint32_t>(other, memory, 1).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_missing_barrier_shows_as_results_that_change_with_the_seed) {
  Stream stream(kDevice);
  std::vector<std::uint32_t> in(128);
  for (std::uint32_t i = 0; i < 128; ++i)
    in[i] = i;
  const DeviceMemory from = on_device(stream, in);
  for (const bool forgets : {false, true}) {
    std::set<std::vector<std::uint32_t>> results;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      cuda::emulation::set_seed(seed);
      DeviceMemory to(kDevice, from.bytes(), "test");
      reverse_block(stream, from.as<std::uint32_t>(), to.as<std::uint32_t>(), forgets);
      results.insert(on_host<std::uint32_t>(stream, to, 128));
    }
    BOOST_TEST((forgets ? results.size() > 1 : results.size() == 1), "distinct results: " << results.size());
  }
}

BOOST_AUTO_TEST_CASE(fresh_memory_holds_what_no_one_would_take_for_a_number) {
  Stream stream(kDevice);
  DeviceMemory out(kDevice, 1024, "test");
  BOOST_TEST(on_host<std::uint32_t>(stream, out, 256) == std::vector<std::uint32_t>(256, 0xffffffffu),
             boost::test_tools::per_element());
  for (int i = 0; i < 2; ++i) {
    stream.fill(out.data(), 0, out.bytes());
    read_fresh_shared(stream, out.as<std::uint32_t>(), 256);
    BOOST_TEST(on_host<std::uint32_t>(stream, out, 256) == std::vector<std::uint32_t>(256, 0xffffffffu),
               boost::test_tools::per_element());
    reverse_block(stream, out.as<std::uint32_t>(), out.as<std::uint32_t>() + 128);  // dirties the block's memory
  }
}

BOOST_AUTO_TEST_CASE(nothing_runs_before_someone_waits) {
  Stream stream(kDevice);
  const std::vector<float> in(32, 1.0f);
  std::vector<float> out(32, 0.0f);
  DeviceMemory x(kDevice, 128, "test");
  stream.to_device(x.data(), in.data(), x.bytes());
  stream.to_host(out.data(), x.data(), x.bytes());
  BOOST_TEST(out[0] == 0.0f);
  stream.synchronize();
  BOOST_TEST(out[0] == 1.0f);
}

BOOST_AUTO_TEST_CASE(a_capture_refuses_what_a_device_would_refuse) {
  Stream stream(kDevice);
  DeviceMemory x(kDevice, 128, "test");
  std::vector<float> pageable(32);
  PinnedMemory pinned(kDevice, 128, "test");
  using Step = std::function<void()>;
  const std::vector<Step> wrong{
      [&] { stream.synchronize(); },
      [&] { const DeviceMemory more(kDevice, 16, "test"); },
      [&] { stream.to_device(x.data(), pageable.data(), 128); },
      [&] { stream.to_host(pinned.as<char>() + 64, x.data(), 128); },
  };
  for (const Step& step : wrong)
    BOOST_CHECK_THROW((void)Graph::capture(stream, step), abi::Failure);
  BOOST_CHECK_NO_THROW((void)Graph::capture(stream, [&] { stream.to_host(pinned.data(), x.data(), 128); }));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cuda::testing
