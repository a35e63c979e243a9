// What the program says where there is no device, too little memory or a failing kernel: each in a process of its own,
// because the emulation looks at its variables once.
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "tested_models.hpp"

using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

namespace {

struct Answer {
  std::string text;
  int exit_code = -1;
};

/// The program completing a short prompt with the trained model; both streams of its output.
Answer complete(const std::string& environment) {
  const std::string command = environment + " " + LLORCH_BINARY_DIR + "/bin/llorch-host complete --plugin " +
                              LLORCH_EMULATED_PLUGIN + " --model " +
                              llorch::testing::source_path("models/tiny-llama2.gguf").string() + " -n 3 Once 2>&1";
  Answer answer;
  FILE* program = popen(command.c_str(), "r");  // NOLINT(bugprone-command-processor): all of it is ours
  BOOST_REQUIRE(program != nullptr);
  std::array<char, 256> part{};
  while (std::fgets(part.data(), part.size(), program) != nullptr)
    answer.text += part.data();
  const int status = pclose(program);
  if (WIFEXITED(status)) answer.exit_code = WEXITSTATUS(status);
  return answer;
}

void check_refused(const std::string& environment, std::initializer_list<const char*> words) {
  const Answer answer = complete(environment);
  BOOST_TEST_CONTEXT(environment << ": " << answer.text) {
    BOOST_TEST(answer.exit_code == 1);
    for (const char* word : words)
      BOOST_TEST(answer.text.find(word) != std::string::npos, "expected the words: " << word);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(refusals)

BOOST_AUTO_TEST_CASE(a_prompt_is_completed_where_nothing_is_wrong) {
  const Answer answer = complete("");
  BOOST_TEST(answer.exit_code == 0, answer.text);
}

BOOST_AUTO_TEST_CASE(without_a_device_one_line_says_so) {
  BOOST_TEST(std::ranges::count(complete("LLORCH_CUDA_EMULATION_DEVICES=0").text, '\n') == 1);
  check_refused("LLORCH_CUDA_EMULATION_DEVICES=0", {"no device", "LLORCH_CUDA_EMULATION_DEVICES is 0"});
}

BOOST_AUTO_TEST_CASE(weights_that_do_not_fit_are_refused_with_both_numbers) {
  check_refused("LLORCH_CUDA_EMULATION_MEMORY=1000000", {"weights", "7349248 bytes", "1000000 of 1000000 free"});
}

BOOST_AUTO_TEST_CASE(a_cache_that_does_not_fit_is_refused_with_both_numbers) {
  check_refused("LLORCH_CUDA_EMULATION_MEMORY=9000000",
                {"KV cache", "bytes of device memory wanted", "of 9000000 free"});
}

BOOST_AUTO_TEST_CASE(an_error_of_the_device_names_the_kernel) {
  check_refused("LLORCH_CUDA_EMULATION_FAIL=rotate_and_store", {"llama2_cuda", "rotate_and_store"});
}

BOOST_AUTO_TEST_SUITE_END()
