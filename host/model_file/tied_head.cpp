#include "model_file/tied_head.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "base/text.hpp"

namespace llorch::model_file {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

Error differs(const File& file, const StoredTensor& head, const StoredTensor& embedding, const std::string& how) {
  return make_error(
      ErrorCode::kBadModel,
      fmt::format("{}: config.json says tie_word_embeddings, expected tensor {} to repeat {}, found {}; set "
                  "tie_word_embeddings to false if it is the model's output matrix, else remove it",
                  file.path().native(), quote(head.name), quote(embedding.name), how));
}

}  // namespace

Result<void> check_tied_head(std::span<const std::shared_ptr<const File>> files, const StoredTensor& head,
                             const StoredTensor& embedding) {
  const File& head_file = *files[head.file];
  const File& embedding_file = *files[embedding.file];
  if (head.type_name != embedding.type_name || head.dims != embedding.dims || head.nbytes != embedding.nbytes) {
    return differs(head_file, head, embedding,
                   fmt::format("{} {} where it is {} {}", head.type_name, shape_text(head.dims), embedding.type_name,
                               shape_text(embedding.dims)));
  }
  std::vector<std::byte> ours(std::min(kPieceBytes, head.nbytes));
  std::vector<std::byte> theirs(ours.size());
  for (std::uint64_t done = 0; done < head.nbytes; done += kPieceBytes) {
    const std::size_t piece = std::min(kPieceBytes, head.nbytes - done);
    const std::span<std::byte> a(ours.data(), piece);
    const std::span<std::byte> b(theirs.data(), piece);
    if (auto read = head_file.read(head.offset + done, a); !read) return read.error();
    if (auto read = embedding_file.read(embedding.offset + done, b); !read) return read.error();
    const auto [at, _] = std::ranges::mismatch(a, b);
    if (at != a.end()) {
      const std::uint64_t byte = done + static_cast<std::uint64_t>(at - a.begin());
      return differs(head_file, head, embedding, fmt::format("other bytes from byte {} of {} on", byte, head.nbytes));
    }
  }
  return {};
}

}  // namespace llorch::model_file
