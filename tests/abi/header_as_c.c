/* The header in plain C: nothing but it is included, and a caller's view of it works without C++. */
#include <llorch/llorch_plugin.h>

int llorch_test_error_reaches_code(uint32_t struct_size);

int llorch_test_error_reaches_code(uint32_t struct_size) {
  llorch_error error = {0, 0, {0}};
  error.struct_size = struct_size;
  return LLORCH_HAS(&error, llorch_error, code);
}
