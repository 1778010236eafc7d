# How our own code is compiled and linked. Presets choose; nothing here depends on a library.
include(CheckCXXCompilerFlag)
include(CheckLinkerFlag)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

find_program(ccache ccache)
if(ccache AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without the base folder, a second clone would compile everything again.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${ccache}")
endif()

# __FILE__ and debug information do not depend on where the checkout is, nor on ccache, which
# hands the compiler paths as seen from the build folder.
file(RELATIVE_PATH source_from_build "${CMAKE_BINARY_DIR}" "${CMAKE_SOURCE_DIR}/")

add_library(vitals_flags INTERFACE)
target_compile_options(vitals_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wformat=2 -Wextra-semi
  # {.rise = 2, .fall = 3} leaves the other fields at their defaults on purpose.
  -Wno-missing-field-initializers
  -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong
  "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=" "-ffile-prefix-map=${source_from_build}=")
if(VITALS_WERROR)
  target_compile_options(vitals_flags INTERFACE -Werror)
endif()
target_compile_definitions(vitals_flags INTERFACE _GLIBCXX_ASSERTIONS)
target_link_options(vitals_flags INTERFACE -Wl,--gc-sections)

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(vitals_flags INTERFACE -U_FORTIFY_SOURCE)
  target_compile_definitions(vitals_flags INTERFACE _FORTIFY_SOURCE=3)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 14)
  # At -O1 it doubts an optional that is always set. The release build asks.
  target_compile_options(vitals_flags INTERFACE -Wno-maybe-uninitialized)
endif()

if(VITALS_SANITIZE)
  target_compile_options(vitals_flags INTERFACE "-fsanitize=${VITALS_SANITIZE}"
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(vitals_flags INTERFACE "-fsanitize=${VITALS_SANITIZE}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Checks the sanitizer adds make g++ doubt variables that are always set.
    target_compile_options(vitals_flags INTERFACE -Wno-maybe-uninitialized)
    if(VITALS_SANITIZE MATCHES "thread")
      target_compile_options(vitals_flags INTERFACE -Wno-tsan)
    endif()
  endif()
endif()
if(VITALS_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "Fuzzing needs clang: use the preset, cmake --preset fuzz.")
  endif()
  target_compile_options(vitals_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What makes the program one file that runs anywhere.
add_library(vitals_static INTERFACE)
if(VITALS_STATIC)
  target_link_options(vitals_static INTERFACE -static-pie -s
    -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  # Two types of one name in two files: the linker would keep the functions of one of them.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_link_options(vitals_static INTERFACE -Werror=odr -Werror=lto-type-mismatch)
  endif()
  # Packed relative relocations: 0.6 MB less where binutils (2.38) and glibc (2.36) know them.
  check_linker_flag(CXX "-Wl,--fatal-warnings,-z,pack-relative-relocs" VITALS_HAS_RELR)
  if(VITALS_HAS_RELR)
    target_link_options(vitals_static INTERFACE -Wl,-z,pack-relative-relocs)
  endif()
endif()
