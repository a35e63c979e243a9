# ptx_environment(OUT ARCHITECTURE SHARED_BYTES): what makes the emulation run the kernels from their PTX, with the shared
# memory that a block has there.
function(ptx_environment out architecture shared_bytes)
  set(folder "${CMAKE_BINARY_DIR}/plugins/cuda/CMakeFiles/llorch_cuda_ptx_${architecture}.dir")
  set(${out} "LLORCH_CUDA_EMULATION_PTX=${folder};LLORCH_CUDA_EMULATION_SHARED=${shared_bytes}" PARENT_SCOPE)
endfunction()

function(add_ptx_tests architecture shared_bytes)
  cmake_parse_arguments(arg "SLOW" "" "" ${ARGN})
  set(made llorch_cuda_ptx_${architecture})
  set(kernels ${LLORCH_CUDA_KERNELS} ${LLORCH_CUDA_TESTS})
  list(FILTER kernels INCLUDE REGEX "\\.cu$")
  add_library(${made} OBJECT ${kernels})
  set_target_properties(${made} PROPERTIES CUDA_PTX_COMPILATION ON CUDA_ARCHITECTURES ${architecture}-virtual UNITY_BUILD OFF)
  target_include_directories(${made} PRIVATE "${CMAKE_SOURCE_DIR}/plugins")
  target_link_libraries(${made} PRIVATE llorch_plugin_common)
  target_compile_options(${made} PRIVATE --fmad=false)

  ptx_environment(environment ${architecture} ${shared_bytes})
  # But for the cases of the emulations' own.
  add_test(NAME cuda_from_ptx_of_${architecture} COMMAND test_cuda_emulated --run_test=!emulation,ptx_of_kernels)
  set_tests_properties(cuda_from_ptx_of_${architecture} PROPERTIES LABELS plugins TIMEOUT 600 ENVIRONMENT "${environment}")
  if(NOT arg_SLOW)
    add_dependencies(test_cuda_emulated ${made})
  else()
    set_target_properties(${made} PROPERTIES EXCLUDE_FROM_ALL ON)
    add_test(NAME build_ptx_of_${architecture} COMMAND "${CMAKE_COMMAND}" --build "${CMAKE_BINARY_DIR}" --target ${made})
    set_tests_properties(build_ptx_of_${architecture} PROPERTIES
      LABELS "plugins;slow" TIMEOUT 600 FIXTURES_SETUP ptx_of_${architecture} RESOURCE_LOCK build)
    set_tests_properties(cuda_from_ptx_of_${architecture} PROPERTIES
      LABELS "plugins;slow" FIXTURES_REQUIRED ptx_of_${architecture})
  endif()
endfunction()

add_ptx_tests(75 65536 SLOW)
add_ptx_tests(80 166912 SLOW)
add_ptx_tests(90 232448)
