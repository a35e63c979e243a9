#include "chat/value.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace llorch::chat {
namespace {

std::uint32_t deepest(const std::vector<Value>& items) {
  std::uint32_t depth = 0;
  for (const Value& item : items)
    depth = std::max(depth, item.depth());
  return depth;
}

std::uint32_t deepest(const std::vector<std::pair<Value, Value>>& entries) {
  std::uint32_t depth = 0;
  for (const auto& [key, value] : entries)
    depth = std::max({depth, key.depth(), value.depth()});
  return depth;
}

// Deeper values would be destroyed, compared and printed with deep recursion.
std::uint32_t checked_depth(std::uint32_t inner) {
  if (inner >= RenderLimits::kMaxValueDepth) {
    fail(fmt::format("lists and dicts nest deeper than {} levels", RenderLimits::kMaxValueDepth));
  }
  return inner + 1;
}

bool is_tuple(const ListNode& list) {
  return list.kind == ListKind::kTuple;
}

}  // namespace

const Text* Value::text() const {
  const auto* ref = get_if<TextRef>();
  return ref == nullptr ? nullptr : &(*ref)->text;
}

const std::vector<Value>* Value::items() const {
  const auto* ref = get_if<ListRef>();
  return ref == nullptr ? nullptr : &(*ref)->items;
}

const DictNode* Value::dict() const {
  const auto* ref = get_if<DictRef>();
  return ref == nullptr ? nullptr : ref->get();
}

Object* Value::object() const {
  const auto* ref = get_if<ObjectRef>();
  return ref == nullptr ? nullptr : ref->get();
}

std::optional<std::int64_t> Value::integer() const {
  if (const auto* number = get_if<std::int64_t>()) return *number;
  if (const auto* flag = get_if<bool>()) return *flag ? 1 : 0;
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const auto* real = get_if<double>()) return *real;
  if (const auto whole = integer()) return static_cast<double>(*whole);
  return std::nullopt;
}

std::uint32_t Value::depth() const {
  if (const auto* list = get_if<ListRef>()) return (*list)->depth;
  if (const auto* dictionary = get_if<DictRef>()) return (*dictionary)->depth;
  const Object* thing = object();
  return thing == nullptr ? 0 : thing->depth();
}

const Value* DictNode::find(Runtime& runtime, const Value& key) const {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return equal(runtime, entry.first, key); });
  return found == entries.end() ? nullptr : &found->second;
}

const Value* DictNode::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) {
    const Text* text = entry.first.text();
    return text != nullptr && text->bytes() == key;
  });
  return found == entries.end() ? nullptr : &found->second;
}

std::string Object::repr(Runtime&) const {
  return fmt::format("<{}>", type_name());
}

std::optional<Value> Object::attribute(Runtime&, std::string_view) {
  return std::nullopt;
}

std::optional<Value> Object::item(Runtime&, std::int64_t) {
  return std::nullopt;
}

bool Object::iterate(Runtime&, std::vector<Value>&) {
  return false;
}

Value Object::call(Runtime&, const Arguments&) {
  fail(fmt::format("'{}' object is not callable", type_name()));
}

Value make_text(Runtime& runtime, Text text) {
  const std::size_t bytes = sizeof(TextNode) + text.size() + text.foreign().size() * sizeof(TextRange);
  Charge charge(runtime.meter, bytes);
  runtime.spend_bytes(text.size());
  return TextRef(std::make_shared<TextNode>(TextNode{std::move(text), std::move(charge)}));
}

Value make_text(Runtime& runtime, std::string_view text, Origin origin) {
  runtime.meter.check(text.size());
  return make_text(runtime, Text(std::string(text), origin));
}

Value make_list(Runtime& runtime, std::vector<Value> items, ListKind kind) {
  runtime.spend_bytes(items.size() * sizeof(Value));
  const std::uint32_t depth = checked_depth(deepest(items));
  Charge charge(runtime.meter, sizeof(ListNode) + items.size() * sizeof(Value));
  return ListRef(std::make_shared<ListNode>(ListNode{std::move(items), kind, depth, std::move(charge)}));
}

Value make_dict(Runtime& runtime, std::vector<std::pair<Value, Value>> entries) {
  runtime.spend_bytes(entries.size() * 2 * sizeof(Value));
  const std::uint32_t depth = checked_depth(deepest(entries));
  Charge charge(runtime.meter, sizeof(DictNode) + entries.size() * 2 * sizeof(Value));
  return DictRef(std::make_shared<DictNode>(DictNode{std::move(entries), depth, std::move(charge)}));
}

Value free_text(std::string_view text, Origin origin) {
  return TextRef(std::make_shared<TextNode>(TextNode{Text(std::string(text), origin), {}}));
}

Value free_list(std::vector<Value> items) {
  const std::uint32_t depth = checked_depth(deepest(items));
  return ListRef(std::make_shared<ListNode>(ListNode{std::move(items), ListKind::kList, depth, {}}));
}

Value free_dict(std::vector<std::pair<Value, Value>> entries) {
  const std::uint32_t depth = checked_depth(deepest(entries));
  return DictRef(std::make_shared<DictNode>(DictNode{std::move(entries), depth, {}}));
}

Value undefined(std::string message) {
  return Undefined{std::make_shared<const std::string>(std::move(message))};
}

bool truth(const Value& value) {
  if (const auto* flag = value.get_if<bool>()) return *flag;
  if (const auto* number = value.get_if<std::int64_t>()) return *number != 0;
  if (const auto* number = value.get_if<double>()) return *number != 0;
  if (const Text* text = value.text()) return !text->empty();
  if (const auto* items = value.items()) return !items->empty();
  if (const DictNode* dict = value.dict()) return !dict->entries.empty();
  if (const Object* object = value.object()) return object->truth();
  return false;
}

bool equal(Runtime& runtime, const Value& left, const Value& right) {
  runtime.spend();  // values may share parts, so that the tree to compare is far larger than what is in memory
  if (const Text* text = left.text()) {
    const Text* other = right.text();
    if (other == nullptr || other->size() != text->size()) return false;
    runtime.spend_bytes(text->size());
    return text->bytes() == other->bytes();
  }
  if (const auto a = left.integer(), b = right.integer(); a && b) return *a == *b;
  if (const auto a = left.number(), b = right.number(); a && b) return *a == *b;
  if (const auto* list = left.get_if<ListRef>()) {
    const auto* other = right.get_if<ListRef>();
    if (other == nullptr || is_tuple(**list) != is_tuple(**other)) return false;
    const auto& a = (*list)->items;
    const auto& b = (*other)->items;
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [&](const Value& x, const Value& y) { return equal(runtime, x, y); });
  }
  if (const DictNode* dict = left.dict()) {
    const DictNode* other = right.dict();
    if (other == nullptr || dict->entries.size() != other->entries.size()) return false;
    return std::all_of(dict->entries.begin(), dict->entries.end(), [&](const auto& entry) {
      const Value* found = other->find(runtime, entry.first);
      return found != nullptr && equal(runtime, entry.second, *found);
    });
  }
  if (left.object() != nullptr) return left.object() == right.object();
  return left.content().index() == right.content().index() && left.content().index() < 2;  // undefined, none
}

std::string_view type_name(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is<None>()) return "NoneType";
  if (value.is<bool>()) return "bool";
  if (value.is<std::int64_t>()) return "int";
  if (value.is<double>()) return "float";
  if (value.is<TextRef>()) return "str";
  if (value.is<DictRef>()) return "dict";
  if (const Object* object = value.object()) return object->type_name();
  switch ((*value.get_if<ListRef>())->kind) {
    case ListKind::kList:
      return "list";
    case ListKind::kTuple:
      return "tuple";
    case ListKind::kKeys:
      return "dict_keys";
    case ListKind::kValues:
      return "dict_values";
    case ListKind::kItems:
      return "dict_items";
  }
  return "list";
}

std::string describe(const Value& value) {
  if (value.is<None>()) return "None";
  return fmt::format("{} object", type_name(value));
}

void require_defined(const Value& value) {
  const auto* missing = value.get_if<Undefined>();
  if (missing == nullptr) return;
  fail(missing->message == nullptr ? "an undefined value was used" : *missing->message);
}

std::vector<Value> iterate(Runtime& runtime, const Value& value) {
  std::vector<Value> out;
  if (const auto* items = value.items()) {
    runtime.spend(items->size());
    out = *items;
  } else if (const Text* text = value.text()) {
    runtime.spend(text->length());
    const std::string_view bytes = text->bytes();
    for (std::size_t at = 0; at < bytes.size();) {
      std::size_t end = at + 1;
      while (end < bytes.size() && (static_cast<unsigned char>(bytes[end]) & 0xC0U) == 0x80)
        ++end;
      out.push_back(make_text(runtime, text->slice(at, end)));
      at = end;
    }
  } else if (const DictNode* dict = value.dict()) {
    runtime.spend(dict->entries.size());
    for (const auto& [key, unused] : dict->entries)
      out.push_back(key);
  } else if (Object* object = value.object(); object != nullptr && object->iterate(runtime, out)) {
    runtime.spend(out.size());
  } else if (!value.is_undefined()) {
    fail(fmt::format("'{}' object is not iterable", type_name(value)));
  }
  return out;
}

std::size_t length(const Value& value) {
  if (const Text* text = value.text()) return text->length();
  if (const auto* items = value.items()) return items->size();
  if (const DictNode* dict = value.dict()) return dict->entries.size();
  if (value.is_undefined()) return 0;
  const Object* object = value.object();
  const auto size = object == nullptr ? std::nullopt : object->length();
  if (!size) fail(fmt::format("object of type '{}' has no len()", type_name(value)));
  return *size;
}

bool hashable(Runtime& runtime, const Value& value) {
  runtime.spend();
  if (value.is<DictRef>()) return false;
  const auto* list = value.get_if<ListRef>();
  if (list == nullptr) return true;
  const auto& items = (*list)->items;
  return is_tuple(**list) &&
         std::all_of(items.begin(), items.end(), [&](const Value& item) { return hashable(runtime, item); });
}

void TextBuilder::grow(std::size_t bytes) {
  charge_.grow(bytes);
  runtime_.spend_bytes(bytes);
}

void TextBuilder::append(const Text& text, std::size_t begin, std::size_t end) {
  const std::size_t ranges = text_.foreign().size();
  grow(end - begin);
  text_.append(text, begin, end);
  charge_.grow((text_.foreign().size() - ranges) * sizeof(TextRange));
}

void TextBuilder::append(std::string_view bytes, Origin origin) {
  grow(bytes.size());
  text_.append(bytes, origin);
}

Text TextBuilder::take() {
  charge_ = Charge(runtime_.meter, 0);
  return std::exchange(text_, Text());
}

}  // namespace llorch::chat
