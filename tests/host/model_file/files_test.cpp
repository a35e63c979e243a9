// What the operating system can put in the way of a model file. The numbers are those of docs/model_files.md.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "expect.hpp"
#include "model_file/byte_source.hpp"
#include "model_file/file.hpp"
#include "support/tiny_gpt2.hpp"

namespace {

using namespace llorch::testing;
using llorch::ErrorCode;
using llorch::model_file::File;
using llorch::model_file::FileBytes;
using llorch::model_file::ModelFile;
namespace fs = std::filesystem;

/// Gives up root for a while, so that permissions count.
class Unprivileged {
 public:
  Unprivileged() : was_root_(::geteuid() == 0) {
    if (was_root_) BOOST_REQUIRE(::seteuid(65534) == 0);
  }
  ~Unprivileged() {
    if (was_root_ && ::seteuid(0) != 0) std::abort();
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  bool was_root_;
};

BOOST_AUTO_TEST_SUITE(files)

BOOST_AUTO_TEST_CASE(a_path_that_does_not_exist_is_not_found) {
  const TemporaryDirectory directory;
  for (const char* name : {"none.gguf", "none.safetensors", "none.safetensors.index.json", "none"}) {
    const auto opened = ModelFile::open(directory.path() / name);
    BOOST_REQUIRE(!opened);
    BOOST_TEST((opened.error().code == ErrorCode::kNotFound), opened.error().message);
    BOOST_TEST(opened.error().message.find("No such file or directory") != std::string::npos, opened.error().message);
  }
}

BOOST_AUTO_TEST_CASE(line_67_a_fifo_is_refused_without_waiting_for_a_writer) {
  const TemporaryDirectory directory;
  for (const char* name : {"model.gguf", "model.safetensors"}) {
    const fs::path path = directory.path() / name;
    BOOST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    directory.write("config.json", config_text(tiny_gpt2_config()));
    expect_refused(path, {"expected a regular file, found a FIFO"});
  }
}

BOOST_AUTO_TEST_CASE(line_67_a_device_is_refused) {
  expect_refused("/dev/zero", {"expected a regular file, found a device"});
}

BOOST_AUTO_TEST_CASE(line_67_a_directory_in_place_of_a_file_is_refused) {
  const TemporaryDirectory directory;
  directory.write("config.json", config_text(tiny_gpt2_config()));
  fs::create_directory(directory.path() / "model.safetensors");
  const auto opened = ModelFile::open(directory.path());
  BOOST_REQUIRE(!opened);
  BOOST_TEST(
      opened.error().message.find("model.safetensors: expected a regular file, found a directory") != std::string::npos,
      opened.error().message);
}

BOOST_AUTO_TEST_CASE(line_67_a_file_without_permission_is_refused) {
  const TemporaryDirectory directory;
  const fs::path path = directory.write("model.gguf", tiny_gpt2_gguf().bytes());
  fs::permissions(directory.path(), fs::perms::all);
  fs::permissions(path, fs::perms::none);
  const Unprivileged user;
  expect_refused(path, {"cannot open: Permission denied"});
}

BOOST_AUTO_TEST_CASE(line_68_a_file_cut_short_while_its_header_is_read_is_an_error) {
  const TemporaryDirectory directory;
  const fs::path path = directory.write("model.gguf", std::string(1 << 20, 'x'));
  auto file = File::open(path);
  BOOST_REQUIRE(file.has_value());
  auto bytes = FileBytes::create(*file);
  BOOST_REQUIRE(bytes.has_value());
  BOOST_REQUIRE((*bytes)->require(100).has_value());
  fs::resize_file(path, 1000);
  const auto more = (*bytes)->require(1 << 20);
  BOOST_REQUIRE(!more);
  BOOST_TEST((more.error().code == ErrorCode::kIo));
  BOOST_TEST(more.error().message.find("model.gguf: cut short") != std::string::npos, more.error().message);
}

BOOST_AUTO_TEST_CASE(line_69_a_tensor_of_a_file_cut_short_later_is_an_error_not_a_signal) {
  const TemporaryDirectory directory;
  const fs::path path = directory.write("model.gguf", tiny_gpt2_gguf().bytes());
  const auto model = expect_opened(path);
  fs::resize_file(path, 4096);
  const std::size_t last = model->tensors().size() - 1;
  std::vector<std::byte> out(model->tensors()[last].nbytes);
  const auto read = model->read_tensor(last, 0, out);
  BOOST_REQUIRE(!read);
  BOOST_TEST((read.error().code == ErrorCode::kIo));
  BOOST_TEST(read.error().message.find("cut short: it had 5272 bytes when it was opened, byte 5248 is gone") !=
                 std::string::npos,
             read.error().message);
  const llorch_source& source = model->source();
  BOOST_TEST(source.tensor_read(&source, last, 0, out.data(), out.size()) == LLORCH_DEVICE_ERROR);
}

BOOST_AUTO_TEST_CASE(line_69_a_transposed_tensor_of_a_file_cut_short_is_an_error_too) {
  const TemporaryDirectory directory;
  write_tiny_gpt2(directory);
  const auto model = expect_opened(directory.path());
  fs::resize_file(directory.path() / "model.safetensors", 4096);
  for (std::size_t i = 0; i < model->tensors().size(); ++i) {
    if (model->tensors()[i].name != "blk.1.ffn_down.weight") continue;
    std::vector<std::byte> out(model->tensors()[i].nbytes);
    BOOST_TEST((model->read_tensor(i, 0, out).error().code == ErrorCode::kIo));
  }
}

BOOST_AUTO_TEST_CASE(line_70_a_file_replaced_by_rename_keeps_its_old_contents) {
  const TemporaryDirectory directory;
  const fs::path path = directory.write("model.gguf", tiny_gpt2_gguf().bytes());
  const auto model = expect_opened(path);
  fs::rename(directory.write("new", std::string(100, 'n')), path);
  std::vector<float> row(kTinyEmbedding);
  BOOST_REQUIRE(model->read_tensor(0, 0, std::as_writable_bytes(std::span(row))));
  BOOST_TEST(row[5] == tiny_value(0, 0, 5));
}

BOOST_AUTO_TEST_CASE(a_read_past_the_end_of_a_tensor_is_refused) {
  const TemporaryDirectory directory;
  const auto model = expect_opened(directory.write("model.gguf", tiny_gpt2_gguf().bytes()));
  const std::uint64_t size = model->tensors()[0].nbytes;
  std::vector<std::byte> out(8);
  BOOST_TEST(model->read_tensor(0, size - 8, out).has_value());
  BOOST_TEST((model->read_tensor(0, size - 7, out).error().code == ErrorCode::kInvalidArgument));
  BOOST_TEST((model->read_tensor(0, ~std::uint64_t{0}, out).error().code == ErrorCode::kInvalidArgument));
  BOOST_TEST((model->read_tensor(model->tensors().size(), 0, out).error().code == ErrorCode::kInvalidArgument));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
