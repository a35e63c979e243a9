# llorch_add_plugin(name SOURCES ... [DEPENDS ...]): a plugin that keeps the ABI's rules on symbols and lifetime.
#   - only llorch_plugin_query and llorch_plugin_open are visible (version script, hidden by default)
#   - no undefined symbols (-z defs), never unloaded (-z nodelete), no GNU unique symbols
#   - the file is <name>.so in LLORCH_PLUGIN_OUTPUT_DIRECTORY (if set), installed to lib/llorch/plugins
set(LLORCH_PLUGIN_VERSION_SCRIPT "${CMAKE_CURRENT_LIST_DIR}/llorch_plugin.map")

function(llorch_add_plugin name)
  cmake_parse_arguments(arg "NO_INSTALL" "OUTPUT_DIRECTORY" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE llorch::plugin_api ${arg_DEPENDS})
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".so"
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS "${LLORCH_PLUGIN_VERSION_SCRIPT}")
  if(arg_OUTPUT_DIRECTORY)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${arg_OUTPUT_DIRECTORY}")
  elseif(LLORCH_PLUGIN_OUTPUT_DIRECTORY)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${LLORCH_PLUGIN_OUTPUT_DIRECTORY}")
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique>)
  endif()
  target_link_options(${name} PRIVATE "-Wl,--version-script=${LLORCH_PLUGIN_VERSION_SCRIPT}" -Wl,-z,nodelete)
  # A sanitizer's runtime lives in the executable, so its symbols are undefined here by design.
  if(NOT LLORCH_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  if(NOT arg_NO_INSTALL)
    # Not CMAKE_INSTALL_LIBDIR: the host finds plugins beside itself, in the layout of the build tree, on every system.
    install(TARGETS ${name} LIBRARY DESTINATION "lib/llorch/plugins")
  endif()
endfunction()
