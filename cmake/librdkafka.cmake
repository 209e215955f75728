# librdkafka, as target `librdkafka`: the system's, or the one in HOLDFAST_LIBRDKAFKA_ROOT, which
# `scripts/services librdkafka` builds. Programs find the latter through their run path.
if(HOLDFAST_LIBRDKAFKA_ROOT)
  find_library(HOLDFAST_LIBRDKAFKA rdkafka REQUIRED
    PATHS ${HOLDFAST_LIBRDKAFKA_ROOT}/lib NO_DEFAULT_PATH NO_CACHE)
  add_library(librdkafka SHARED IMPORTED)
  set_target_properties(librdkafka PROPERTIES IMPORTED_LOCATION ${HOLDFAST_LIBRDKAFKA}
    INTERFACE_INCLUDE_DIRECTORIES ${HOLDFAST_LIBRDKAFKA_ROOT}/include)
else()
  pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka>=2.0.2)
  add_library(librdkafka ALIAS PkgConfig::rdkafka)
endif()
