// K-01 to K-11: the file, the two symbols, the table, and whether the model runs at all.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cfenv>
#include <clocale>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include "conformance/context.hpp"
#include "conformance/model_source.hpp"
#include "plugin/elf_file.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program

namespace llorch::conformance {
namespace {

constexpr std::array<std::string_view, 2> kSymbols = {"llorch_plugin_open", "llorch_plugin_query"};

plugin::ElfFile elf_of(const Subject& subject) {
  auto elf = plugin::read_elf_file(subject.target().plugin);
  if (!elf) broken("{}", elf.error().message);
  return std::move(*elf);
}

bool is_of_a_sanitizer([[maybe_unused]] std::string_view symbol) {
#ifdef LLORCH_SANITIZED
  for (const std::string_view prefix : {"__asan_", "__ubsan_", "__tsan_", "__sanitizer_", "__lsan_"})
    if (symbol.starts_with(prefix)) return true;
#endif
  return false;
}

void exports(Subject& subject) {
  const auto elf = elf_of(subject);
  if (!elf.exported) throw NotApplicable("the file has no section table to tell from");
  for (const std::string& name : *elf.exported) {
    require(std::find(kSymbols.begin(), kSymbols.end(), name) != kSymbols.end(),
            "symbol {} is visible: expected llorch_plugin_query and llorch_plugin_open alone", name);
  }
  for (const std::string_view name : kSymbols) {
    require(std::find(elf.exported->begin(), elf.exported->end(), name) != elf.exported->end(),
            "symbol {} is missing or not visible", name);
  }
}

void loads(Subject& subject) {
  (void)subject.query();
  (void)subject.open();
  for (const std::string& name : elf_of(subject).undefined) {
    if (is_of_a_sanitizer(name)) continue;
    require(::dlsym(subject.library(), name.c_str()) != nullptr,
            "symbol {} is undefined and comes from none of the libraries that the plugin links", name);
  }
}

void stays_loaded(Subject& subject) {
  const std::string path = std::filesystem::absolute(subject.target().plugin).string();
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  require(handle != nullptr, "it does not load");
  ::dlclose(handle);
  require(::dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD) != nullptr,
          "it was unloaded by dlclose: link it with -z nodelete");
}

void query_is_valid(Subject& subject) {
  const llorch_plugin_info first = subject.info();
  const llorch_plugin_info second = subject.info();
  require(std::memcmp(&first, &second, sizeof first) == 0, "llorch_plugin_query gave two different answers");
  const auto terminated = [](const char* text, std::size_t size) { return std::memchr(text, 0, size) != nullptr; };
  require(terminated(first.id, sizeof first.id) && terminated(first.version, sizeof first.version) &&
              terminated(first.build, sizeof first.build) &&
              terminated(first.architectures, sizeof first.architectures),
          "a text of llorch_plugin_info is not NUL-terminated");
  require(first.id[0] != '\0' && first.version[0] != '\0', "id \"{}\" and version \"{}\": neither may be empty",
          first.id, first.version);
  require(first.abi_min >= 1 && first.abi_min <= first.abi_max, "abi_min {} and abi_max {} are no range", first.abi_min,
          first.abi_max);
  require(first.abi_min <= LLORCH_ABI_VERSION && first.abi_max >= LLORCH_ABI_VERSION,
          "it speaks ABI versions {} to {}, this host speaks {}", first.abi_min, first.abi_max, LLORCH_ABI_VERSION);
  require(first.struct_size == sizeof first, "struct_size was changed to {}", first.struct_size);
}

/// What a library may not touch when it is loaded and asked who it is.
struct ProcessState {
  std::set<std::string> environment, files;
  std::size_t threads = 0;
  std::string directory, locale;
  int rounding = 0;
  std::array<void (*)(int), 32> handlers{};

  static ProcessState now() {
    ProcessState out;
    for (char** entry = environ; *entry != nullptr; ++entry)
      out.environment.insert(*entry);
    std::error_code code;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", code)) {
      const auto target = std::filesystem::read_symlink(entry.path(), code).string();
      if (target.find("/proc/") == std::string::npos) out.files.insert(entry.path().filename().string() + " " + target);
    }
    for (std::filesystem::directory_iterator it("/proc/self/task", code), end; it != end; ++it)
      ++out.threads;
    out.directory = std::filesystem::current_path(code).string();
    out.locale = std::setlocale(LC_ALL, nullptr);
    out.rounding = std::fegetround();
    for (int signal = 1; signal < 32; ++signal) {
      struct sigaction action {};
      if (::sigaction(signal, nullptr, &action) == 0)
        out.handlers[static_cast<std::size_t>(signal)] = action.sa_handler;
    }
    return out;
  }
};

void has_no_side_effects(Subject& subject) {
  const ProcessState before = ProcessState::now();
  (void)subject.info();
  const ProcessState after = ProcessState::now();
  for (const std::string& entry : after.environment) {
    require(before.environment.contains(entry), "the environment was changed: {}", entry);
  }
  require(after.environment.size() == before.environment.size(), "a variable of the environment was removed");
  require(after.threads == before.threads, "{} threads were started", after.threads - before.threads);
  for (const std::string& file : after.files)
    require(before.files.contains(file), "a file was left open: {}", file);
  require(after.directory == before.directory, "the working directory became {}", after.directory);
  require(after.locale == before.locale, "the locale became {}", after.locale);
  require(after.rounding == before.rounding, "the rounding mode of floating point was changed");
  for (std::size_t signal = 1; signal < after.handlers.size(); ++signal) {
    require(after.handlers[signal] == before.handlers[signal], "signal {} got another handler", signal);
  }
}

void refuses_versions(Subject& subject) {
  const llorch_plugin_info info = subject.info();
  for (const std::uint32_t version : {0U, info.abi_max + 1, 0xFFFFFFFFU}) {
    llorch_plugin* opened = nullptr;
    const llorch_plugin_api* table = nullptr;
    const Answer answer = ask("llorch_plugin_open", [&](llorch_error* error) {
      return subject.open()(version, subject.services().table(), &opened, &table, error);
    });
    expect(answer, {LLORCH_UNSUPPORTED}, fmt::format("version {}", version));
    require(opened == nullptr && table == nullptr, "llorch_plugin_open, version {}: refused, but out or api is set",
            version);
  }
}

void gives_a_whole_table(Subject& subject) {
  const llorch_plugin_api& api = subject.api();
  require(api.struct_size >= LLORCH_END(llorch_plugin_api, memory_usage), "the table has {} bytes, version 1 has {}",
          api.struct_size, LLORCH_END(llorch_plugin_api, memory_usage));
  require(api.abi_version == LLORCH_ABI_VERSION, "the table is of version {}, asked for was {}", api.abi_version,
          LLORCH_ABI_VERSION);
  // Functions from close to memory_usage, one pointer each.
  const std::size_t begin = offsetof(llorch_plugin_api, close);
  for (std::size_t at = begin; at < LLORCH_END(llorch_plugin_api, memory_usage); at += sizeof(void*)) {
    const void* function = nullptr;
    std::memcpy(&function, reinterpret_cast<const unsigned char*>(&api) + at, sizeof function);
    require(function != nullptr, "function {} of the table is NULL; what a plugin cannot do answers UNSUPPORTED",
            (at - begin) / sizeof(void*) + 1);
  }
  llorch_plugin* second = nullptr;
  const llorch_plugin_api* table = nullptr;
  expect_ok(ask("llorch_plugin_open",
                [&](llorch_error* error) {
                  return subject.open()(LLORCH_ABI_VERSION, subject.services().table(), &second, &table, error);
                }),
            "a second time in one process");
  require(second != nullptr && table != nullptr, "the second llorch_plugin_open gave no handle");
  table->close(second);
  api.model_destroy(nullptr);
  api.context_destroy(nullptr);
}

void names_its_devices(Subject& subject) {
  constexpr std::uint32_t kMost = 64;
  const llorch_plugin_api& api = subject.api();
  std::uint32_t count = 0;
  std::string why_none;
  for (; count <= kMost; ++count) {
    llorch_device device{};
    device.struct_size = sizeof device;
    const Answer answer =
        ask("device_at", [&](llorch_error* error) { return api.device_at(subject.handle(), count, &device, error); });
    expect(answer, {LLORCH_OK, LLORCH_NOT_FOUND}, fmt::format("index {}", count));
    why_none = answer.message;
    if (!answer.ok()) break;
    require(std::memchr(device.id, 0, sizeof device.id) != nullptr && device.id[0] != '\0' &&
                std::memchr(device.name, 0, sizeof device.name) != nullptr,
            "device {}: id or name is empty or not terminated", count);
  }
  require(count <= kMost, "device_at: expected 1 to {} devices and then NOT_FOUND, found more", kMost);
  llorch_device beyond{};
  beyond.struct_size = sizeof beyond;
  const auto status = plugin::at_boundary("the plugin", "device_at",
                                          [&] { return api.device_at(subject.handle(), count, &beyond, nullptr); });
  require(status && *status == LLORCH_NOT_FOUND, "device_at without an error buffer: expected NOT_FOUND");
  require(api.get_extension(subject.handle(), "conformance.no_such_extension/1") == nullptr,
          "get_extension gives a table for an id that nobody defined");
  if (count == 0) throw NotApplicable("no device here: " + why_none);
}

void answers_within_the_size(Subject& subject) {
  for (const std::size_t size : {4UL, 8UL, 16UL, 79UL, 80UL, 100UL, sizeof(llorch_plugin_info) + 64}) {
    Poisoned<llorch_plugin_info> info(size);
    const auto status =
        plugin::at_boundary("the plugin", "llorch_plugin_query", [&] { return subject.query()(info.get()); });
    require(status && *status == LLORCH_OK, "llorch_plugin_query with struct_size {}: expected OK", size);
    require(info.untouched_from(std::min(size, sizeof(llorch_plugin_info))),
            "llorch_plugin_query wrote behind the end of an info of {} bytes", size);
    require(info.get()->struct_size == size, "llorch_plugin_query changed struct_size {} to {}", size,
            info.get()->struct_size);
  }
  const llorch_plugin_api& api = subject.api();
  for (const std::size_t size : {8UL, 24UL, 60UL, sizeof(llorch_device) + 64}) {
    Poisoned<llorch_device> device(size);
    expect(
        ask("device_at", [&](llorch_error* error) { return api.device_at(subject.handle(), 0, device.get(), error); }),
        {LLORCH_OK, LLORCH_NOT_FOUND}, fmt::format("struct_size {}", size));
    require(device.untouched_from(std::min(size, sizeof(llorch_device))),
            "device_at wrote behind the end of a device of {} bytes", size);
  }
  for (const std::size_t size : {4UL, 8UL, 9UL, 20UL, sizeof(llorch_error), sizeof(llorch_error) + 64}) {
    Poisoned<llorch_error> error(size);
    llorch_device device{};
    device.struct_size = sizeof device;
    (void)api.device_at(subject.handle(), 0xFFFF, &device, error.get());
    require(error.untouched_from(std::min(size, sizeof(llorch_error))),
            "device_at wrote behind the end of an error of {} bytes", size);
  }
}

void accepts_the_model(Subject& subject) {
  const llorch_model_info info = subject.probe();
  require(info.vocab_size >= 1 && info.n_layers >= 1 && info.max_positions >= 1 && info.kv_block_tokens >= 1,
          "vocab_size {}, n_layers {}, max_positions {}, kv_block_tokens {}: each must be at least 1", info.vocab_size,
          info.n_layers, info.max_positions, info.kv_block_tokens);
  const std::uint64_t promised = subject.info().caps;
  require((promised & ~info.caps) == 0,
          "llorch_plugin_query promises capabilities {:#x} for every model, this one has {:#x}", promised, info.caps);
  FaultySource watched(subject.source());
  watched.without_data = true;
  llorch_model_info again{};
  expect_ok(subject.try_probe(watched.source(), again), "a source without mapped data");
  require(std::memcmp(&again, &info, sizeof info) == 0, "model_probe gave two different answers for one model");
  constexpr std::uint64_t kNextToNothing = 4096;
  require(watched.bytes_read() <= kNextToNothing, "model_probe read {} bytes of weights: it must read none",
          watched.bytes_read());
  subject.note =
      fmt::format("vocabulary {}, {} layers, {} positions", info.vocab_size, info.n_layers, info.max_positions);
}

void runs_the_model(Subject& subject) {
  const auto ids = subject.ids(static_cast<std::size_t>(subject.length()));
  Context context(subject, static_cast<std::uint32_t>(ids.size()));
  context.require_range(0, -1, -1, "of a new context");
  const Logits logits = context.feed(ids, 0);
  for (std::size_t row = 0; row < logits.size(); ++row) {
    for (const float x : logits[row])
      require(std::isfinite(x), "row {} of the logits holds {}", row, x);
  }
  context.require_range(0, 0, subject.length() - 1, "after a forward");
  const llorch_kv_usage usage = context.usage();
  require(usage.n_seqs == 1 && usage.used_tokens >= ids.size(),
          "kv_usage says {} tokens in {} sequences, {} tokens in 1 are held", usage.used_tokens, usage.n_seqs,
          ids.size());
}

}  // namespace

std::span<const Rule> library_rules() {
  static constexpr Rule kRules[] = {
      {"K-01", "shows its two symbols and nothing else",
       "Plugins that link different versions of one library do not meet.", Stage::kFile, &exports},
      {"K-02", "loads, and everything undefined comes from libraries it links",
       "It runs in any host, not only in one that happens to have a symbol.", Stage::kFile, &loads, Stage::kLoaded},
      {"K-03", "stays loaded when it is closed",
       "Thread-local destructors and exit handlers of its libraries still have their code.", Stage::kLoaded,
       &stays_loaded},
      {"K-04", "query says valid things, twice the same", "Listings and the choice of a plugin can rest on it.",
       Stage::kLoaded, &query_is_valid},
      {"K-05", "loading and query have no side effects",
       "A host may look at every plugin of a directory: no threads, files, signals, environment.", Stage::kLoaded,
       &has_no_side_effects},
      {"K-06", "open refuses ABI versions it does not speak", "A later host does not get a table of another layout.",
       Stage::kLoaded, &refuses_versions},
      {"K-07", "open gives a whole table, more than once", "The host calls without asking whether a function exists.",
       Stage::kLoaded, &gives_a_whole_table, Stage::kOpened},
      {"K-08", "devices are numbered from 0 and end with NOT_FOUND; unknown extensions are NULL",
       "The host can list devices and ask for what later versions add.", Stage::kOpened, &names_its_devices,
       Stage::kProbed},
      {"K-09", "answers about plugin, device and error stay within struct_size",
       "An older host with shorter structs keeps its memory.", Stage::kOpened, &answers_within_the_size},
      {"K-10", "model_probe accepts the model, reads no weights and says the same twice",
       "The host can choose a plugin without loading the model.", Stage::kModel, &accepts_the_model, Stage::kProbed},
      {"K-11", "a first forward gives finite logits and fills the cache", "The model runs at all.", Stage::kProbed,
       &runs_the_model, Stage::kRunning},
  };
  return kRules;
}

}  // namespace llorch::conformance
