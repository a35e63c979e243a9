#include <llorch/plugin.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "cuda/device/emulation/ptx/operations.hpp"
#include "cuda/device/emulation/ptx/program.hpp"
#include "cuda/device/emulation/ptx/tokens.hpp"

namespace llorch::cuda::ptx {
namespace {

class Assembler {
 public:
  Assembler(const std::string& file, const std::string& text, std::size_t entry)
      : file_(file), text_(text), tokens_(tokens_of(text, entry)) {
    kernel_.words.resize(1);
    // The block's dynamic shared memory. Kernels have no other.
    constexpr std::string_view kShared = ".extern .shared ";
    for (std::size_t at = text.find(kShared); at != std::string::npos; at = text.find(kShared, at + 1)) {
      const std::size_t end = std::min(text.find('[', at), text.size());
      const std::size_t begin = text.rfind(' ', end) + 1;
      symbols_[text.substr(begin, end - begin)] = kSharedBegin;
    }
  }

  Kernel run() {
    try {
      head();
      body();
    } catch (const abi::Failure& failure) {
      const std::uint32_t line = at_ < tokens_.size() ? tokens_[at_].line : 0;
      abi::fail(LLORCH_UNSUPPORTED, file_, ", line ", line, ": ", failure.what());
    }
    return std::move(kernel_);
  }

 private:
  struct Family {
    std::uint32_t first, count;
    std::uint8_t bytes;
  };

  [[nodiscard]] std::string_view peek(std::size_t ahead = 0) const {
    if (at_ + ahead >= tokens_.size()) abi::fail(LLORCH_UNSUPPORTED, "the text ends early");
    return tokens_[at_ + ahead].text;
  }
  std::string_view take() {
    const std::string_view text = peek();
    ++at_;
    return text;
  }
  bool take_if(std::string_view text) {
    if (peek() != text) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view text) {
    if (!take_if(text)) abi::fail(LLORCH_UNSUPPORTED, "expected ", text, ", found ", peek());
  }
  std::uint64_t number() {
    const bool negative = take_if("-");
    const std::string_view text = take();
    const bool hex = text.starts_with("0x");
    std::uint64_t value = 0;
    const char* begin = text.data() + (hex ? 2 : 0);
    const char* end = text.data() + text.size();
    if (text.ends_with('U')) --end;
    const auto read = std::from_chars(begin, end, value, hex ? 16 : 10);
    if (read.ec != std::errc() || read.ptr != end) abi::fail(LLORCH_UNSUPPORTED, "expected a number, found ", text);
    return negative ? 0 - value : value;
  }

  // ---- declarations ------------------------------------------------------------------------------------------------

  void head() {
    expect(".entry");
    kernel_.name = take();
    expect("(");
    std::uint32_t offset = 0;
    while (!take_if(")")) {
      take_if(",");
      expect(".param");
      const auto [name, bytes, alignment] = variable();
      offset = (offset + alignment - 1) / alignment * alignment;
      kernel_.parameters.push_back({offset, bytes});
      symbols_[name] = offset;
      offset += bytes;
    }
    kernel_.parameter_bytes = offset;
    while (peek() != "{") {
      if (take() != ".maxntid") continue;
      std::uint64_t threads = number();
      while (take_if(","))
        threads *= number();
      kernel_.most_threads = static_cast<std::uint32_t>(std::min<std::uint64_t>(threads, kernel_.most_threads));
    }
  }

  struct Variable {
    std::string name;
    std::uint32_t bytes, alignment;
  };
  /// [.align N] .type name[[N]], with what else is said of pointers.
  Variable variable() {
    Variable v{{}, 0, 0};
    std::uint32_t each = 0;
    while (peek().starts_with('.')) {
      const std::string_view word = take();
      if (word == ".align") {
        v.alignment = static_cast<std::uint32_t>(number());
      } else if (word != ".ptr" && word != ".global") {
        each = bytes_of_type(word);
      }
    }
    v.name = take();
    v.bytes = each;
    if (take_if("[")) {
      v.bytes = each * static_cast<std::uint32_t>(number());
      expect("]");
    }
    if (v.alignment == 0) v.alignment = each;
    return v;
  }

  std::uint32_t take_words(std::uint8_t bytes, std::uint32_t count) {
    const auto first = static_cast<std::uint32_t>(kernel_.words.size());
    constexpr std::uint32_t kGarbage = 0xffa5c3e1u;
    kernel_.words.resize(first + std::size_t{count} * words_of(bytes), kGarbage);
    return first;
  }
  static std::uint32_t words_of(std::uint8_t bytes) { return bytes == 0 ? 1 : bytes == 8 ? 2 * kLanes : kLanes; }

  void registers() {
    const std::uint8_t bytes = bytes_of_type(take());
    do {
      const std::string name(take());
      if (take_if("<")) {
        const auto count = static_cast<std::uint32_t>(number());
        expect(">");
        const auto [known, is_new] = families_.try_emplace(scope_ + name, Family{0, count, bytes});
        if (is_new) known->second.first = take_words(bytes, count);
      } else {
        declare(name, bytes);
      }
    } while (take_if(","));
    expect(";");
  }

  void declare(const std::string& name, std::uint8_t bytes) {
    const auto [known, is_new] = singles_.try_emplace(scope_ + name, Operand{0, bytes});
    if (is_new || known->second.bytes != bytes) known->second = {take_words(bytes, 1), bytes};
  }

  void local_variable() {
    const Variable v = variable();
    kernel_.local_bytes = (kernel_.local_bytes + v.alignment - 1) / v.alignment * v.alignment;
    symbols_[v.name] = kernel_.local_bytes;
    kernel_.local_bytes += (v.bytes + 15) / 16 * 16;
    expect(";");
  }

  // ---- operands ----------------------------------------------------------------------------------------------------

  Operand constant(std::uint64_t value, std::uint8_t bytes) {
    if (bytes == 0) {
      value = value != 0 ? kAllLanes : 0;
    } else if (bytes < 8) {
      value &= (std::uint64_t{1} << (8 * bytes)) - 1;
    }
    const auto [known, is_new] = constants_.try_emplace({value, bytes}, Operand{0, bytes});
    if (is_new) {
      known->second.at = take_words(bytes, 1);
      fill(known->second, value);
    }
    return known->second;
  }
  void fill(Operand operand, std::uint64_t value) {
    for (std::uint32_t i = 0; i < words_of(operand.bytes); ++i) {
      kernel_.words[operand.at + i] =
          static_cast<std::uint32_t>(operand.bytes == 8 && i % 2 == 1 ? value >> 32u : value);
    }
  }

  [[nodiscard]] bool find_register(std::string_view name, Operand& out) {
    if (const auto single = singles_.find(scope_ + std::string(name)); single != singles_.end()) {
      out = single->second;
      return true;
    }
    static const std::map<std::string_view, Special> kNames = {
        {"%tid.x", Special::kTidX},       {"%tid.y", Special::kTidY},       {"%tid.z", Special::kTidZ},
        {"%ntid.x", Special::kNtidX},     {"%ntid.y", Special::kNtidY},     {"%ntid.z", Special::kNtidZ},
        {"%ctaid.x", Special::kCtaidX},   {"%ctaid.y", Special::kCtaidY},   {"%ctaid.z", Special::kCtaidZ},
        {"%nctaid.x", Special::kNctaidX}, {"%nctaid.y", Special::kNctaidY}, {"%nctaid.z", Special::kNctaidZ}};
    if (const auto special = kNames.find(name); special != kNames.end()) {
      std::uint32_t& at = kernel_.specials[static_cast<std::size_t>(special->second)];
      if (at == 0) at = take_words(4, 1);
      out = {at, 4};
      return true;
    }
    std::size_t digits = name.size();
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
      --digits;
    const auto family = families_.find(scope_ + std::string(name.substr(0, digits)));
    if (family == families_.end() || digits == name.size()) return false;
    std::uint32_t index = 0;
    std::from_chars(name.data() + digits, name.data() + name.size(), index);
    const Family& of = family->second;
    if (index >= of.count) abi::fail(LLORCH_UNSUPPORTED, "register ", name, " of ", of.count);
    out = {of.first + index * words_of(of.bytes), of.bytes};
    return true;
  }

  /// A register, a number or a symbol's address in `bytes` bytes.
  Operand operand(std::uint8_t bytes) {
    const std::string_view text = peek();
    Operand found;
    if (text.starts_with('%')) {
      ++at_;
      if (!find_register(text, found)) abi::fail(LLORCH_UNSUPPORTED, "no register ", text);
      return found;
    }
    if (text.starts_with("0f") || text.starts_with("0F")) {
      ++at_;
      std::uint64_t bits = 0;
      std::from_chars(text.data() + 2, text.data() + text.size(), bits, 16);
      return constant(bits, bytes);
    }
    if (const auto symbol = symbols_.find(std::string(text)); symbol != symbols_.end()) {
      ++at_;
      return constant(symbol->second, bytes);
    }
    return constant(number(), bytes);
  }

  /// "[register + N]" or "[symbol + N]".
  void address(Instruction& i, std::int64_t& offset) {
    expect("[");
    add(i, operand(8));
    if (take_if("+")) offset = static_cast<std::int64_t>(number());
    expect("]");
  }
  void add(Instruction& i, Operand operand) {
    if (i.n_operands >= i.operands.size()) abi::fail(LLORCH_UNSUPPORTED, "too many operands");
    i.operands[i.n_operands++] = operand;
  }
  /// "{a, b}" or "a"; how many.
  std::uint8_t vector(Instruction& i, std::uint8_t bytes) {
    if (!take_if("{")) {
      add(i, operand(bytes));
      return 1;
    }
    std::uint8_t count = 0;
    do {
      add(i, operand(bytes));
      ++count;
    } while (take_if(","));
    expect("}");
    return count;
  }

  // ---- instructions ------------------------------------------------------------------------------------------------

  void body() {
    block();
    Instruction end;
    end.flow = Flow::kEnd;
    kernel_.code.push_back(end);
  }

  /// "{ ... }", with branches to labels of its own.
  void block() {
    const auto outer_labels = std::exchange(labels_, {});
    const auto outer_branches = std::exchange(branches_, {});
    expect("{");
    int depth = 1;
    while (depth > 0) {
      if (take_if("{")) {
        ++depth;
      } else if (take_if("}")) {
        --depth;
      } else if (take_if(".reg")) {
        registers();
      } else if (take_if(".local")) {
        local_variable();
      } else if (take_if(".param")) {
        const std::uint8_t bytes = bytes_of_type(take());
        declare(std::string(take()), bytes);
        expect(";");
      } else if (take_if("call.uni")) {
        call();
      } else if (take_if(".pragma")) {
        take();
        expect(";");
      } else if (peek(1) == ":") {
        labels_[std::string(take())] = static_cast<std::uint32_t>(kernel_.code.size());
        take();
      } else {
        instruction();
      }
    }
    labels_[kReturn] = static_cast<std::uint32_t>(kernel_.code.size());
    for (const auto& [index, label] : branches_) {
      const auto found = labels_.find(label);
      if (found == labels_.end()) abi::fail(LLORCH_UNSUPPORTED, "no label ", label);
      kernel_.code[index].target = found->second;
    }
    labels_ = outer_labels;
    branches_ = outer_branches;
  }

  /// "call.uni name, (argument, ...);" of a function without result: its instructions stand here.
  void call() {
    const std::string name(take());
    expect(",");
    expect("(");
    std::vector<Operand> values;
    do {
      Operand value;
      if (!find_register(peek(), value)) abi::fail(LLORCH_UNSUPPORTED, "no argument ", peek());
      take();
      values.push_back(value);
    } while (take_if(","));
    expect(")");
    expect(";");
    const std::size_t at = definition_of(name);
    if (at == std::string::npos || !scope_.empty()) abi::fail(LLORCH_UNSUPPORTED, "a call of ", name);
    auto outer_tokens = std::exchange(tokens_, tokens_of(text_, at));
    const std::size_t outer_at = std::exchange(at_, 0);
    scope_ = name + '/';
    expect(".func");
    expect(name);
    expect("(");
    for (const Operand& value : values) {
      take_if(",");
      expect(".param");
      singles_[scope_ + variable().name] = value;
    }
    expect(")");
    while (peek() != "{")
      take();
    block();
    scope_.clear();
    tokens_ = std::move(outer_tokens);
    at_ = outer_at;
  }
  /// Of two places that name the function, the one that is followed by instructions.
  [[nodiscard]] std::size_t definition_of(const std::string& name) const {
    const std::string begin = ".func " + name;
    std::size_t at = text_.find(begin);
    while (at != std::string::npos && text_[text_.find_first_of("{;", at)] == ';')
      at = text_.find(begin, at + 1);
    return at;
  }

  void instruction() {
    Instruction i;
    i.line = tokens_[at_].line;
    if (take_if("@")) {
      i.guarded = true;
      i.guard_negated = take_if("!");
      i.guard = operand(0).at;
    }
    const std::string opcode(take());
    const std::vector<std::string_view> parts = parts_of(opcode);
    if (parts[0] == "bra") {
      i.flow = Flow::kBranch;
      branches_.emplace_back(kernel_.code.size(), std::string(take()));
    } else if (parts[0] == "ret") {
      i.flow = scope_.empty() ? Flow::kEnd : Flow::kBranch;
      if (!scope_.empty()) branches_.emplace_back(kernel_.code.size(), kReturn);
    } else if (parts[0] == "ld" || parts[0] == "st") {
      access(i, parts);
    } else if (opcode == "cp.async.cg.shared.global") {
      i.run = run_copy_async;
      address(i, i.offset);
      expect(",");
      address(i, i.second_offset);
      expect(",");
      if (number() != 16) abi::fail(LLORCH_UNSUPPORTED, "copies of other sizes");
    } else if (parts[0] == "mov" && (peek() == "{" || peek(2) == "{")) {
      move_vector(i, bytes_of_type(parts[1]));
    } else {
      by_form(i, opcode);
    }
    expect(";");
    kernel_.code.push_back(i);
  }

  void access(Instruction& i, const std::vector<std::string_view>& parts) {
    static const std::map<std::string_view, Space> kSpaces = {
        {"global", Space::kGlobal}, {"shared", Space::kShared}, {"local", Space::kLocal}, {"param", Space::kParameter}};
    for (std::size_t k = 1; k + 1 < parts.size(); ++k) {
      const std::string_view part = parts[k];
      if (const auto space = kSpaces.find(part); space != kSpaces.end()) {
        i.space = space->second;
      } else if (part == "v2" || part == "v4") {
        i.n_elements = part == "v2" ? 2 : 4;
      } else if (part != "nc" && part != "L1::no_allocate") {
        abi::fail(LLORCH_UNSUPPORTED, parts[0], " with ", part);
      }
    }
    i.element_bytes = bytes_of_type(parts.back());
    const bool is_signed = parts.back().starts_with('s');
    const bool load = parts[0] == "ld";
    i.run = load ? load_of(i.element_bytes, is_signed) : store_of(i.element_bytes);
    const std::string_view place = peek(load ? 3 : 1);
    if (Operand argument; i.space == Space::kParameter && !place.starts_with('%') && find_register(place, argument)) {
      return move_argument(i, load, argument);
    }
    const auto elements = [&] {
      const std::uint8_t begin = i.n_operands;
      if (vector(i, std::max<std::uint8_t>(i.element_bytes, 2)) != i.n_elements) {
        abi::fail(LLORCH_UNSUPPORTED, "expected ", int{i.n_elements}, " elements");
      }
      for (std::uint8_t k = begin; k < i.n_operands; ++k) {
        if (i.operands[k].bytes < i.element_bytes)
          abi::fail(LLORCH_UNSUPPORTED, "a register narrower than its element");
      }
    };
    if (load) {
      elements();
      expect(",");
      address(i, i.offset);
    } else {
      address(i, i.offset);
      expect(",");
      elements();
    }
  }

  /// "ld.param r, [name]" in a function that is called, "st.param [name + 0], r" where it is: between registers.
  void move_argument(Instruction& i, bool load, Operand argument) {
    if (load) {
      add(i, operand(argument.bytes));
      expect(",");
    }
    expect("[");
    take();
    if (take_if("+") && number() != 0) abi::fail(LLORCH_UNSUPPORTED, "a part of an argument");
    expect("]");
    add(i, argument);
    if (!load) {
      expect(",");
      add(i, operand(argument.bytes));
    }
    if (i.n_elements != 1 || i.element_bytes != argument.bytes || i.operands[0].bytes != i.operands[1].bytes) {
      abi::fail(LLORCH_UNSUPPORTED, "an argument of another width");
    }
    const auto move = forms().find("mov.b" + std::to_string(argument.bytes * 8));
    if (move == forms().end()) abi::fail(LLORCH_UNSUPPORTED, "an argument of ", int{argument.bytes}, " bytes");
    i.run = move->second.run;
  }

  void move_vector(Instruction& i, std::uint8_t bytes) {
    const bool unpack = peek() == "{";
    const auto part = [&](std::uint8_t n) { return static_cast<std::uint8_t>(bytes / n); };
    if (unpack) {
      i.run = run_unpack;
      i.n_elements = vector(i, part(2));
      expect(",");
      add(i, operand(bytes));
    } else {
      i.run = run_pack;
      add(i, operand(bytes));
      expect(",");
      i.n_elements = vector(i, part(2));
    }
    const std::size_t whole = unpack ? i.n_elements : 0, first = unpack ? 0 : 1;
    if (i.operands[whole].bytes != bytes) abi::fail(LLORCH_UNSUPPORTED, "a register of another width");
    for (std::size_t k = 0; k < i.n_elements; ++k) {
      if (i.operands[first + k].bytes != part(i.n_elements))
        abi::fail(LLORCH_UNSUPPORTED, "an element of another width");
    }
  }

  void by_form(Instruction& i, const std::string& opcode) {
    auto found = forms().find(opcode);
    if (Operand source; opcode.starts_with("cvt.") && find_register(peek(2), source)) {
      const auto wide = forms().find(opcode + " of " + std::to_string(source.bytes) + " bytes");
      if (wide != forms().end()) found = wide;
    }
    if (found == forms().end()) abi::fail(LLORCH_UNSUPPORTED, "no instruction ", opcode);
    const Form& form = found->second;
    i.run = form.run;
    i.flow = form.flow;
    Operand second;
    bool has_second = false;
    while (i.n_operands < form.operand_bytes.size()) {
      if (i.n_operands > 0) expect(",");
      const std::uint8_t begin = i.n_operands;
      if (peek() == "[") {
        address(i, i.offset);
        continue;
      }
      vector(i, form.operand_bytes[begin]);
      if (begin == 0 && take_if("|")) {
        second = operand(0);
        has_second = true;
      }
      if (i.n_operands > form.operand_bytes.size()) abi::fail(LLORCH_UNSUPPORTED, opcode, ": too many operands");
      for (std::uint8_t k = begin; k < i.n_operands; ++k) {
        if (i.operands[k].bytes != form.operand_bytes[k]) {
          abi::fail(LLORCH_UNSUPPORTED, opcode, ": operand ", int{k}, " has ", int{i.operands[k].bytes},
                    " bytes, expected ", int{form.operand_bytes[k]});
        }
      }
    }
    if (has_second) add(i, second);
  }

  static constexpr const char* kReturn = "return";  // no label of PTX: those begin with $

  const std::string& file_;
  const std::string& text_;
  std::string scope_;  // of a function that is called, in front of its registers' names
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  Kernel kernel_;
  std::map<std::string, Family> families_;
  std::unordered_map<std::string, Operand> singles_;
  std::unordered_map<std::string, std::uint64_t> symbols_;  // addresses in their space
  std::map<std::pair<std::uint64_t, std::uint8_t>, Operand> constants_;
  std::unordered_map<std::string, std::uint32_t> labels_;
  std::vector<std::pair<std::size_t, std::string>> branches_;
};

}  // namespace

Kernel assemble(const std::string& file, const std::string& text, std::size_t entry) {
  Kernel kernel = Assembler(file, text, entry).run();
  constexpr std::string_view kTarget = "\n.target sm_";
  constexpr int kFirstThatWaits = 90;
  const std::size_t target = text.find(kTarget);
  kernel.waits = target != std::string::npos && std::atoi(text.c_str() + target + kTarget.size()) >= kFirstThatWaits;
  return kernel;
}

}  // namespace llorch::cuda::ptx
