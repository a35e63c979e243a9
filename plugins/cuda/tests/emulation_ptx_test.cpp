// Kernels run from PTX: what the text says happens, and what a GPU would not tell is told. (Those that nvcc made run in
// every other suite here, by LLORCH_CUDA_EMULATION_PTX.)
#include <llorch/plugin.hpp>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "cuda/device/emulation/memory.hpp"
#include "cuda/device/emulation/ptx/machine.hpp"
#include "device.hpp"

namespace llorch::cuda::testing {
namespace {

/// A kernel with `body` from line 22 on: %rd1 is out, %rd2 the thread's word of it, %r1 is n, %r2 the thread.
std::string kernel_of(const std::string& body) {
  return R"(
.version 9.0
.target sm_90
.address_size 64
.extern .shared .align 128 .b8 llorch_sharedE[];
.visible .entry a_kernel(
	.param .u64 .ptr .align 4 a_kernel_param_0, // out
	.param .u32 a_kernel_param_1
)
.maxntid 64, 1, 1
{
	.reg .pred %p<8>;
	.reg .b16 %rs<8>;
	.reg .f32 %f<16>;
	.reg .b32 %r<32>;
	.reg .b64 %rd<8>;
	ld.param.u64 %rd1, [a_kernel_param_0];
	ld.param.u32 %r1, [a_kernel_param_1];
	mov.u32 %r2, %tid.x;
	mul.wide.u32 %rd2, %r2, 4;
	add.s64 %rd2, %rd1, %rd2;
)" + body +
         "\n\tret;\n}\n";
}
constexpr const char* kWait = "griddepcontrol.wait;\n";

struct Outcome {
  std::vector<std::uint32_t> out;
  std::string complaint;
};

/// 64 threads and words of out, 1024 bytes of shared memory.
Outcome run(const std::string& text, std::uint32_t n = 0) {
  constexpr std::size_t kThreads = 64;
  Outcome outcome;
  outcome.out.resize(kThreads);
  const emulation::OpenMemory open;
  void* memory = emulation::take_memory(kDevice, kThreads * sizeof(std::uint32_t), "test");
  BOOST_REQUIRE(memory != nullptr);
  std::memset(memory, 0, kThreads * sizeof(std::uint32_t));
  try {
    const ptx::Kernel kernel = ptx::assemble("test.ptx", text, text.find(".entry"));
    ptx::run_grid({"a_kernel", {1}, {kThreads}, 1024, nullptr}, kernel, {{&memory, sizeof memory}, {&n, sizeof n}});
    std::memcpy(outcome.out.data(), memory, kThreads * sizeof(std::uint32_t));
  } catch (const abi::Failure& failure) {
    outcome.complaint = failure.what();
  }
  emulation::give_memory_back(memory);
  return outcome;
}

void check_complaint(const std::string& body, const std::string& expected) {
  const std::string found = run(kernel_of(body)).complaint;
  BOOST_TEST(found.find(expected) != std::string::npos, "expected \"" << expected << "\", found \"" << found << '"');
}

BOOST_AUTO_TEST_SUITE(ptx_of_kernels)

BOOST_AUTO_TEST_CASE(each_thread_computes_what_the_text_says) {
  const Outcome outcome = run(kernel_of(std::string(kWait) + R"(
	mad.lo.s32 %r3, %r2, -3, %r1;
	setp.lt.s32 %p1, %r3, 0;
	selp.b32 %r4, 7, %r3, %p1;
	@!%p1 add.s32 %r4, %r4, 0x100;
	st.global.u32 [%rd2+0], %r4;
)"),
                              10);
  BOOST_TEST(outcome.complaint == "");
  for (std::uint32_t i = 0; i < outcome.out.size(); ++i)
    BOOST_TEST(outcome.out[i] == (i <= 3 ? 0x100 + 10 - 3 * i : 7), "thread " << i << ": " << outcome.out[i]);
}

// Odd lanes leave by a block of instructions that stands behind the kernel's end, as compilers place what is rare.
BOOST_AUTO_TEST_CASE(lanes_that_went_apart_meet_where_all_of_the_warp_must) {
  const Outcome outcome = run(kernel_of(std::string(kWait) + R"(
	and.b32 %r3, %r2, 1;
	setp.ne.s32 %p1, %r3, 0;
	@%p1 bra $rare;
	mov.u32 %r4, 100;
$meet:
	shfl.sync.bfly.b32 %r5|%p2, %r4, 1, 31, -1;
	st.global.u32 [%rd2], %r5;
	ret;
$rare:
	mov.u32 %r4, 200;
	bra.uni $meet;
)"));
  BOOST_TEST(outcome.complaint == "");
  for (std::uint32_t i = 0; i < outcome.out.size(); ++i)
    BOOST_TEST(outcome.out[i] == (i % 2 == 0 ? 200U : 100U), "thread " << i << ": " << outcome.out[i]);
}

BOOST_AUTO_TEST_CASE(copies_arrive_when_they_are_waited_for_and_not_before) {
  const std::string copy = std::string(kWait) + R"(
	mov.u32 %r3, llorch_sharedE;
	shl.b32 %r4, %r2, 4;
	add.s32 %r3, %r3, %r4;
	mov.u32 %r5, 41;
	st.shared.u32 [%r3], %r5;
	st.global.u32 [%rd2], %r2;
	cp.async.cg.shared.global [%r3], [%rd1+16], 16;
	cp.async.commit_group;
	cp.async.wait_group OPEN;
	ld.shared.u32 %r6, [%r3];
	cp.async.wait_group 0;
	st.global.u32 [%rd2], %r6;
)";
  for (const int open : {0, 1}) {
    std::string text = kernel_of(copy);
    text.replace(text.find("OPEN"), 4, std::to_string(open));
    const Outcome outcome = run(text);
    BOOST_TEST(outcome.complaint == "");
    for (const std::uint32_t value : outcome.out)
      BOOST_TEST((open == 0 ? value != 41U : value == 41U), open << " open: " << value);
  }
}

BOOST_AUTO_TEST_CASE(numbers_are_converted_by_the_rules_of_the_isa) {
  struct Case {
    std::string body;
    std::uint32_t expected;
  };
  const std::vector<Case> cases = {
      {"mov.f32 %f1, 0f477FF000; cvt.rn.f16.f32 %rs1, %f1; cvt.u32.u16 %r4, %rs1;", 0x7c00},  // 65520: infinity
      {"mov.f32 %f1, 0f477FEFFF; cvt.rn.f16.f32 %rs1, %f1; cvt.u32.u16 %r4, %rs1;", 0x7bff},
      {"mov.f32 %f1, 0f33000000; cvt.rn.f16.f32 %rs1, %f1; cvt.u32.u16 %r4, %rs1;", 0},  // 2^-25: to even
      {"mov.f32 %f1, 0f33000001; cvt.rn.f16.f32 %rs1, %f1; cvt.u32.u16 %r4, %rs1;", 1},
      {"mov.f32 %f1, 0fBF801000; cvt.rn.f16.f32 %rs1, %f1; cvt.u32.u16 %r4, %rs1;", 0xbc00},  // half a step: to even
      {"mov.u16 %rs1, 1; cvt.f32.f16 %f1, %rs1; mov.b32 %r4, %f1;", 0x33800000},
      {"mov.u32 %r3, 0x180; cvt.u16.u32 %rs1, %r3; cvt.s16.s8 %rs2, %rs1; cvt.u32.u16 %r4, %rs2;", 0xff80},
      {"mov.u32 %r3, 0x80000000; cvt.s64.s32 %rd3, %r3; shr.u64 %rd3, %rd3, 32; cvt.u32.u64 %r4, %rd3;", 0xffffffff},
      {"mov.u64 %rd3, 0x1ffffffff; cvt.s64.s32 %rd4, %rd3; cvt.u32.u64 %r4, %rd4;", 0xffffffff},
      {"mov.u32 %r3, 0x80112233; prmt.b32 %r4, %r3, %r2, 0xb210;", 0xff112233},  // the sign of byte 3
      {"mov.u32 %r3, 0x80; mov.u32 %r5, 2; dp4a.s32.s32 %r4, %r3, %r5, -1;", 0xfffffeff},
      {"mov.f32 %f1, 0fFFC00001; min.f32 %f2, %f1, %f1; mov.b32 %r4, %f2;", 0x7fffffff},  // the only NaN computed
      {"mov.pred %p1, -1; selp.b32 %r4, 1, 2, %p1;", 1},
      {"mov.u32 %r3, -7; shr.s32 %r4, %r3, 40;", 0xffffffff},
      {"mov.u32 %r3, 5; mov.u32 %r5, 0xff; bfi.b32 %r4, %r3, %r5, 4, 3;", 0xdf},
  };
  for (const Case& c : cases) {
    const Outcome outcome = run(kernel_of(kWait + c.body + " st.global.u32 [%rd2], %r4;"));
    BOOST_TEST(outcome.complaint == "", c.body);
    BOOST_TEST(outcome.out[5] == c.expected, c.body << " expected " << c.expected << ", found " << outcome.out[5]);
  }
}

BOOST_AUTO_TEST_CASE(what_a_kernel_may_not_touch_is_named_with_line_block_and_thread) {
  const std::string early = "st.global.u32 [%rd2], %r2;\n griddepcontrol.wait;";
  check_complaint(early, "PTX of a_kernel, line 22, block 0 0 0, thread ");  // of either warp
  check_complaint(early, ": touches memory before griddepcontrol.wait");
  check_complaint(std::string(kWait) + "st.global.u32 [%rd2+4], %r2;", "thread 63: address ");
  check_complaint(std::string(kWait) + "st.global.u32 [%rd2+2], %r2;", "is not aligned to 4 bytes");
  check_complaint(std::string(kWait) +
                      "mov.u32 %r3, llorch_sharedE; ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%r3+1008]; "
                      "ld.shared.u32 %r4, [%r3+1024];",
                  "shared memory has bytes 1024 to 2048, touched 2048");
  for (const char* at : {"+12", "+-4"})
    check_complaint(std::string(kWait) + "ld.param.u32 %r3, [a_kernel_param_0" + at + "];", "parameters have 12 bytes");
  check_complaint(std::string(kWait) + "ld.param.u32 %r3, [a_kernel_param_0+2];", "is not aligned to 4 bytes");
  check_complaint(std::string(kWait) + "mov.u32 %r3, 0; div.u32 %r4, %r2, %r3;", "divides by zero");
}

BOOST_AUTO_TEST_CASE(threads_that_do_not_come_together_are_named) {
  const std::string half = std::string(kWait) + "setp.gt.u32 %p1, %r2, 40;\n";
  check_complaint(half + "@%p1 bra $over; bar.warp.sync 0xffffffff;\n bar.sync 0;\n$over: bar.sync 0;",
                  "waits for others of its warp");
  check_complaint(half + "@%p1 ret;\n shfl.sync.idx.b32 %r3|%p2, %r2, 0, 31, -1;", "wants all lanes, some have ended");
  check_complaint(half + "@%p1 bar.sync 0;", "only some lanes want what all must do");
  check_complaint(std::string(kWait) + "setp.gt.u32 %p1, %r2, 31;\n@%p1 ret;\n bar.sync 0;",
                  "1 warps of 2 have ended, the others wait at the barrier of line ");
  check_complaint(
      std::string(kWait) + "setp.gt.u32 %p1, %r2, 31;\n@%p1 bra $other; bar.sync 0; ret;\n$other: bar.sync 0;",
      "waits at a barrier of the block, others at that of line ");
  check_complaint(std::string(kWait) + "bar.warp.sync 1;", "expected all lanes as members of a barrier");
  check_complaint(std::string(kWait) + "shfl.sync.idx.b32 %r3|%p2, %r2, 0, 31, 0xffff;",
                  "expected all lanes as members");
}

BOOST_AUTO_TEST_CASE(shared_memory_that_threads_touch_without_having_met_is_named) {
  // Each thread writes a word of its own, then reads that of the thread `distance` further.
  const auto neighbours = [](const std::string& between, int distance) {
    return std::string(kWait) + "mov.u32 %r3, llorch_sharedE; shl.b32 %r4, %r2, 2; add.s32 %r4, %r3, %r4;\n" +
           "st.shared.u32 [%r4], %r2;\n" + between + "\nxor.b32 %r5, %r2, " + std::to_string(distance) +
           "; shl.b32 %r5, %r5, 2; add.s32 %r5, %r3, %r5; ld.shared.u32 %r6, [%r5]; st.global.u32 [%rd2], %r6;\n";
  };
  const std::string of_warp = "bar.warp.sync 0xffffffff;", of_block = "bar.sync 0;";
  check_complaint(neighbours("", 1), "reads shared memory at ");
  check_complaint(neighbours("", 1), "which it has not met since");
  check_complaint(neighbours(of_warp, 32), ", which it has not met since");  // whoever comes first
  check_complaint(neighbours(of_warp, 1) + "st.shared.u32 [%r4], %r1;", " read, which it has not met since");
  check_complaint(neighbours(of_block, 32) + of_warp + "st.shared.u32 [%r4], %r1;", ", which it has not met since");
  for (const std::string& right : {neighbours(of_warp, 1), neighbours(of_block, 32),
                                   neighbours(of_block, 32) + of_block + "st.shared.u32 [%r4], %r1;",
                                   neighbours(of_warp, 1) + of_warp + "st.shared.u32 [%r4], %r1;", neighbours("", 0)})
    BOOST_TEST(run(kernel_of(right)).complaint == "", right);
  // A copy belongs to its thread until it has waited, and to others after a barrier.
  const std::string copy =
      std::string(kWait) +
      "mov.u32 %r3, llorch_sharedE; shl.b32 %r4, %r2, 4; add.s32 %r4, %r3, %r4;\n"
      "cp.async.cg.shared.global [%r4], [%rd1], 16; cp.async.commit_group; cp.async.wait_group 0;\n"
      "xor.b32 %r5, %r4, 16;";
  check_complaint(copy + "ld.shared.u32 %r6, [%r5];", " wrote, which it has not met since");
  BOOST_TEST(run(kernel_of(copy + of_warp + "ld.shared.u32 %r6, [%r5];")).complaint == "");
  std::string late = copy;  // a barrier before the copy has come does not make it visible to others
  late.insert(late.find("cp.async.wait_group"), of_block);
  check_complaint(late + "ld.shared.u32 %r6, [%r5];", ", which it has not met since");
}

BOOST_AUTO_TEST_CASE(a_kernel_that_ends_too_early_is_named) {
  check_complaint("add.s32 %r3, %r2, 1;", "ends without griddepcontrol.wait");
  check_complaint(std::string(kWait) +
                      "mov.u32 %r3, llorch_sharedE; shl.b32 %r4, %r2, 4; add.s32 %r4, %r3, %r4;\n"
                      "cp.async.cg.shared.global [%r4], [%rd1], 16;",
                  "ends before its copies to shared memory have come");
}

BOOST_AUTO_TEST_CASE(a_text_with_unknown_or_wrong_parts_is_refused_with_file_and_line) {
  check_complaint("sin.approx.f32 %f1, %f2;", "test.ptx, line 22: no instruction sin.approx.f32");
  check_complaint("add.s32 %rd1, %r2, %r3;", "add.s32: operand 0 has 8 bytes, expected 4");
  check_complaint("ld.shared.u64 %r2, [%r3];", "a register narrower than its element");
  check_complaint("ld.volatile.global.u32 %r2, [%rd1];", "ld with volatile");
  check_complaint("mov.u32 %r99, 1;", "register %r99 of 32");
  check_complaint("bra $nowhere;", "no label $nowhere");
  std::string small = kernel_of(kWait);
  small.replace(small.find("64, 1, 1"), 8, "32, 1, 1");
  BOOST_TEST(run(small).complaint == "PTX of a_kernel: a block of 64 threads, compiled for 32");
  check_complaint("call.uni somewhere, (%rd1);", "a call of somewhere");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::cuda::testing
