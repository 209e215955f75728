# Two thirds of the time a source takes to compile goes into reading the same headers of the standard library
# and of fmt (and, in tests, of Catch2); HOLDFAST_PRECOMPILED reads them once. It hides a missing #include, so the
# presets that people build every day (quick, tidy) do without; and GCC 12 then forgets at -O2 and above which headers
# are the system's, and warns of what it wrongly sees in them.
#
# holdfast_precompile(TARGET) lets a room read them, holdfast_precompile(TARGET TESTS) a test program.
function(holdfast_precompile target)
  if(HOLDFAST_PRECOMPILED)
    set(from hf_precompiled)
    if("TESTS" IN_LIST ARGN)
      set(from hf_precompiled_tests)
    endif()
    target_precompile_headers(${target} REUSE_FROM ${from})
  endif()
endfunction()

if(HOLDFAST_PRECOMPILED)
  set(headers <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <cstdint> <cstring> <deque>
    <expected> <filesystem> <functional> <limits> <map> <memory> <mutex> <optional> <set> <span> <stop_token>
    <string> <string_view> <thread> <tuple> <utility> <variant> <vector> <fmt/format.h>)
  file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cc "")
  foreach(target hf_precompiled hf_precompiled_tests)
    add_library(${target} OBJECT ${CMAKE_BINARY_DIR}/precompiled.cc)
    target_link_libraries(${target} PRIVATE hf_flags fmt::fmt)
  endforeach()
  # A source compiled with other flags than these reads the headers themselves: slower, and not worth an error.
  target_compile_options(hf_flags INTERFACE -Wno-error=invalid-pch)
  target_precompile_headers(hf_precompiled PRIVATE ${headers})
  target_precompile_headers(hf_precompiled_tests PRIVATE ${headers} <catch2/catch.hpp>)
  target_compile_options(hf_precompiled_tests PRIVATE -O0)
endif()
