// Shared objects that break one rule of the ABI each; LLORCH_VARIANT_... says which. Their static constructor leaves a
// mark in the environment, so that a test can tell whether anything of them ran.
#include <llorch/llorch_plugin.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace {
struct LeavesMark {
  LeavesMark() { ::setenv("LLORCH_TEST_PLUGIN_RAN", LLORCH_VARIANT_NAME, 1); }
};
const LeavesMark mark;

[[maybe_unused]] llorch_status say(llorch_plugin_info* out, std::uint32_t abi_min, std::uint32_t abi_max,
                                   const char* id) {
  out->abi_min = abi_min;
  out->abi_max = abi_max;
  std::strcpy(out->id, id);
  std::strcpy(out->version, "0.0.1");
  return LLORCH_OK;
}
}  // namespace

#ifndef LLORCH_VARIANT_NO_QUERY
extern "C" LLORCH_EXPORT llorch_status llorch_plugin_query(llorch_plugin_info* out) {
#if defined(LLORCH_VARIANT_FUTURE_ABI)
  return say(out, 2, 3, "from_the_future");
#elif defined(LLORCH_VARIANT_INVERTED_ABI)
  return say(out, 3, 1, "inverted");
#elif defined(LLORCH_VARIANT_QUERY_THROWS)
  (void)out;
  throw std::runtime_error("query broke");
#elif defined(LLORCH_VARIANT_QUERY_FAILS)
  (void)out;
  return LLORCH_DEVICE_ERROR;
#elif defined(LLORCH_VARIANT_EMPTY_ID)
  return say(out, 1, 1, "");
#else
  return say(out, 1, 1, LLORCH_VARIANT_NAME);
#endif
}
#endif

#ifndef LLORCH_VARIANT_NO_OPEN
extern "C" LLORCH_EXPORT llorch_status llorch_plugin_open(uint32_t, const llorch_host_api*, llorch_plugin** out,
                                                          const llorch_plugin_api** api, llorch_error*) {
#if defined(LLORCH_VARIANT_OPEN_THROWS)
  (void)out;
  (void)api;
  throw std::runtime_error("open broke");
#elif defined(LLORCH_VARIANT_OPEN_THROWS_INT)
  (void)out;
  (void)api;
  throw 7;
#elif defined(LLORCH_VARIANT_EMPTY_TABLE)
  static const llorch_plugin_api kTable = [] {
    llorch_plugin_api table{};
    table.struct_size = sizeof table;
    table.abi_version = LLORCH_ABI_VERSION;
    return table;
  }();
  *api = &kTable;
  *out = reinterpret_cast<llorch_plugin*>(out);
  return LLORCH_OK;
#elif defined(LLORCH_VARIANT_SHORT_TABLE)
  static const llorch_plugin_api kTable = [] {  // a table that ends before forward
    llorch_plugin_api table{};
    std::memset(static_cast<void*>(&table), 0x5a, sizeof table);  // poison behind the end: never to be called
    table.close = [](llorch_plugin*) {};
    table.struct_size = static_cast<std::uint32_t>(LLORCH_END(llorch_plugin_api, context_destroy));
    table.abi_version = LLORCH_ABI_VERSION;
    return table;
  }();
  *api = &kTable;
  *out = reinterpret_cast<llorch_plugin*>(out);
  return LLORCH_OK;
#elif defined(LLORCH_VARIANT_OTHER_TABLE)
  static const llorch_plugin_api kTable = [] {
    llorch_plugin_api table{};
    table.struct_size = sizeof table;
    table.abi_version = 9;
    return table;
  }();
  *api = &kTable;
  *out = reinterpret_cast<llorch_plugin*>(out);
  return LLORCH_OK;
#else
  (void)out;
  (void)api;
  return LLORCH_OK;  // OK, but without handle and table
#endif
}
#endif
