# What a binary says about itself. Runs twice: included, it defines the target; as a script at
# every build, it writes the one source that knows the revision, and only when that changed.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(build_info_source "${CMAKE_BINARY_DIR}/generated/vitals_build_info.cpp")
  add_custom_target(vitals_build_info_source BYPRODUCTS "${build_info_source}"
    COMMAND "${CMAKE_COMMAND}" "-DVERSION=${PROJECT_VERSION}" "-DSOURCE_DIR=${CMAKE_SOURCE_DIR}"
      "-DVERSIONS=${VITALS_DEPENDENCIES}/versions.txt" "-DOUTPUT=${build_info_source}"
      -P "${CMAKE_CURRENT_LIST_FILE}"
    COMMENT "Asking git for the revision" VERBATIM)
  add_library(vitals_build_info STATIC "${build_info_source}")
  add_dependencies(vitals_build_info vitals_build_info_source)
  target_include_directories(vitals_build_info PUBLIC "${CMAKE_SOURCE_DIR}/cmake/build_info")
  target_link_libraries(vitals_build_info PRIVATE vitals_flags)
  return()
endif()

# No lock on the index: somebody may be committing in this checkout at the same moment.
execute_process(COMMAND git --no-optional-locks describe --always --dirty --abbrev=12
  WORKING_DIRECTORY "${SOURCE_DIR}" OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_QUIET RESULT_VARIABLE failed)
if(NOT "$ENV{VITALS_REVISION}" STREQUAL "")
  set(REVISION "$ENV{VITALS_REVISION}")  # an image is built without .git and is told
elseif(failed)
  set(REVISION unknown)  # a source archive
endif()

set(entries "")
file(STRINGS "${VERSIONS}" lines)
foreach(line IN LISTS lines)
  string(REPLACE " " ";" words "${line}")
  list(GET words 0 name)
  list(GET words 1 package)
  # Names and versions as upstream says them: libspdlog-dev 1:1.15.2+ds-2 is spdlog 1.15.2.
  string(REGEX REPLACE "^postgresql-.*" "libpq" name "${name}")
  string(REGEX REPLACE "^(lib)?(.*[^3])3?-dev$" "\\2" name "${name}")
  string(REGEX REPLACE "^[0-9]+:" "" version "${package}")
  string(REGEX REPLACE "([+~]|-[0-9.]+).*$" "" version "${version}")
  if(name STREQUAL "doctest")  # of the tests alone, it is in no binary
    continue()
  endif()
  list(APPEND entries "    {\"${name}\", \"${version}\", \"${package}\"},")
endforeach()
list(SORT entries)
list(JOIN entries "\n" LIBRARIES)
configure_file("${SOURCE_DIR}/cmake/build_info/vitals_build_info.cpp.in" "${OUTPUT}" @ONLY)
