// Files made to waste memory: opening them stays within the file's size plus 64 MiB, with an error or without.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "expect.hpp"
#include "support/gguf_writer.hpp"
#include "support/safetensors_writer.hpp"
#include "support/skip.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LLORCH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LLORCH_SANITIZED 1
#endif
#endif

namespace {

using namespace llorch::testing;

constexpr std::uint64_t kAllowance = std::uint64_t{64} << 20;

/// Private writable memory of this process in bytes, as RLIMIT_DATA counts it.
std::uint64_t data_in_use() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmData:")) return std::strtoull(line.c_str() + 7, nullptr, 10) * 1024;
  }
  return 0;
}

enum Verdict : int { kDone = 0, kOutOfMemory = 1, kUnlimited = 2 };

/// Runs `body` in a child that may use `limit` bytes more than now.
Verdict run_within(std::uint64_t limit, const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlim_t most = data_in_use() + limit;
    const rlimit bound = {most, most};
    if (::setrlimit(RLIMIT_DATA, &bound) != 0) ::_exit(kUnlimited);
    ::_exit(body() ? kDone : kOutOfMemory);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return kOutOfMemory;
  return static_cast<Verdict>(WEXITSTATUS(status));
}

bool can_allocate(std::size_t bytes) {
  char* memory = new (std::nothrow) char[bytes];
  const bool done = memory != nullptr;
  delete[] memory;
  return done;
}

/// False, with a message, where the limit does not work: then there is nothing to test.
bool limits_work() {
#if defined(LLORCH_SANITIZED)
  constexpr bool kSanitized = true;  // a sanitizer's own memory exceeds any limit
#else
  constexpr bool kSanitized = false;
#endif
  if (!kSanitized && run_within(kAllowance, [] { return can_allocate(2 * kAllowance); }) == kOutOfMemory &&
      run_within(kAllowance, [] { return can_allocate(kAllowance / 2); }) == kDone) {
    return true;
  }
  llorch::testing::skip_this_case("RLIMIT_DATA does not bound this process");
  return false;
}

void expect_bounded(const std::string& name, const std::string& bytes) {
  const TemporaryDirectory directory;
  const auto path = directory.write(name, bytes);
  directory.write("config.json", R"({"model_type":"none"})");
  const Verdict verdict = run_within(bytes.size() + kAllowance, [&] {
    const auto opened = llorch::model_file::ModelFile::open(path, {.vocabulary_only = true});
    return opened || opened.error().code != llorch::ErrorCode::kOutOfMemory;
  });
  BOOST_TEST(verdict == kDone, name << " of " << bytes.size() << " bytes");
}

BOOST_AUTO_TEST_SUITE(memory)

BOOST_AUTO_TEST_CASE(counts_and_lengths_beyond_the_file_allocate_nothing) {
  if (!limits_work()) return;
  const std::string head = "GGUF" + le<std::uint32_t>(3);
  expect_bounded("a.gguf", head + le<std::uint64_t>(0) + le(std::uint64_t{1} << 60) + std::string(64, 'x'));
  expect_bounded("b.gguf", head + le(~std::uint64_t{0}) + le<std::uint64_t>(0) + std::string(64, 'x'));
  GgufWriter writer;
  writer.set("s", le<std::uint32_t>(kGgufString) + le(std::uint64_t{1} << 40));
  expect_bounded("c.gguf", writer.bytes());
  writer.set("s", gguf_array(kGgufString, std::uint64_t{1} << 33, ""));
  expect_bounded("d.gguf", writer.bytes());
  expect_bounded("e.safetensors", le<std::uint64_t>(99'999'999) + "{}");
}

BOOST_AUTO_TEST_CASE(as_many_keys_as_are_read_stay_bounded) {
  if (!limits_work()) return;
  GgufWriter writer;
  writer.set("general.architecture", gguf_text("none"));
  for (int i = 0; i < 65'535; ++i) {
    writer.pairs.emplace_back(std::to_string(i), le<std::uint32_t>(kGgufU8) + "x");
  }
  expect_bounded("keys.gguf", writer.bytes());
  writer.pairs.emplace_back("one more", gguf_u32(1));
  expect_refused_bytes(writer.bytes(), {"at most 65536 keys expected, found 65537"});
}

BOOST_AUTO_TEST_CASE(as_many_empty_strings_as_are_read_stay_bounded) {
  if (!limits_work()) return;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 21;
  GgufWriter writer;
  writer.set("general.architecture", gguf_text("none"));
  writer.set("strings", gguf_array(kGgufString, kMost, std::string(kMost * 8, '\0')));
  expect_bounded("strings.gguf", writer.bytes());
  writer.set("more", gguf_text_array({""}));
  expect_refused_bytes(writer.bytes(), {"key \"more\"", "more than 2097152 strings in arrays"});
}

BOOST_AUTO_TEST_CASE(as_many_tensors_as_are_read_stay_bounded) {
  if (!limits_work()) return;
  GgufWriter writer;
  writer.set("general.architecture", gguf_text("none"));
  for (int i = 0; i < 131'072; ++i) {
    writer.tensors.push_back({std::to_string(i), {1}, 24, "x"});
  }
  expect_bounded("tensors.gguf", writer.bytes());
  writer.tensors.push_back({"one more", {1}, 24, "x"});
  expect_refused_bytes(writer.bytes(), {"at most 131072 tensors expected, found 131073"});
}

BOOST_AUTO_TEST_CASE(as_many_safetensors_entries_as_are_read_stay_bounded) {
  if (!limits_work()) return;
  std::string header = "{";
  for (int i = 0; i < 65'000; ++i) {
    header += "\"" + std::to_string(i) + R"(":{"dtype":"I8","shape":[],"data_offsets":[)" + std::to_string(i) + "," +
              std::to_string(i + 1) + "]},";
  }
  header.back() = '}';
  expect_bounded("entries.safetensors", safetensors_file(header, std::string(65'000, 'x')));
}

BOOST_AUTO_TEST_CASE(numbers_in_a_safetensors_header_stay_bounded) {
  if (!limits_work()) return;
  std::string numbers;
  while (numbers.size() < 20'000'000)
    numbers += "0,0,0,0,0,0,0,0,0,0,";
  expect_bounded("numbers.safetensors", safetensors_file("{\"t\":[" + numbers + "0]}"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
