// Coming and going: memory that returns, two copies of a plugin in one process, more than there is.
#include <unistd.h>

#include "suites.hpp"

namespace llorch::gpu_check {
namespace {

const std::vector<std::int32_t> kPrompt{1, 434, 461, 261, 409};

std::uint64_t free_bytes(const Plugin& plugin) {
  std::string why;
  const auto devices = plugin.devices(why);
  return devices.empty() ? 0 : devices[0].mem_free;
}

}  // namespace

void check_life(const Subject& subject, Report& report) {
  const auto source = open_gguf(subject.root / "models/tiny-llama2.gguf");
  report.run("life", "created and destroyed again and again", [&] {
    const int times = subject.quick ? 3 : 100;
    const auto once = [&] {
      const Model model(subject.plugin, *source);
      Context context(model, {128, 1, 64});
      (void)context.forward(rows_of(kPrompt, 0, 0, false));
      (void)context.forward({{5, 5, 0, true}});
    };
    once();
    const std::uint64_t before = free_bytes(subject.plugin);
    for (int i = 0; i < times; ++i)
      once();
    const std::uint64_t after = free_bytes(subject.plugin);
    require(after >= before, std::to_string(before - after) + " bytes of device memory did not come back");
    return std::to_string(times) + " times" +
           (before == 0 ? ", the plugin does not say what is free" : ", " + std::to_string(before) + " bytes free");
  });
  report.run("life", "two copies of the plugin in one process", [&] {
    // A file of another name is another object for the loader, with a CUDA runtime of its own.
    const std::filesystem::path copy =
        std::filesystem::temp_directory_path() / ("llorch_copy_" + std::to_string(getpid()) + ".so");
    std::filesystem::copy_file(subject.plugin.path(), copy, std::filesystem::copy_options::overwrite_existing);
    std::string logits;
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
