// GGUF models: one file or a split set, from parsed contents to canonical tensors.
#include <spdlog/fmt/fmt.h>

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "model_file/architecture.hpp"
#include "model_file/byte_source.hpp"
#include "model_file/formats.hpp"
#include "model_file/gguf.hpp"

namespace llorch::model_file {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxParts = 1000;

struct Part {
  std::shared_ptr<const File> file;
  std::shared_ptr<FileBytes> bytes;  ///< what the metadata views
  GgufContents contents;
};

Error bad(const fs::path& file, std::string_view what) {
  return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", file.native(), what));
}

Result<Part> read_part(const fs::path& path) {
  Part part;
  auto file = File::open(path);
  if (!file) return file.error();
  part.file = std::move(*file);
  auto bytes = FileBytes::create(part.file);
  if (!bytes) return bytes.error();
  part.bytes = std::move(*bytes);
  auto contents = parse_gguf(*part.bytes);
  if (!contents) return contents.error();
  part.contents = std::move(*contents);
  return part;
}

/// What a part says about the set: number (from 0) and count. {0, 1} for a file that is not split.
struct Split {
  std::uint64_t number = 0, count = 1;
};

Result<Split> read_split(const Part& part) {
  const Metadata& metadata = part.contents.metadata;
  const auto count = metadata.optional_u64("split.count");
  if (!count) return count.error();
  if (!*count) return Split{};
  if (**count < 1 || **count > kMaxParts) {
    return bad(part.file->path(), fmt::format("key 'split.count': 1 to {} expected, found {}", kMaxParts, **count));
  }
  const auto number = metadata.u64("split.no");
  if (!number) return number.error();
  if (*number >= **count) {
    return bad(part.file->path(), fmt::format("key 'split.no': 0 to {} expected, found {}", **count - 1, *number));
  }
  return Split{*number, **count};
}

std::string part_ending(const Split& split) {
  return fmt::format("-{:05}-of-{:05}.gguf", split.number + 1, split.count);
}

/// All parts in order. `opened` is any of them.
Result<std::vector<Part>> read_parts(Part opened) {
  std::vector<Part> parts;
  const auto own = read_split(opened);
  if (!own) return own.error();
  if (own->count == 1) {
    parts.push_back(std::move(opened));
    return parts;
  }
  const fs::path path = opened.file->path();
  const std::string name = path.filename().native();
  if (!name.ends_with(part_ending(*own))) {
    return bad(path, fmt::format("part {} of {} of a split model: a name ending in {} expected", own->number + 1,
                                 own->count, part_ending(*own)));
  }
  const std::string stem = name.substr(0, name.size() - part_ending(*own).size());
  std::uint64_t tensors = 0;
  for (std::uint64_t i = 0; i < own->count; ++i) {
    if (i == own->number) {
      parts.push_back(std::move(opened));  // NOLINT(bugprone-use-after-move): the one round in which i is its number
    } else {
      const fs::path file = path.parent_path() / (stem + part_ending({i, own->count}));
      auto part = read_part(file);
      if (!part) return part.error();
      const auto split = read_split(*part);
      if (!split) return split.error();
      if (split->number != i || split->count != own->count) {
        return bad(file, fmt::format("keys 'split.no' and 'split.count': {} and {} expected, found {} and {}", i,
                                     own->count, split->number, split->count));
      }
      parts.push_back(std::move(*part));
    }
    tensors += parts.back().contents.tensors.size();
  }
  const auto total = parts.front().contents.metadata.optional_u64("split.tensors.count");
  if (!total) return total.error();
  if (*total && **total != tensors) {
    return bad(
        parts.front().file->path(),
        fmt::format("key 'split.tensors.count': {} expected, the number in all parts, found {}", tensors, **total));
  }
  return parts;
}

/// The tensors of all parts, each name once.
Result<std::vector<StoredTensor>> merge(std::vector<Part>& parts) {
  std::vector<StoredTensor> all;
  std::unordered_map<std::string, std::uint32_t> seen;
  for (std::uint32_t number = 0; number < parts.size(); ++number) {
    for (StoredTensor& tensor : parts[number].contents.tensors) {
      tensor.file = number;
      if (parts.size() > 1) {
        const auto [it, fresh] = seen.emplace(tensor.name, number);
        if (!fresh) {
          return bad(parts[number].file->path(), fmt::format("tensor {} is in {} too", quote(tensor.name),
                                                             parts[it->second].file->path().native()));
        }
      }
      all.push_back(std::move(tensor));
    }
  }
  return all;
}

Result<std::vector<Binding>> bind_or_take(const Parts& parts, const std::vector<StoredTensor>& stored) {
  const std::string& origin = parts.path.native();
  if (const Architecture* architecture = find_architecture(parts.architecture); architecture != nullptr) {
    const auto hyperparameters = read_hyperparameters(*architecture, parts.metadata, origin);
    if (!hyperparameters) return hyperparameters.error();
    return bind_tensors(*architecture, *hyperparameters, stored, Naming::kGguf, false, origin);
  }
  std::vector<Binding> bindings;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    bindings.push_back({stored[i].name, i, stored[i].dims, Arrangement::kCanonical});
  }
  return bindings;
}

}  // namespace

Result<Parts> read_gguf_model(const fs::path& path, const OpenOptions& options) {
  auto opened = read_part(path);
  if (!opened) return opened.error();
  auto set = read_parts(std::move(*opened));
  if (!set) return set.error();

  Parts parts;
  parts.format = Format::kGguf;
  parts.path = path;
  parts.metadata = std::move(set->front().contents.metadata);
  const auto architecture = parts.metadata.string("general.architecture");
  if (!architecture) return architecture.error();
  parts.architecture = *architecture;
  const auto stored = merge(*set);
  if (!stored) return stored.error();
  for (Part& part : *set) {
    parts.files.push_back(std::move(part.file));
    parts.keep_alive.push_back(std::move(part.bytes));
  }
  if (stored->empty()) {
    if (options.vocabulary_only) return parts;
    return bad(path, "holds no tensors, only a vocabulary");
  }
  auto bindings = bind_or_take(parts, *stored);
  if (!bindings) return bindings.error();
  for (Binding& binding : *bindings) {
    const StoredTensor& tensor = (*stored)[binding.stored];
    parts.tensors.push_back(
        {std::move(binding.name), tensor.ggml_type, std::move(binding.dims), tensor.nbytes, std::string()});
    parts.locations.push_back({tensor.file, tensor.offset, Arrangement::kCanonical, 0, nullptr});
  }
  return parts;
}

}  // namespace llorch::model_file
