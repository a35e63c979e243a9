// K-37 to K-39: memory, life cycles and threads.
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "conformance/context.hpp"

#ifdef LLORCH_SANITIZED
#include <sanitizer/allocator_interface.h>
#endif

namespace llorch::conformance {
namespace {

/// What the operating system says about this process, in bytes.
struct Footprint {
  std::uint64_t touched = 0;   ///< anonymous memory that was written
  std::uint64_t reserved = 0;  ///< private memory that may be written
  std::uint64_t mapped = 0;    ///< addresses, whatever is behind them
  std::uint64_t heap = 0;      ///< handed out by malloc
  std::size_t threads = 0, files = 0;

  static Footprint now() {
    Footprint out;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("RssAnon:")) out.touched = std::stoull(line.substr(8)) * 1024;
      if (line.starts_with("VmData:")) out.reserved = std::stoull(line.substr(7)) * 1024;
      if (line.starts_with("VmSize:")) out.mapped = std::stoull(line.substr(7)) * 1024;
      if (line.starts_with("Threads:")) out.threads = std::stoul(line.substr(8));
    }
#ifdef LLORCH_SANITIZED
    out.heap = __sanitizer_get_current_allocated_bytes();
#else
    const struct mallinfo2 info = ::mallinfo2();
    out.heap = info.uordblks + info.hblkhd;
#endif
    std::error_code code;
    for (std::filesystem::directory_iterator it("/proc/self/fd", code), end; it != end; ++it)
      ++out.files;
    return out;
  }
};

std::uint64_t growth(std::uint64_t before, std::uint64_t after) {
  return after > before ? after - before : 0;
}

std::uint64_t estimate(Subject& subject, llorch_context_params params) {
  params.struct_size = sizeof params;
  params.kv_dtype_k = subject.target().kv_dtype_k;
  params.kv_dtype_v = subject.target().kv_dtype_v;
  const llorch_model_params model_params{sizeof model_params, 0};
  MemorySum sum;
  expect_ok(ask("estimate_memory",
                [&](llorch_error* error) {
                  return subject.api().estimate_memory(subject.handle(), &subject.source(), &model_params, &params,
                                                       &MemorySum::add, &sum, error);
                }),
            fmt::format("{} tokens, {} sequences", params.max_tokens, params.max_seqs));
  require(!sum.too_short, "estimate_memory reports structs whose struct_size does not reach `bytes`");
  return sum.bytes;
}

/// Touches everything: full batches of every sequence, until there is no room.
void fill(Subject& subject, Context& context, const llorch_context_params& params) {
  const auto per_sequence =
      static_cast<std::size_t>(std::min(params.max_tokens / params.max_seqs, subject.probe().max_positions));
  const auto ids = subject.ids(per_sequence);
  for (std::uint32_t seq = 0; seq < params.max_seqs; ++seq) {
    for (std::size_t begin = 0; begin < ids.size(); begin += params.max_batch_tokens) {
      const auto part =
          std::span(ids).subspan(begin, std::min<std::size_t>(params.max_batch_tokens, ids.size() - begin));
      expect(context.try_forward(rows_of(part, static_cast<std::int32_t>(begin), static_cast<std::int32_t>(seq))),
             {LLORCH_OK, LLORCH_NO_KV_SPACE}, "to fill the cache");
    }
  }
}

/// Is the first device one with memory of its own, which this process's pages do not show?
bool on_a_device(Subject& subject) {
  llorch_device device{};
  device.struct_size = sizeof device;
  const Answer answer = ask(
      "device_at", [&](llorch_error* error) { return subject.api().device_at(subject.handle(), 0, &device, error); });
  return answer.ok() && device.kind == LLORCH_DEVICE_GPU;
}

void estimates_its_memory(Subject& subject) {
#ifdef LLORCH_SANITIZED
  throw NotApplicable("a sanitizer's allocator takes more than the plugin asks for");
#endif
  constexpr double kTolerance = 0.05;
  constexpr std::uint64_t kSlack = 128 * 1024;  // heaps and stacks, which no plugin can know to the byte
  constexpr std::uint64_t kEnough = 6 << 20U;
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);  // pages of 4 KiB, so that what is touched is what is counted
  const llorch_model_info info = subject.probe();
  const bool several = subject.has(LLORCH_CAP_MULTI_SEQ);
  llorch_context_params params{};
  params.max_seqs = 1;
  params.max_batch_tokens = params.max_output_rows = std::min(32U, info.max_positions);
  params.max_tokens = std::min(info.max_positions, 512U);
  // A small model takes so little that the slack would hide everything: more sequences then.
  while (several && params.max_seqs < 256 && estimate(subject, params) < kEnough) {
    params.max_seqs *= 2;
    params.max_tokens *= 2;
  }
  const std::uint64_t estimated = estimate(subject, params);
  {  // first uses of libraries and allocators are not the model's
    const auto model = subject.make_model();
    llorch_context_params small{};
    small.max_tokens = 16;
    Context context(subject, *model, small);
    context.feed(subject.ids(4), 0);
  }
  ::malloc_trim(0);
  const Footprint before = Footprint::now();
  const auto model = subject.make_model();
  Context context(subject, *model, params);
  fill(subject, context, params);
  ::malloc_trim(0);  // buffers of the loading that malloc keeps are not the model's
  const Footprint after = Footprint::now();
  const std::uint64_t said = context.memory();
  const std::uint64_t touched = growth(before.touched, after.touched);
  // What was handed out and never written is taken as well; stacks of threads, which only have addresses, are not.
  const std::uint64_t taken = std::max(touched, growth(before.heap, after.heap));
  const auto most = [&](std::uint64_t bytes) {
    return static_cast<std::uint64_t>(static_cast<double>(bytes) * (1 + kTolerance)) + kSlack;
  };
  require(static_cast<double>(std::max(estimated, said)) <= 1.05 * static_cast<double>(std::min(estimated, said)),
          "estimate_memory says {} bytes, memory_usage {}", estimated, said);
  if (on_a_device(subject)) {
    subject.note =
        fmt::format("{:.2f} MiB estimated, {:.2f} MiB said to be taken; not measured: it is memory of a device",
                    static_cast<double>(estimated) / (1 << 20U), static_cast<double>(said) / (1 << 20U));
    return;
  }
  require(taken <= most(estimated), "estimate_memory says {} bytes, {} were taken", estimated, taken);
  require(estimated <= most(taken), "estimate_memory says {} bytes, only {} were taken", estimated, taken);
  subject.note = fmt::format("{:.2f} MiB estimated, {:.2f} MiB measured", static_cast<double>(estimated) / (1 << 20U),
                             static_cast<double>(taken) / (1 << 20U));
}

void leaves_nothing_behind(Subject& subject) {
  constexpr int kCycles = 100;
  [[maybe_unused]] constexpr std::uint64_t kReserved = 24 << 20U;
  const auto ids = subject.ids(4);
  const bool all = subject.target().generated;  // loading a real model a hundred times would take too long
  std::unique_ptr<Model> kept = all ? nullptr : subject.make_model();
  const auto cycle = [&] {
    const auto made = all ? subject.make_model() : nullptr;
    llorch_context_params params{};
    params.max_tokens = 32;
    params.n_threads = 2;
    Context context(subject, all ? *made : *kept, params);
    context.feed(ids, 0);
    (void)context.try_forward(std::vector<Row>{{-1, 4}});  // refusals may not leak either
    if (subject.has(LLORCH_CAP_KV_SAVE)) (void)context.state();
  };
  constexpr int kPart = kCycles / 5;
  constexpr std::uint64_t kHeap = kPart * 160;
  constexpr std::uint64_t kHeapInAll = 128 * 1024;                      // what grows seldom, and then by much
  [[maybe_unused]] constexpr std::uint64_t kMapped = kPart * 3 * 1024;  // less than a page a cycle
  for (int i = 0; i < kPart; ++i)
    cycle();
  const Footprint before = Footprint::now();
  // The allocator's own arenas and stacks, and small buffers that grow once, come now and then; what is lost in each
  // cycle comes in every part: the smallest growth counts.
  std::uint64_t least_heap = ~std::uint64_t{0};
  std::uint64_t least_mapped = ~std::uint64_t{0};
  Footprint last = before;
  for (int i = 1; i <= kCycles; ++i) {
    cycle();
    if (i % kPart != 0) continue;
    const Footprint now = Footprint::now();
    least_heap = std::min(least_heap, growth(last.heap, now.heap));
    least_mapped = std::min(least_mapped, growth(last.mapped, now.mapped));
    last = now;
  }
  const std::string what = all ? "models and contexts" : "contexts";
  require(least_heap <= kHeap, "at least {} more bytes of the heap are in use after each {} {}", least_heap, kPart,
          what);
  require(growth(before.heap, last.heap) <= kHeapInAll, "{} more bytes of the heap are in use after {} {}",
          growth(before.heap, last.heap), kCycles, what);
#ifndef LLORCH_SANITIZED  // whose allocator keeps what was freed
  require(growth(before.reserved, last.reserved) <= kReserved, "{} more bytes are mapped after {} {}",
          growth(before.reserved, last.reserved), kCycles, what);
  require(least_mapped <= kMapped, "at least {} more bytes are mapped after each {} {}", least_mapped, kPart, what);
#endif
  require(last.threads <= before.threads, "{} threads, {} before {} {}", last.threads, before.threads, kCycles, what);
  require(last.files <= before.files, "{} open files, {} before {} {}", last.files, before.files, kCycles, what);
}

void runs_contexts_at_once(Subject& subject) {
  constexpr std::size_t kThreads = 4;
  constexpr int kRounds = 8;
  const auto length = static_cast<std::size_t>(subject.length());
  std::vector<std::vector<std::int32_t>> prompts;
  std::vector<Logits> expected;
  for (std::uint32_t i = 0; i < kThreads; ++i) {
    prompts.push_back(subject.ids(length, i));
    expected.push_back(alone(subject, prompts.back()));
  }
  std::vector<std::exception_ptr> failures(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      try {
        for (int round = 0; round < kRounds; ++round) {
          Context context(subject, static_cast<std::uint32_t>(length), 1, 1 + static_cast<std::uint32_t>(i % 2));
          require_same(subject, context.feed(prompts[i], 0, 0, 5), expected[i],
                       "a context beside others against the same alone");
        }
      } catch (...) {
        failures[i] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace

std::span<const Rule> resource_rules() {
  static constexpr Rule kRules[] = {
      {"K-37", "memory is what estimate_memory said, within 5 %",
       "The host can say whether a model fits before it loads.", Stage::kRunning, &estimates_its_memory},
      {"K-38", "a hundred models and contexts leave nothing behind", "A worker runs for months.", Stage::kRunning,
       &leaves_nothing_behind},
      {"K-39", "contexts of one model work at the same time", "Models are shared; contexts have nothing in common.",
       Stage::kRunning, &runs_contexts_at_once},
  };
  return kRules;
}

}  // namespace llorch::conformance
