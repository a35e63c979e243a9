// What broken.cpp needs from elsewhere: left out of one object, to see that the kit names the symbol.
extern "C" __attribute__((visibility("hidden"))) int llorch_test_base_symbol() {
  return 1;
}
