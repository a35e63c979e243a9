// Which PTX belongs to a kernel's host function: by its mangled name, which both compilers give alike but for anonymous
// namespaces.
#include <dlfcn.h>
#include <elf.h>
#include <llorch/plugin.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>

#include "cuda/device/emulation/ptx/machine.hpp"

namespace llorch::cuda::ptx {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) abi::fail(LLORCH_NOT_FOUND, path.string(), ": cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

/// nvcc puts a file's name and hash into the name of an anonymous namespace, the host's compiler "_GLOBAL__N_1".
std::string alike(std::string_view name) {
  constexpr std::string_view kAnonymous = "_GLOBAL__N_";
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    std::size_t digits = at;
    std::size_t length = 0;
    while (digits < name.size() && name[digits] >= '0' && name[digits] <= '9')
      length = length * 10 + static_cast<std::size_t>(name[digits++] - '0');
    if (digits == at) {
      out += name[at++];
      continue;
    }
    const bool anonymous = name.substr(digits).starts_with(kAnonymous);
    if (anonymous && length <= name.size() - digits) {
      out += "12_GLOBAL__N_1";
      at = digits + length;
    } else {
      out += name.substr(at, digits - at);
      at = digits;
    }
  }
  return out;
}

/// Names of all functions of a program or library, local ones too, by their address in the file.
std::map<std::uint64_t, std::string> functions_of(const std::string& path) {
  const std::string file = read_file(path);
  const auto at = [&]<class T>(std::uint64_t offset, T /*of*/) {
    if (offset > file.size() || sizeof(T) > file.size() - offset) abi::fail(LLORCH_BAD_MODEL, path, ": cut short");
    T value;
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
  };
  std::map<std::uint64_t, std::string> names;
  const auto header = at(0, Elf64_Ehdr{});
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const auto section = at(header.e_shoff + std::uint64_t{i} * header.e_shentsize, Elf64_Shdr{});
    if (section.sh_type != SHT_SYMTAB) continue;
    const auto strings = at(header.e_shoff + std::uint64_t{section.sh_link} * header.e_shentsize, Elf64_Shdr{});
    for (std::uint64_t k = 0; k < section.sh_size / sizeof(Elf64_Sym); ++k) {
      const auto symbol = at(section.sh_offset + k * sizeof(Elf64_Sym), Elf64_Sym{});
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
      names.emplace(symbol.st_value, file.c_str() + strings.sh_offset + symbol.st_name);
    }
  }
  return names;
}

struct Entry {
  std::size_t file, at;
};

class Library {
 public:
  explicit Library(const std::string& folder) {
    for (const auto& found : std::filesystem::recursive_directory_iterator(folder)) {
      if (found.path().extension() != ".ptx") continue;
      files_.push_back({found.path().string(), read_file(found.path())});
    }
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const std::string& text = files_[i].text;
      constexpr std::string_view kEntry = ".entry ";
      for (std::size_t at = text.find(kEntry); at != std::string::npos; at = text.find(kEntry, at + 1)) {
        const std::size_t begin = at + kEntry.size();
        entries_[alike(std::string_view(text).substr(begin, text.find('(', begin) - begin))].push_back({i, at});
      }
    }
    if (entries_.empty()) abi::fail(LLORCH_NOT_FOUND, folder, ": no .ptx file with a kernel");
  }

  const Kernel& find(const void* function) {
    const std::lock_guard lock(mutex_);
    if (const auto known = kernels_.find(function); known != kernels_.end()) return known->second;
    const std::string name = name_of(function);
    const auto entry = entries_.find(name);
    if (entry == entries_.end() || entry->second.size() != 1) {
      abi::fail(LLORCH_NOT_FOUND, "PTX of ", name, ": expected one entry, found ",
                entry == entries_.end() ? 0 : entry->second.size());
    }
    const auto [file, at] = entry->second.front();
    return kernels_.emplace(function, assemble(files_[file].path, files_[file].text, at)).first->second;
  }

 private:
  struct File {
    std::string path, text;
  };

  std::string name_of(const void* function) {
    Dl_info info{};
    if (dladdr(function, &info) == 0) abi::fail(LLORCH_NOT_FOUND, "no program holds the kernel at ", function);
    auto names = functions_.find(info.dli_fbase);
    if (names == functions_.end()) names = functions_.emplace(info.dli_fbase, functions_of(info.dli_fname)).first;
    const auto offset =
        static_cast<std::uint64_t>(static_cast<const char*>(function) - static_cast<const char*>(info.dli_fbase));
    const auto name = names->second.find(offset);
    if (name == names->second.end()) abi::fail(LLORCH_NOT_FOUND, info.dli_fname, ": no symbol at ", offset);
    return alike(name->second);
  }

  std::vector<File> files_;
  std::map<std::string, std::vector<Entry>> entries_;
  std::map<const void*, std::map<std::uint64_t, std::string>> functions_;
  std::map<const void*, Kernel> kernels_;
  std::mutex mutex_;
};

}  // namespace

const Kernel& find_kernel(const std::string& folder, const void* function) {
  static Library* const one = new Library(folder);  // of the process: kernels may run as long as it does
  return one->find(function);
}

}  // namespace llorch::cuda::ptx
