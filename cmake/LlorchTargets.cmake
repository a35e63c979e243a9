# Helper functions for the host's rooms, the test suites and the fuzzers.

# Warnings, sanitizers and the include root shared by all our own targets.
function(llorch_compile_settings target)
  set(host_only $<NOT:$<COMPILE_LANGUAGE:CUDA>>)
  target_compile_options(${target} PRIVATE
    $<${host_only}:-Wall> $<${host_only}:-Wextra> $<${host_only}:-Wpedantic> $<${host_only}:-Wshadow>
    $<${host_only}:-Wconversion> $<${host_only}:-Wno-sign-conversion>
    # What nvcc hands to the host's compiler is not pedantic C++.
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wshadow,-Wconversion,-Wno-sign-conversion>)
  if(LLORCH_WERROR)
    target_compile_options(${target} PRIVATE
      $<${host_only}:-Werror> "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Werror all-warnings -Xcompiler=-Werror>")
  endif()
  if(LLORCH_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${LLORCH_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${LLORCH_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      # Up to clang 16 its prologue data does not assemble for coroutines that are split into several functions.
      target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=function>)
    endif()
  endif()
endfunction()

# llorch_compile_together(target [alone...]): with LLORCH_UNITY, eight sources at a time are compiled as one, without those
# that have names in anonymous namespaces which a neighbour has too.
function(llorch_compile_together target)
  if(LLORCH_UNITY)
    set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    # An included source is no header, but looks like one.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

# llorch_room(name [DEPENDS room-or-library...] [ALONE file...]): one static library of all .cpp files in the current
# folder; ALONE: see llorch_compile_together().
# Rooms include each other as "room/file.hpp" and only downwards; docs/architecture.md lists the order.
function(llorch_room name)
  cmake_parse_arguments(arg "" "" "DEPENDS;ALONE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(sources)
    add_library(llorch_${name} STATIC ${sources})
    llorch_compile_settings(llorch_${name})
    llorch_compile_together(llorch_${name} ${arg_ALONE})
    target_include_directories(llorch_${name} PUBLIC "${CMAKE_SOURCE_DIR}/host")
    target_link_libraries(llorch_${name} PUBLIC ${arg_DEPENDS})
  else()
    add_library(llorch_${name} INTERFACE)
    target_include_directories(llorch_${name} INTERFACE "${CMAKE_SOURCE_DIR}/host")
    target_link_libraries(llorch_${name} INTERFACE ${arg_DEPENDS})
  endif()
endfunction()

# llorch_test_suite(name SOURCES ... [DEPENDS ...] [LABELS ...] [TOGETHER]): one Boost.Test executable, one ctest
# entry. TOGETHER: with llorch_compile_together().
function(llorch_test_suite name)
  cmake_parse_arguments(arg "TOGETHER" "" "SOURCES;DEPENDS;LABELS;ENVIRONMENT" ${ARGN})
  add_executable(test_${name} ${arg_SOURCES})
  llorch_compile_settings(test_${name})
  if(arg_TOGETHER)
    llorch_compile_together(test_${name})
  endif()
  # Boost.Test takes long to optimise, and nothing in a suite is slow: the library or plugin that it tests does the work.
  target_compile_options(test_${name} PRIVATE $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-O1>)
  # GCC 12 sees overlaps in inlined std::string code where there are none (GCC bug 105651).
  target_compile_options(test_${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
  target_compile_definitions(test_${name} PRIVATE
    LLORCH_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
    LLORCH_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_include_directories(test_${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests" "${CMAKE_SOURCE_DIR}/host")
  target_link_libraries(test_${name} PRIVATE llorch_test_main ${arg_DEPENDS})
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 600 ENVIRONMENT "${arg_ENVIRONMENT}")
  if("threads" IN_LIST arg_LABELS)
    llorch_threaded_test(test_${name})
  endif()
endfunction()

# What the ThreadSanitizer preset builds: the target threaded_tests.
function(llorch_threaded_test target)
  if(NOT TARGET threaded_tests)
    add_custom_target(threaded_tests)
  endif()
  add_dependencies(threaded_tests ${target})
endfunction()

# llorch_fuzzer(name SOURCE DEPENDS...): one libFuzzer binary fuzz_<name> with its corpus in fuzz/corpus/<name>.
function(llorch_fuzzer name source)
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_executable(fuzz_${name} ${source})
  add_dependencies(fuzzers fuzz_${name})
  llorch_compile_settings(fuzz_${name})
  target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
endfunction()
