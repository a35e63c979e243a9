// The one implementation of ModelFile: readers of formats fill Parts, everything else is common.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "model_file/architecture.hpp"
#include "model_file/file.hpp"
#include "model_file/model_file.hpp"

namespace llorch::model_file {

class SourceAdapter;

/// Where a tensor's bytes are.
struct Location {
  std::uint32_t file = 0;    ///< index into Parts::files
  std::uint64_t offset = 0;  ///< of its first byte
  Arrangement arrangement = Arrangement::kCanonical;
  std::uint64_t head_rows = 0;        ///< rows of one head, for kRotaryHalves
  const std::byte* memory = nullptr;  ///< the tensor itself when it is in no file
};

/// What a format's reader found, validated. Tensors and locations are parallel.
struct Parts {
  Format format = Format::kGguf;
  std::filesystem::path path;
  std::filesystem::path directory;
  std::string architecture;
  Metadata metadata;
  std::vector<std::shared_ptr<const File>> files;
  std::vector<Tensor> tensors;
  std::vector<Location> locations;
  std::vector<std::shared_ptr<const void>> keep_alive;  ///< owners of what metadata views
};

class LoadedModel final : public ModelFile {
 public:
  explicit LoadedModel(Parts parts);
  ~LoadedModel() override;

  [[nodiscard]] Format format() const override { return parts_.format; }
  [[nodiscard]] const std::filesystem::path& path() const override { return parts_.path; }
  [[nodiscard]] std::filesystem::path directory() const override { return parts_.directory; }
  [[nodiscard]] std::string_view architecture() const override { return parts_.architecture; }
  [[nodiscard]] const Metadata& metadata() const override { return parts_.metadata; }
  [[nodiscard]] std::span<const Tensor> tensors() const override { return parts_.tensors; }
  [[nodiscard]] std::uint64_t bytes_on_disk() const override;
  [[nodiscard]] Result<void> read_tensor(std::uint64_t index, std::uint64_t offset,
                                         std::span<std::byte> out) const override;
  [[nodiscard]] const llorch_source& source() const override;

  /// Address of the tensor's canonical bytes in the mapping; null when they are transposed, not mapped or not aligned
  /// for their type.
  [[nodiscard]] const std::byte* mapped(std::uint64_t index) const;
  /// Index of a canonical name, or tensors().size().
  [[nodiscard]] std::uint64_t find_tensor(std::string_view name) const;

 private:
  Parts parts_;
  std::unordered_map<std::string_view, std::uint64_t> index_;
  std::unique_ptr<SourceAdapter> source_;
};

}  // namespace llorch::model_file
