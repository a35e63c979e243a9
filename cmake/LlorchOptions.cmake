# Build options, output layout and compiler cache: what every folder below relies on.

option(LLORCH_BUILD_HOST "Build llorch-host" ON)
option(LLORCH_BUILD_TESTS "Build the test suites" ON)
option(LLORCH_BUILD_FUZZERS "Build libFuzzer targets (clang only)" OFF)
option(LLORCH_BUILD_BENCH "Build the micro benchmarks in bench/" OFF)
option(LLORCH_BUILD_GPU_CHECK "Build gpu_check, the suites and benchmark of GPU plugins that need no library" OFF)
set(LLORCH_CUDA AUTO CACHE STRING "Build llama2_cuda: AUTO (where nvcc is found), ON (or fail) or OFF")
set_property(CACHE LLORCH_CUDA PROPERTY STRINGS AUTO ON OFF)
option(LLORCH_UNITY "Compile several sources of a room or a test suite at a time: quicker from nothing, slower after a change" OFF)
option(LLORCH_WERROR "Treat warnings as errors" ON)
set(LLORCH_SANITIZE "" CACHE STRING "Sanitizers, as given to -fsanitize= (for example address,undefined or thread)")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# The build tree has the layout of an installation, so the host finds its plugins the same way in both:
# bin/llorch-host and, beside it, lib/llorch/plugins/*.so.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(LLORCH_PLUGIN_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib/llorch/plugins")

find_program(LLORCH_CCACHE ccache)
if(LLORCH_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${LLORCH_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${launcher})
endif()
