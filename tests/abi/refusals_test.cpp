// What is no plugin is refused with a message that names the file and the reason, before anything of it runs.
#include <elf.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "plugin/plugin.hpp"
#include "support/temporary_directory.hpp"

namespace fs = std::filesystem;
using llorch::plugin::Plugin;
using llorch::testing::TemporaryDirectory;

namespace {

const fs::path test_plugins = fs::path(LLORCH_BINARY_DIR) / "lib/llorch/test_plugins";
const fs::path template_plugin = fs::path(LLORCH_BINARY_DIR) / "lib/llorch/examples/bag_of_words.so";

/// Loading must fail, and the message must name the file and hold every one of `parts`.
void check_refused(const fs::path& file, std::initializer_list<std::string_view> parts) {
  const auto loaded = Plugin::load(file);
  BOOST_REQUIRE_MESSAGE(!loaded, file << " was loaded");
  const std::string& message = loaded.error().message;
  BOOST_TEST_MESSAGE(message);
  BOOST_TEST(message.find(file.stem().string()) != std::string::npos, "no file name in: " << message);
  for (const std::string_view part : parts) {
    BOOST_TEST(message.find(part) != std::string::npos, "expected \"" << part << "\" in: " << message);
  }
}

std::string read(const fs::path& file) {
  std::ostringstream out;
  out << std::ifstream(file, std::ios::binary).rdbuf();
  return out.str();
}

std::string elf_header(std::uint16_t machine, std::uint16_t type = ET_DYN, unsigned char elf_class = ELFCLASS64) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = elf_class;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = type;
  header.e_machine = machine;
  header.e_phentsize = sizeof(Elf64_Phdr);
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

constexpr std::uint16_t kOtherMachine =
#if defined(__aarch64__)
    EM_X86_64;
constexpr std::uint16_t kThisMachine = EM_AARCH64;
const char* const other_name = "x86-64";
#else
    EM_AARCH64;
constexpr std::uint16_t kThisMachine = EM_X86_64;
const char* const other_name = "aarch64";
#endif

}  // namespace

BOOST_AUTO_TEST_SUITE(refusals)

BOOST_AUTO_TEST_CASE(a_missing_file_is_named) {
  check_refused("nowhere/ghost.so", {"nowhere/ghost.so", "No such file"});
}

BOOST_AUTO_TEST_CASE(a_text_file_is_called_a_text_file) {
  const TemporaryDirectory dir;
  check_refused(dir.write("notes.so", "just words\nno code\n"), {"not a shared object", "a text file"});
}

BOOST_AUTO_TEST_CASE(an_empty_file_and_a_model_file_are_called_what_they_are) {
  const TemporaryDirectory dir;
  check_refused(dir.write("empty.so", ""), {"not a shared object", "an empty file"});
  check_refused(dir.write("model.so", std::string("GGUF\3\0\0\0", 8)), {"a GGUF model file"});
}

BOOST_AUTO_TEST_CASE(a_shared_object_of_another_machine_names_both_machines) {
  const TemporaryDirectory dir;
  check_refused(dir.write("foreign.so", elf_header(kOtherMachine)),
                {std::string("built for ") + other_name, "this host is"});
  check_refused(dir.write("strange.so", elf_header(0x1234)), {"built for machine 0x1234"});
}

BOOST_AUTO_TEST_CASE(a_32_bit_object_is_refused) {
  const TemporaryDirectory dir;
  check_refused(dir.write("small.so", elf_header(EM_386, ET_DYN, ELFCLASS32)), {"32-bit", "64-bit"});
}

BOOST_AUTO_TEST_CASE(an_object_file_is_not_a_shared_object) {
  const TemporaryDirectory dir;
  check_refused(dir.write("object.so", elf_header(kThisMachine, ET_REL)), {"not a shared object", "ELF type 1"});
}

BOOST_AUTO_TEST_CASE(a_truncated_object_is_refused_at_every_length) {
  const TemporaryDirectory dir;
  const std::string whole = read(template_plugin);
  BOOST_REQUIRE_GT(whole.size(), 4096U);
  // Every length within the headers, then steps, and the last byte, though loading needs no section headers.
  std::vector<std::size_t> sizes = {whole.size() - 1};
  for (std::size_t size = 0; size < whole.size(); size += size < 1024 ? 13 : 1009)
    sizes.push_back(size);
  for (const std::size_t size : sizes) {
    const auto loaded = Plugin::load(dir.write("cut" + std::to_string(size) + ".so", whole.substr(0, size)));
    BOOST_REQUIRE_MESSAGE(!loaded, "loaded after " << size << " of " << whole.size() << " bytes");
    BOOST_TEST(loaded.error().message.find("cut" + std::to_string(size)) != std::string::npos, loaded.error().message);
  }
}

BOOST_AUTO_TEST_CASE(a_directory_and_a_pipe_are_not_regular_files) {
  const TemporaryDirectory dir;
  fs::create_directory(dir.path() / "folder.so");
  check_refused(dir.path() / "folder.so", {"regular file", "a directory"});
  BOOST_REQUIRE_EQUAL(::mkfifo((dir.path() / "pipe.so").c_str(), 0600), 0);
  check_refused(dir.path() / "pipe.so", {"regular file", "pipe"});
}

BOOST_AUTO_TEST_CASE(a_world_writable_file_is_refused_with_its_mode) {
  const TemporaryDirectory dir;
  fs::copy_file(template_plugin, dir.path() / "open.so");
  fs::permissions(dir.path() / "open.so", fs::perms(0777));
  check_refused(dir.path() / "open.so", {"everyone may write", "0777"});
  fs::permissions(dir.path() / "open.so", fs::perms(0755));
  BOOST_TEST(Plugin::load(dir.path() / "open.so").has_value());
}

BOOST_AUTO_TEST_CASE(a_file_in_a_world_writable_directory_is_refused) {
  const TemporaryDirectory dir;
  fs::copy_file(template_plugin, dir.path() / "open.so");
  fs::permissions(dir.path(), fs::perms(0777));
  check_refused(dir.path() / "open.so", {"everyone may write its directory", "0777"});
}

BOOST_AUTO_TEST_CASE(a_missing_symbol_is_named_and_nothing_has_run) {
  ::unsetenv("LLORCH_TEST_PLUGIN_RAN");
  check_refused(test_plugins / "variant_no_query.so", {"llorch_plugin_query", "missing"});
  check_refused(test_plugins / "variant_no_open.so", {"llorch_plugin_open", "missing"});
  BOOST_TEST(std::getenv("LLORCH_TEST_PLUGIN_RAN") == nullptr);
}

BOOST_AUTO_TEST_CASE(another_library_is_not_a_plugin) {
  // Any system library will do: it is whole and loadable, and has none of the two symbols.
  const TemporaryDirectory dir;
  std::ifstream maps("/proc/self/maps");
  std::string line;
  fs::path library;
  while (std::getline(maps, line)) {
    const auto slash = line.find('/');
    if (slash != std::string::npos && line.find("libstdc++") != std::string::npos) library = line.substr(slash);
  }
  BOOST_REQUIRE(!library.empty());
  fs::copy_file(library, dir.path() / "other.so");
  check_refused(dir.path() / "other.so", {"llorch_plugin_query", "missing"});
}

BOOST_AUTO_TEST_CASE(abi_versions_that_do_not_meet_are_both_named) {
  check_refused(test_plugins / "variant_future_abi.so",
                {"from_the_future", "ABI versions 2 to 3", "this host speaks 1"});
  check_refused(test_plugins / "variant_inverted_abi.so", {"ABI versions 3 to 1"});
}

BOOST_AUTO_TEST_CASE(a_query_that_fails_throws_or_says_nothing_is_refused) {
  check_refused(test_plugins / "variant_query_throws.so", {"llorch_plugin_query threw", "query broke"});
  check_refused(test_plugins / "variant_query_fails.so", {"DEVICE_ERROR"});
  check_refused(test_plugins / "variant_empty_id.so", {"empty id"});
}

BOOST_AUTO_TEST_CASE(an_open_that_throws_or_gives_nothing_is_refused) {
  check_refused(test_plugins / "variant_open_throws.so", {"llorch_plugin_open threw", "open broke"});
  check_refused(test_plugins / "variant_open_throws_int.so", {"unknown exception"});
  check_refused(test_plugins / "variant_open_gives_nothing.so", {"without a table"});
}

BOOST_AUTO_TEST_CASE(a_table_that_lacks_functions_names_the_first) {
  check_refused(test_plugins / "variant_empty_table.so", {"function close is missing"});
  check_refused(test_plugins / "variant_other_table.so", {"not of ABI version 1"});
}

BOOST_AUTO_TEST_CASE(nothing_behind_the_end_of_a_short_table_is_read) {
  // The functions it has are poison: naming the first absent one proves that the poisoned tail was not taken for it.
  check_refused(test_plugins / "variant_short_table.so", {"function forward is missing"});
}

BOOST_AUTO_TEST_CASE(a_refusal_leaves_the_host_able_to_load_the_next) {
  BOOST_TEST(!Plugin::load(test_plugins / "variant_open_throws.so").has_value());
  const auto good = Plugin::load(template_plugin);
  BOOST_REQUIRE_MESSAGE(good, good.error().message);
  BOOST_TEST((*good)->info().id == "bag_of_words");
}

BOOST_AUTO_TEST_SUITE_END()
