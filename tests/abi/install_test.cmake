# Installs llorch under a fresh prefix, builds the template there with find_package(llorch) and nothing of this tree, and
# lets the installed host load both what was installed and what was built.
#   cmake -D BUILD_DIR=... -D WORK_DIR=... -D GENERATOR=... -D CXX=... -D CONFIG=... -P install_test.cmake

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}\nexit code ${result}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
set(prefix "${WORK_DIR}/prefix")
run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${prefix}")
foreach(file IN ITEMS bin/llorch-host lib/llorch/plugins/gpt2_cpu.so include/llorch/llorch_plugin.h
                      include/llorch/plugin.hpp include/llorch/plugin_table.hpp lib/cmake/llorch/llorchConfig.cmake
                      lib/cmake/llorch/llorchConfigVersion.cmake share/llorch/template/bag_of_words.cpp)
  if(NOT EXISTS "${prefix}/${file}")
    message(FATAL_ERROR "not installed: ${file}")
  endif()
endforeach()

file(COPY "${prefix}/share/llorch/template/" DESTINATION "${WORK_DIR}/author")
run("${CMAKE_COMMAND}" -S "${WORK_DIR}/author" -B "${WORK_DIR}/author/build" -G "${GENERATOR}"
    "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_BUILD_TYPE=${CONFIG}")
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/author/build")

run("${prefix}/bin/llorch-host" plugins --json --plugin-dir "${WORK_DIR}/author/build")
foreach(expected IN ITEMS "\"id\":\"bag_of_words\"" "\"id\":\"gpt2_cpu\"" "${prefix}/lib/llorch/plugins/gpt2_cpu.so")
  string(FIND "${output}" "${expected}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "expected ${expected} in\n${output}")
  endif()
endforeach()
file(REMOVE_RECURSE "${WORK_DIR}")
