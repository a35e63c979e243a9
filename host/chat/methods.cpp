// Methods of dicts and lists, and the choice of a method by the type of its receiver.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>

#include "chat/objects.hpp"
#include "chat/operators.hpp"
#include "chat/text_methods.hpp"

namespace llorch::chat {
namespace {

// Templates run in an immutable sandbox, as in transformers.
Native refuse_change(std::string_view type, std::string_view method) {
  return [message = fmt::format("{}.{} would change its {}: templates must not", type, method, type)](
             Runtime&, const Arguments&) -> Value { fail(message); };
}

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value dict_view(Runtime& runtime, const DictNode& dict, ListKind kind) {
  std::vector<Value> items;
  items.reserve(dict.entries.size());
  for (const auto& [key, value] : dict.entries) {
    items.push_back(kind == ListKind::kKeys     ? key
                    : kind == ListKind::kValues ? value
                                                : make_list(runtime, {key, value}, ListKind::kTuple));
  }
  return make_list(runtime, std::move(items), kind);
}

Native dict_method(const DictRef& dict, std::string_view name) {
  constexpr std::array<std::string_view, 5> kChanging = {"clear", "pop", "popitem", "setdefault", "update"};
  const auto view = [&](ListKind kind) -> Native {
    return [dict, kind](Runtime& runtime, const Arguments& arguments) {
      static_cast<void>(bind(arguments, "a view of a dict", {}));
      return dict_view(runtime, *dict, kind);
    };
  };
  if (name == "items") return view(ListKind::kItems);
  if (name == "keys") return view(ListKind::kKeys);
  if (name == "values") return view(ListKind::kValues);
  if (name == "copy") {
    return [dict](Runtime&, const Arguments& arguments) {
      static_cast<void>(bind(arguments, "copy", {}));
      return Value(dict);
    };
  }
  if (name == "get") {
    return [dict](Runtime& runtime, const Arguments& arguments) {
      const auto values = bind(arguments, "get", {"key", "default"}, 1);
      const Value* found = dict->find(runtime, *values[0]);
      return found != nullptr ? *found : values[1].value_or(Value(None{}));
    };
  }
  if (is_one_of(name, kChanging)) return refuse_change("dict", name);
  return nullptr;
}

Native list_method(const ListRef& list, std::string_view name) {
  constexpr std::array<std::string_view, 8> kChanging = {"append", "clear",  "extend",  "insert",
                                                         "pop",    "remove", "reverse", "sort"};
  if (list->kind != ListKind::kList && list->kind != ListKind::kTuple) return nullptr;
  if (name == "index" || name == "count") {
    const bool count = name == "count";
    return [list, count](Runtime& runtime, const Arguments& arguments) -> Value {
      const auto values = bind(arguments, count ? "count" : "index", {"value"}, 1);
      std::int64_t matches = 0;
      for (std::size_t i = 0; i < list->items.size(); ++i) {
        if (!equal(runtime, list->items[i], *values[0])) continue;
        if (!count) return static_cast<std::int64_t>(i);
        ++matches;
      }
      if (!count) fail("index: the value is not in the list");
      return matches;
    };
  }
  if (list->kind != ListKind::kList) return nullptr;
  if (name == "copy") {
    return [list](Runtime&, const Arguments& arguments) {
      static_cast<void>(bind(arguments, "copy", {}));
      return Value(list);
    };
  }
  if (is_one_of(name, kChanging)) return refuse_change("list", name);
  return nullptr;
}

}  // namespace

std::optional<Value> find_method(Runtime& runtime, const Value& receiver, std::string_view name) {
  Native native;
  if (const auto* text = receiver.get_if<TextRef>()) {
    native = find_text_method(*text, name);
  } else if (const auto* dict = receiver.get_if<DictRef>()) {
    native = dict_method(*dict, name);
  } else if (const auto* list = receiver.get_if<ListRef>()) {
    native = list_method(*list, name);
  }
  if (!native) return std::nullopt;
  return make_function(runtime, std::move(native), receiver.depth());
}

}  // namespace llorch::chat
