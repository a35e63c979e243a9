// What a plugin built with llorch_add_plugin() shows to its neighbours, and what it needs from them.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "plugin/elf_file.hpp"

namespace fs = std::filesystem;

namespace {

/// Every plugin of the build: the real ones and the template.
std::vector<fs::path> built_plugins() {
  std::vector<fs::path> out;
  for (const char* folder : {"lib/llorch/plugins", "lib/llorch/examples"}) {
    std::error_code code;
    for (fs::directory_iterator it(fs::path(LLORCH_BINARY_DIR) / folder, code), end; !code && it != end; ++it) {
      if (it->path().extension() == ".so") out.push_back(it->path());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// A sanitizer's runtime lives in the executable; only a sanitized build asks for it.
bool is_of_a_sanitizer(const std::string& symbol) {
  if (std::string(LLORCH_SANITIZED) != "yes") return false;
  return std::ranges::any_of(std::array{"__asan_", "__ubsan_", "__tsan_", "__sanitizer_", "__lsan_"},
                             [&](const char* prefix) { return symbol.starts_with(prefix); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(symbols)

BOOST_AUTO_TEST_CASE(there_are_plugins_to_look_at) {
  BOOST_TEST(!built_plugins().empty());
}

BOOST_DATA_TEST_CASE(a_plugin_shows_its_two_symbols_and_nothing_else, boost::unit_test::data::make(built_plugins())) {
  const auto elf = llorch::plugin::read_elf_file(sample);
  BOOST_REQUIRE_MESSAGE(elf, elf.error().message);
  BOOST_REQUIRE(elf->exported.has_value());
  std::vector<std::string> exported = *elf->exported;
  std::sort(exported.begin(), exported.end());
  const std::vector<std::string> expected{"llorch_plugin_open", "llorch_plugin_query"};
  BOOST_TEST(exported == expected, boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(a_plugin_brings_or_links_everything_it_needs, boost::unit_test::data::make(built_plugins())) {
  // With RTLD_NOW and no help from this executable's own symbols: all undefined ones come from the libraries it links.
  void* handle = ::dlopen(sample.c_str(), RTLD_NOW | RTLD_LOCAL);
  BOOST_REQUIRE_MESSAGE(handle != nullptr, ::dlerror());
  const auto elf = llorch::plugin::read_elf_file(sample);
  BOOST_REQUIRE(elf.has_value());
  for (const std::string& name : elf->undefined) {
    if (is_of_a_sanitizer(name)) continue;
    void* address = ::dlsym(handle, name.c_str());
    Dl_info where{};
    const bool found = address != nullptr && ::dladdr(address, &where) != 0;
    BOOST_TEST(found, name << " is nowhere");
    if (!found || std::string(LLORCH_SANITIZED) == "yes") continue;
    BOOST_TEST(std::string(where.dli_fname).find(".so") != std::string::npos,
               name << " comes from " << where.dli_fname << ", not from a library");
  }
}

BOOST_DATA_TEST_CASE(a_plugin_stays_loaded_when_it_is_closed, boost::unit_test::data::make(built_plugins())) {
  void* handle = ::dlopen(sample.c_str(), RTLD_NOW | RTLD_LOCAL);
  BOOST_REQUIRE_MESSAGE(handle != nullptr, ::dlerror());
  ::dlclose(handle);
  BOOST_TEST(::dlopen(sample.c_str(), RTLD_NOW | RTLD_NOLOAD) != nullptr,
             sample << " was unloaded: -z nodelete is missing");
}

BOOST_AUTO_TEST_SUITE_END()
