// Filters over lists, dicts and other things with items.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "chat/filters.hpp"
#include "chat/objects.hpp"
#include "chat/operators.hpp"
#include "chat/printing.hpp"
#include "chat/unicode.hpp"

namespace llorch::chat {
namespace {

using Bound = std::vector<std::optional<Value>>;

bool flag(const std::optional<Value>& value, bool otherwise) {
  return value ? truth(*value) : otherwise;
}

// The value of a path of attributes and indices, "message.parts.0".
Value follow_path(Runtime& runtime, Value value, const Value& path) {
  if (path.integer()) return get_item(runtime, value, path);
  std::string_view rest = as_text(path, "attribute").bytes();
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = !part.empty() && error == std::errc() && end == part.data() + part.size() && part[0] != '-';
    value = get_item(runtime, value, is_index ? Value(index) : make_text(runtime, part));
    if (dot == std::string_view::npos) return value;
    rest.remove_prefix(dot + 1);
  }
}

// What sorting and comparing look at: an attribute if one is named, without case unless asked for.
struct Key {
  std::optional<Value> attribute;
  bool case_sensitive;
  [[nodiscard]] Value of(Runtime& runtime, const Value& item) const {
    Value key = attribute && !attribute->is<None>() ? follow_path(runtime, item, *attribute) : item;
    const Text* text = key.text();
    return text == nullptr || case_sensitive ? key : make_text(runtime, map_stretches(*text, to_lower));
  }
};

// Stable; each item with its key.
using Keyed = std::vector<std::pair<Value, Value>>;
void sort_keyed(Runtime& runtime, Keyed& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [&](const auto& a, const auto& b) {
    return reverse ? less(runtime, b.first, a.first) : less(runtime, a.first, b.first);
  });
}

Value length_filter(Runtime&, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "length", {}));
  return static_cast<std::int64_t>(length(subject));
}

Value first(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "first", {}));
  if (auto* generator = dynamic_cast<Generator*>(subject.object())) {
    return generator->next().value_or(undefined("No first item, sequence was empty."));
  }
  if (subject.text() != nullptr && !subject.text()->empty()) return get_item(runtime, subject, std::int64_t{0});
  const std::vector<Value> items = iterate(runtime, subject);
  return items.empty() ? undefined("No first item, sequence was empty.") : items.front();
}

Value last(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "last", {}));
  if (dynamic_cast<Generator*>(subject.object()) != nullptr) fail("last: 'generator' object is not reversible");
  if (subject.text() != nullptr && !subject.text()->empty()) return get_item(runtime, subject, std::int64_t{-1});
  const std::vector<Value> items = iterate(runtime, subject);
  return items.empty() ? undefined("No last item, sequence was empty.") : items.back();
}

Value join(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "join", {"d", "attribute"});
  const Text separator = values[0] ? to_text(runtime, *values[0]) : Text();
  TextBuilder out(runtime);
  bool is_first = true;
  for (const Value& item : iterate(runtime, subject)) {
    if (!is_first) out.append(separator);
    is_first = false;
    const bool by_attribute = values[1] && !values[1]->is<None>();
    out.append(to_text(runtime, by_attribute ? follow_path(runtime, item, *values[1]) : item));
  }
  return out.value();
}

Value list(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "list", {}));
  return make_list(runtime, iterate(runtime, subject));
}

Value items(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "items", {}));
  std::vector<Value> pairs;
  if (const DictNode* dict = subject.dict()) {
    for (const auto& [key, value] : dict->entries)
      pairs.push_back(make_list(runtime, {key, value}, ListKind::kTuple));
  } else if (!subject.is_undefined()) {
    fail(fmt::format("items: expected a dict, found {}", type_name(subject)));
  }
  return make_generator(runtime, std::move(pairs));
}

Value reverse(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "reverse", {}));
  std::vector<Value> all = iterate(runtime, subject);
  std::reverse(all.begin(), all.end());
  if (subject.text() == nullptr) return make_generator(runtime, std::move(all));
  TextBuilder out(runtime);
  for (const Value& character : all)
    out.append(*character.text());
  return out.value();
}

Value sort(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "sort", {"reverse", "case_sensitive", "attribute"});
  const Key key{values[2], flag(values[1], false)};
  Keyed keyed;
  for (const Value& item : iterate(runtime, subject))
    keyed.emplace_back(key.of(runtime, item), item);
  sort_keyed(runtime, keyed, flag(values[0], false));
  std::vector<Value> sorted;
  for (auto& [unused, item] : keyed)
    sorted.push_back(std::move(item));
  return make_list(runtime, std::move(sorted));
}

Value dictsort(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "dictsort", {"case_sensitive", "by", "reverse"});
  const DictNode* dict = subject.dict();
  if (dict == nullptr) fail(fmt::format("dictsort: expected a dict, found {}", type_name(subject)));
  const std::string by = values[1] ? as_text(*values[1], "dictsort").bytes() : "key";
  if (by != "key" && by != "value") fail("dictsort: by must be key or value");
  const Key key{std::nullopt, flag(values[0], false)};
  Keyed keyed;
  for (const auto& [name, value] : dict->entries) {
    keyed.emplace_back(key.of(runtime, by == "key" ? name : value),
                       make_list(runtime, {name, value}, ListKind::kTuple));
  }
  sort_keyed(runtime, keyed, flag(values[2], false));
  std::vector<Value> sorted;
  for (auto& [unused, pair] : keyed)
    sorted.push_back(std::move(pair));
  return make_list(runtime, std::move(sorted));
}

Value unique(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "unique", {"case_sensitive", "attribute"});
  const Key key{values[1], flag(values[0], false)};
  std::vector<Value> seen;
  std::vector<Value> kept;
  for (const Value& item : iterate(runtime, subject)) {
    Value of = key.of(runtime, item);
    if (!hashable(runtime, of)) fail(fmt::format("unhashable type: '{}'", type_name(of)));
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& other) { return equal(runtime, other, of); })) continue;
    seen.push_back(std::move(of));
    kept.push_back(item);
  }
  return make_generator(runtime, std::move(kept));
}

template <bool kMax>
Value extreme(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, kMax ? "max" : "min", {"case_sensitive", "attribute"});
  const Key key{values[1], flag(values[0], false)};
  const std::vector<Value> all = iterate(runtime, subject);
  if (all.empty()) return undefined("No aggregated item, sequence was empty.");
  std::size_t best = 0;
  Value best_key = key.of(runtime, all[0]);
  for (std::size_t i = 1; i < all.size(); ++i) {
    Value of = key.of(runtime, all[i]);
    if (kMax ? less(runtime, best_key, of) : less(runtime, of, best_key)) {
      best = i;
      best_key = std::move(of);
    }
  }
  return all[best];
}

Value sum(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "sum", {"attribute", "start"});
  Value total = values[1].value_or(Value(std::int64_t{0}));
  if (total.text() != nullptr) fail("sum: strings cannot be summed, join them");
  for (const Value& item : iterate(runtime, subject)) {
    const bool by_attribute = values[0] && !values[0]->is<None>();
    total = apply(runtime, BinaryOperator::kAdd, total, by_attribute ? follow_path(runtime, item, *values[0]) : item);
  }
  return total;
}

// The items that lazy filters look at: nothing false is iterated over, be it iterable or not.
std::vector<Value> lazy_items(Runtime& runtime, const Value& subject) {
  return truth(subject) ? iterate(runtime, subject) : std::vector<Value>();
}

// The first positional argument as a name, and the arguments after it.
std::pair<std::string, Arguments> named_rest(const Arguments& arguments, std::string_view what) {
  if (arguments.positional.empty()) fail(fmt::format("{}: expected the name of a filter or test", what));
  Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.named};
  return {as_text(arguments.positional[0], what).bytes(), std::move(rest)};
}

Value map(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  std::vector<Value> mapped;
  if (arguments.positional.empty()) {
    const Bound values = bind(arguments, "map", {"attribute", "default"}, 1);
    for (const Value& item : lazy_items(runtime, subject)) {
      Value value = follow_path(runtime, item, *values[0]);
      if (value.is_undefined() && values[1]) value = *values[1];
      mapped.push_back(std::move(value));
    }
  } else {
    const auto [name, rest] = named_rest(arguments, "map");
    for (const Value& item : lazy_items(runtime, subject))
      mapped.push_back(run_filter(runtime, name, item, rest));
  }
  return make_generator(runtime, std::move(mapped));
}

// select, reject, selectattr, rejectattr: items for which a test (or their truth) holds, or does not.
template <bool kByAttribute, bool kWanted>
Value choose(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  Arguments rest = arguments;
  std::optional<Value> attribute;
  if (kByAttribute) {
    if (rest.positional.empty()) fail("selectattr: expected the name of an attribute");
    attribute = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
  }
  std::optional<std::pair<std::string, Arguments>> test;
  if (!rest.positional.empty()) test = named_rest(rest, "select");
  std::vector<Value> chosen;
  for (const Value& item : lazy_items(runtime, subject)) {
    const Value value = attribute ? follow_path(runtime, item, *attribute) : item;
    const bool holds = test ? run_test(runtime, test->first, value, test->second) : truth(value);
    if (holds == kWanted) chosen.push_back(item);
  }
  return make_generator(runtime, std::move(chosen));
}

Value batch(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "batch", {"linecount", "fill_with"}, 1);
  const std::int64_t size = as_integer(*values[0], "batch");
  std::vector<Value> rows;
  std::vector<Value> row;
  for (const Value& item : iterate(runtime, subject)) {
    if (static_cast<std::int64_t>(row.size()) == size) rows.push_back(make_list(runtime, std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    const bool fill = values[1] && !values[1]->is<None>();
    while (fill && static_cast<std::int64_t>(row.size()) < size) {
      runtime.spend();
      runtime.meter.check(row.size() * sizeof(Value));
      row.push_back(*values[1]);
    }
    rows.push_back(make_list(runtime, std::move(row)));
  }
  return make_generator(runtime, std::move(rows));
}

Value attr(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "attr", {"name"}, 1);
  const std::string& name = as_text(*values[0], "attr").bytes();
  if (subject.dict() == nullptr) return get_attribute(runtime, subject, name);
  if (auto method = find_method(runtime, subject, name)) return *std::move(method);
  return undefined(fmt::format("'dict object' has no attribute '{}'", name));  // attributes only, no items
}

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  static const std::map<std::string_view, Filter> filters = {
      {"length", length_filter},
      {"count", length_filter},
      {"first", first},
      {"last", last},
      {"join", join},
      {"list", list},
      {"items", items},
      {"reverse", reverse},
      {"sort", sort},
      {"dictsort", dictsort},
      {"unique", unique},
      {"max", extreme<true>},
      {"min", extreme<false>},
      {"sum", sum},
      {"map", map},
      {"select", choose<false, true>},
      {"reject", choose<false, false>},
      {"selectattr", choose<true, true>},
      {"rejectattr", choose<true, false>},
      {"batch", batch},
      {"attr", attr},
  };
  const auto found = filters.find(name);
  return found == filters.end() ? nullptr : found->second;
}

Value run_filter(Runtime& runtime, std::string_view name, const Value& subject, const Arguments& arguments) {
  runtime.spend();
  Filter filter = find_text_filter(name);
  if (filter == nullptr) filter = find_sequence_filter(name);
  if (filter == nullptr) fail(fmt::format("there is no filter named '{}'", name));
  return filter(runtime, subject, arguments);
}

bool run_test(Runtime& runtime, std::string_view name, const Value& subject, const Arguments& arguments) {
  runtime.spend();
  const Test test = find_test(name);
  if (test == nullptr) fail(fmt::format("there is no test named '{}'", name));
  return test(runtime, subject, arguments);
}

}  // namespace llorch::chat
