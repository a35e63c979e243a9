// What the tests of hostile files have in common: a file that must be refused, quickly and by name.
#pragma once

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include "model_file/model_file.hpp"
#include "support/temporary_directory.hpp"

namespace llorch::testing {

/// A guard against hanging, not a measurement: sanitizers and busy machines are allowed for.
inline constexpr std::chrono::seconds kPatience{10};

/// Opening `path` fails in time, with a message that names the file and holds every one of `parts`.
inline void expect_refused(const std::filesystem::path& path, std::initializer_list<std::string_view> parts,
                           const model_file::OpenOptions& options = {}) {
  const auto begin = std::chrono::steady_clock::now();
  const auto opened = model_file::ModelFile::open(path, options);
  BOOST_TEST((std::chrono::steady_clock::now() - begin < kPatience), "refused in time");
  BOOST_REQUIRE_MESSAGE(!opened, "expected a refusal, but the file was opened");
  const std::string& message = opened.error().message;
  BOOST_TEST(message.find(path.filename().string()) != std::string::npos, "the file's name in: " << message);
  for (const std::string_view part : parts) {
    BOOST_TEST(message.find(part) != std::string::npos, "\"" << part << "\" in: " << message);
  }
}

/// The same for the bytes of a file.
inline void expect_refused_bytes(std::string_view bytes, std::initializer_list<std::string_view> parts,
                                 const std::string& name = "model.gguf") {
  const TemporaryDirectory directory;
  expect_refused(directory.write(name, bytes), parts);
}

/// Opens what must be accepted.
inline std::unique_ptr<model_file::ModelFile> expect_opened(const std::filesystem::path& path,
                                                            const model_file::OpenOptions& options = {}) {
  auto opened = model_file::ModelFile::open(path, options);
  BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? std::string() : opened.error().message));
  return std::move(*opened);
}

}  // namespace llorch::testing
