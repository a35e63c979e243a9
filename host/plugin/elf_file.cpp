#include "plugin/elf_file.hpp"

#include <elf.h>
#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <system_error>

namespace llorch::plugin {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kHostMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kHostMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr std::uint16_t kHostMachine = EM_RISCV;
#else
#error "unknown machine: add its ELF number"
#endif
static_assert(sizeof(void*) == 8, "plugins are 64-bit objects");
constexpr unsigned char kHostByteOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
constexpr std::uint64_t kMaxTableBytes = 16U * 1024 * 1024;  // of symbols or their names: more is no plugin of ours

/// An open file with its size; closes itself.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~InputFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

  /// False when the range is not fully there.
  [[nodiscard]] bool read(std::uint64_t offset, void* out, std::size_t size) const {
    auto* bytes = static_cast<char*>(out);
    while (size > 0) {
      const ssize_t got = ::pread(fd_, bytes, size, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      bytes += got;
      offset += static_cast<std::uint64_t>(got);
      size -= static_cast<std::size_t>(got);
    }
    return true;
  }

 private:
  int fd_;
};

bool range_fits(std::uint64_t offset, std::uint64_t size, std::uint64_t file_size) {
  return offset <= file_size && size <= file_size - offset;
}

/// A guess at what the first bytes are, for a message that helps.
std::string_view describe_content(std::span<const unsigned char> head) {
  if (head.empty()) return "an empty file";
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.starts_with("GGUF")) return "a GGUF model file";
  if (text.starts_with("!<arch>")) return "a static library";
  const bool printable = std::all_of(head.begin(), head.end(), [](unsigned char c) {
    return (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\r' || c == '\t';
  });
  return printable ? "a text file" : "unknown binary data";
}

Result<void> check_segments(const InputFile& file, const Elf64_Ehdr& header, std::uint64_t size,
                            const std::string& at) {
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
      !range_fits(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr), size)) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: damaged shared object: {} program headers of {} bytes at "
                                  "offset {} do not fit the file's {} bytes",
                                  at, header.e_phnum, header.e_phentsize, header.e_phoff, size));
  }
  bool dynamic = false;
  for (std::uint32_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!file.read(header.e_phoff + i * sizeof segment, &segment, sizeof segment)) {
      return make_error(ErrorCode::kIo, fmt::format("{}: cannot read program header {}", at, i));
    }
    dynamic |= segment.p_type == PT_DYNAMIC;
    if ((segment.p_type == PT_LOAD || segment.p_type == PT_DYNAMIC) &&
        !range_fits(segment.p_offset, segment.p_filesz, size)) {
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("{}: truncated shared object: segment {} ends at byte {} of a file of {} bytes", at,
                                    i, segment.p_offset + segment.p_filesz, size));
    }
  }
  if (!dynamic) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{}: not a shared object: it has no dynamic section", at));
  }
  return {};
}

/// Reads a table that a section describes; empty when it is out of range or absurdly large.
template <class T>
std::vector<T> read_section(const InputFile& file, const Elf64_Shdr& section, std::uint64_t size) {
  std::vector<T> out;
  if (section.sh_size > kMaxTableBytes || !range_fits(section.sh_offset, section.sh_size, size)) return out;
  out.resize(section.sh_size / sizeof(T));
  if (!file.read(section.sh_offset, out.data(), out.size() * sizeof(T))) out.clear();
  return out;
}

void read_symbols(const InputFile& file, const Elf64_Ehdr& header, std::uint64_t size, ElfFile& out) {
  if (header.e_shnum == 0 || header.e_shentsize != sizeof(Elf64_Shdr)) return;
  const Elf64_Shdr table{.sh_name = 0,
                         .sh_type = 0,
                         .sh_flags = 0,
                         .sh_addr = 0,
                         .sh_offset = header.e_shoff,
                         .sh_size = std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr),
                         .sh_link = 0,
                         .sh_info = 0,
                         .sh_addralign = 0,
                         .sh_entsize = 0};
  const auto sections = read_section<Elf64_Shdr>(file, table, size);
  const auto symbols_at =
      std::find_if(sections.begin(), sections.end(), [](const Elf64_Shdr& s) { return s.sh_type == SHT_DYNSYM; });
  if (symbols_at == sections.end() || symbols_at->sh_link >= sections.size()) return;
  const auto symbols = read_section<Elf64_Sym>(file, *symbols_at, size);
  auto names = read_section<char>(file, sections[symbols_at->sh_link], size);
  if (symbols.empty() || names.empty()) return;
  names.back() = '\0';  // so that no name runs out of the table

  out.exported.emplace();
  for (const Elf64_Sym& symbol : symbols) {
    const auto binding = ELF64_ST_BIND(symbol.st_info);
    if (symbol.st_name == 0 || symbol.st_name >= names.size() || binding == STB_LOCAL) continue;
    const char* name = names.data() + symbol.st_name;
    if (symbol.st_shndx == SHN_UNDEF) {
      if (binding != STB_WEAK) out.undefined.emplace_back(name);
    } else {
      const auto visibility = ELF64_ST_VISIBILITY(symbol.st_other);
      if (visibility == STV_DEFAULT || visibility == STV_PROTECTED) out.exported->emplace_back(name);
    }
  }
}

}  // namespace

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86-64";
    case EM_AARCH64:
      return "aarch64";
    case EM_386:
      return "i386";
    case EM_ARM:
      return "arm";
    case EM_PPC64:
      return "ppc64";
    case EM_S390:
      return "s390x";
    case EM_RISCV:
      return "riscv";
    default:
      return fmt::format("machine {:#06x}", machine);
  }
}

Result<ElfFile> read_elf_file(const std::filesystem::path& path) {
  const std::string at = path.string();
  const InputFile file(path);
  if (file.fd() < 0) {
    const int number = errno;
    return make_error(number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                      fmt::format("{}: cannot open the plugin: {}", at, std::generic_category().message(number)));
  }
  struct stat status {};
  if (::fstat(file.fd(), &status) != 0) {
    return make_error(ErrorCode::kIo, fmt::format("{}: {}", at, std::generic_category().message(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: a plugin is a regular file, this is {}", at,
                                  S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket"));
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);

  std::array<unsigned char, sizeof(Elf64_Ehdr)> head{};
  const auto head_size = static_cast<std::size_t>(std::min<std::uint64_t>(size, head.size()));
  if (!file.read(0, head.data(), head_size)) {
    return make_error(ErrorCode::kIo, fmt::format("{}: cannot read the first {} bytes", at, head_size));
  }
  if (head_size < SELFMAG || std::memcmp(head.data(), ELFMAG, SELFMAG) != 0) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{}: not a shared object: {}", at,
                                                           describe_content(std::span(head).first(head_size))));
  }
  if (head_size < head.size()) {
    return make_error(
        ErrorCode::kUnsupported,
        fmt::format("{}: truncated shared object: {} bytes, an ELF header has {}", at, size, head.size()));
  }
  Elf64_Ehdr header;
  std::memcpy(&header, head.data(), sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != kHostByteOrder) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: built for a {}-bit {}-endian machine, this host is 64-bit {}-endian", at,
                                  header.e_ident[EI_CLASS] == ELFCLASS32 ? 32 : 64,
                                  header.e_ident[EI_DATA] == ELFDATA2MSB ? "big" : "little",
                                  kHostByteOrder == ELFDATA2MSB ? "big" : "little"));
  }
  if (header.e_machine != kHostMachine) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{}: built for {}, this host is {}", at,
                                                           machine_name(header.e_machine), machine_name(kHostMachine)));
  }
  if (header.e_type != ET_DYN) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{}: not a shared object: ELF type {} where {} was expected",
                                                           at, header.e_type, ET_DYN));
  }
  if (auto segments = check_segments(file, header, size, at); !segments) return segments.error();
  // Loading needs no section headers, but they lie last: a copy that was cut short is seen by them.
  if (header.e_shoff != 0 && !range_fits(header.e_shoff, std::uint64_t{header.e_shnum} * header.e_shentsize, size)) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: truncated shared object: {} section headers at byte {} of a file of {} bytes",
                                  at, header.e_shnum, header.e_shoff, size));
  }

  ElfFile out;
  out.machine = header.e_machine;
  read_symbols(file, header, size, out);
  return out;
}

}  // namespace llorch::plugin
