// Coming and going: memory that returns, two copies of a plugin in one process, more than there is.
#include <unistd.h>

#include "driver.hpp"
#include "suites.hpp"

namespace llorch::gpu_check {
namespace {

const std::vector<std::int32_t> kPrompt{1, 434, 461, 261, 409};
constexpr int kWarmUp = 3;
/// The driver gives memory to a process in pieces of this size.
constexpr std::uint64_t kGranule = std::uint64_t{2} << 20U;

/// A model and a context come and go `times` times; free device memory before and after is compared in a case of its
/// own, which is skipped where nobody can say what is free.
void check_coming_and_going(const Subject& subject, const ModelSource& source, Report& report) {
  const int times = subject.quick ? 3 : 100;
  std::string why;
  const auto memory = DeviceMemory::of(subject.plugin, why);
  std::uint64_t before = 0, after = 0;
  bool done = false;
  report.run("life", "created and destroyed again and again", [&] {
    const auto once = [&] {
      const Model model(subject.plugin, source);
      Context context(model, {128, 1, 64});
      (void)context.forward(rows_of(kPrompt, 0, 0, false));
      (void)context.forward({{5, 5, 0, true}});
    };
    // What CUDA keeps for itself is loaded when it is first used.
    for (int i = 0; i < kWarmUp; ++i)
      once();
    if (memory != nullptr) before = memory->free_bytes();
    for (int i = 0; i < times; ++i)
      once();
    if (memory != nullptr) after = memory->free_bytes();
    done = true;
    return std::to_string(times) + " times";
  });
  report.run("life", "device memory is flat meanwhile", [&]() -> std::string {
    if (memory == nullptr) throw Report::Skip{"not measured: " + why};
    require(done, "not every one of them came and went");
    const std::string found = std::to_string(before) + " bytes free before, " + std::to_string(after) + " after " +
                              std::to_string(times) + " times";
    require(before > 0, "the driver says that nothing is free");
    require(after + kGranule >= before, found + ": at most " + std::to_string(kGranule) + " may be missing");
    return found;
  });
}

}  // namespace

void check_life(const Subject& subject, Report& report) {
  const auto source = open_gguf(subject.root / "models/tiny-llama2.gguf");
  check_coming_and_going(subject, *source, report);
  report.run("life", "two copies of the plugin in one process", [&] {
    // A file of another name is another object for the loader, with a CUDA runtime of its own.
    const std::filesystem::path copy =
        std::filesystem::temp_directory_path() / ("llorch_copy_" + std::to_string(getpid()) + ".so");
    std::filesystem::copy_file(subject.plugin.path(), copy, std::filesystem::copy_options::overwrite_existing);
    try {
      const Plugin second(copy.string());
      const Model a(subject.plugin, *source), b(second, *source);
      Context first(a, {128, 1, 64}), other(b, {128, 1, 64});
      require(first.forward(rows_of(kPrompt, 0, 0, true)) == other.forward(rows_of(kPrompt, 0, 0, true)),
              "the copies give other bytes");
    } catch (...) {
      std::filesystem::remove(copy);
      throw;
    }
    std::filesystem::remove(copy);
    return std::string("same bytes");
  });
  report.run("life", "a context that does not fit is refused with numbers", [&] {
    const Model model(subject.plugin, *source);
    try {
      const Context context(model, {2'000'000'000, 1, 64});
    } catch (const Refused& refused) {
      require(refused.status == LLORCH_OUT_OF_MEMORY || refused.status == LLORCH_INVALID_ARGUMENT, refused.what());
      return std::string(refused.what());
    }
    throw std::runtime_error("a cache of 2000000000 tokens was taken");
  });
}

}  // namespace llorch::gpu_check
