# The libraries that deps.sh built: headers as system headers, archives in link order.
set(flavour "")
if(VITALS_SANITIZE MATCHES "thread")
  set(flavour --tsan)  # TSan sees no synchronisation in code it did not compile
endif()
execute_process(COMMAND "${CMAKE_SOURCE_DIR}/cmake/deps.sh" ${flavour} --path
  OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "cmake/deps.sh could not say where the libraries are; its reason is above.")
endif()
if(NOT EXISTS "${prefix}/versions.txt")
  message(FATAL_ERROR "The libraries are not built yet (${prefix} is not there).\n"
                      "Build them once with: cmake/deps.sh ${flavour}   (./dev does it by itself)")
endif()
set(VITALS_DEPENDENCIES "${prefix}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  "${CMAKE_SOURCE_DIR}/cmake/deps.sh" "${prefix}/versions.txt")

# libpq reads PG* variables behind its caller's back, lets a server choose how long a login
# computes, and does not say why a certificate was refused: these three calls come to functions of
# ours (probes/postgres_libpq.cpp). Done here and not in
# deps.sh, because only what links them can link such a libpq.
set(libpq "${CMAKE_BINARY_DIR}/libpq_of_vitals.a")
execute_process(COMMAND "${CMAKE_OBJCOPY}" --redefine-sym getenv=vitals_libpq_getenv
  --redefine-sym scram_SaltedPassword=vitals_libpq_salted_password
  --redefine-sym SSL_free=vitals_libpq_ssl_free
  "${prefix}/lib/libpq.a" "${libpq}" COMMAND_ERROR_IS_FATAL ANY)

# libcurl makes a context and reads the session again for each connection: these three calls come to
# functions of ours (probes/http_reuse.cpp).
set(libcurl "${CMAKE_BINARY_DIR}/libcurl_of_vitals.a")
execute_process(COMMAND "${CMAKE_OBJCOPY}" --redefine-sym SSL_CTX_new=vitals_curl_context_new
  --redefine-sym i2d_SSL_SESSION=vitals_curl_session_to_bytes
  --redefine-sym d2i_SSL_SESSION=vitals_curl_session_of_bytes
  "${prefix}/lib/libcurl.a" "${libcurl}" COMMAND_ERROR_IS_FATAL ANY)

find_package(Threads REQUIRED)
add_library(vitals_dependencies INTERFACE)
target_include_directories(vitals_dependencies SYSTEM INTERFACE "${prefix}/include")
target_compile_definitions(vitals_dependencies INTERFACE FMT_HEADER_ONLY SPDLOG_FMT_EXTERNAL
  PCRE2_CODE_UNIT_WIDTH=8)
target_link_libraries(vitals_dependencies INTERFACE "${libcurl}" "${libpq}")
foreach(library pgcommon_shlib pgport_shlib hiredis_ssl hiredis ssl crypto cares
                prometheus-cpp-core pcre2-8)
  target_link_libraries(vitals_dependencies INTERFACE "${prefix}/lib/lib${library}.a")
endforeach()
target_link_libraries(vitals_dependencies INTERFACE Threads::Threads)
