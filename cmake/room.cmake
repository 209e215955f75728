# holdfast_room(NAME [COLD] SOURCES a.cc b.cc [LINKS room...] [PRIVATE_LINKS third-party...])
# A room is a static library `hf_<NAME>`. LINKS are other rooms, also visible to the room's users. PRIVATE_LINKS are
# third-party libraries that no header of the room may include. COLD: the room does no heavy work per
# byte of backup data, so release builds compile it with -O1, which takes two thirds of the time.
add_library(hf_flags INTERFACE)
target_include_directories(hf_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(hf_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast)
# Designated initialisers leave the other members at their defaults on purpose.
target_compile_options(hf_flags INTERFACE -Wno-missing-field-initializers)
# A new compiler version may give a false warning. It must not stop a user's build.
if(HOLDFAST_WERROR)
  target_compile_options(hf_flags INTERFACE -Werror)
endif()
# When Debian 12's GCC 12 optimises, it falsely reports overlapping copies, overreads, impossible sizes and offsets in
# its own libstdc++.
target_compile_options(hf_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-stringop-overread -Wno-error=maybe-uninitialized
    -Wno-error=stringop-overflow -Wno-error=array-bounds>)
target_compile_definitions(hf_flags INTERFACE
  HOLDFAST_VERSION="${PROJECT_VERSION}"
  $<$<BOOL:${HOLDFAST_CRASH_POINTS}>:HOLDFAST_CRASH_POINTS=1>)
target_link_libraries(hf_flags INTERFACE Threads::Threads)
if(HOLDFAST_SANITIZE)
  target_compile_options(hf_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  # The dev preset leaves out three checks that take a third of the compile time. The tsan preset has them instead.
  if(HOLDFAST_SANITIZE_NOT)
    target_compile_options(hf_flags INTERFACE -fno-sanitize=${HOLDFAST_SANITIZE_NOT})
  endif()
  # With the thread sanitizer, GCC 12 falsely reports that a moved std::string is read past its small buffer.
  target_compile_options(hf_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-error=array-bounds>)
  # If Protobuf's headers detect the thread sanitizer, they lay out a map differently from Debian's library, which was
  # built without it. So they must not detect it, but libstdc++ and our code must.
  if(HOLDFAST_SANITIZE MATCHES thread)
    set(HOLDFAST_THREAD_SANITIZER_OPTIONS -U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1 -DHOLDFAST_THREAD_SANITIZER=1)
    target_compile_options(hf_flags INTERFACE ${HOLDFAST_THREAD_SANITIZER_OPTIONS})
  endif()
  target_link_options(hf_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE})
endif()
# With its defaults, GCC spends a tenth of its time in garbage collection. These limits avoid that, for 150 MB more
# memory per compiler process.
target_compile_options(hf_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-expand=300 --param=ggc-min-heapsize=524288>)
if(CMAKE_UNITY_BUILD)
  # In a unity build, every source is an included file.
  target_compile_options(hf_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>
    $<$<CXX_COMPILER_ID:Clang>:-Wno-shadow>)  # clang compares with names of other sources, too
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # libstdc++ 12 hides <expected> from clang < 19, which reports an older concepts version.
  target_compile_options(hf_flags INTERFACE -D__cpp_concepts=202002L -Wno-builtin-macro-redefined
    -Wno-macro-redefined)
endif()
if(HOLDFAST_TIDY)
  find_program(CLANG_TIDY NAMES clang-tidy-16 clang-tidy REQUIRED)
  set(CMAKE_CXX_CLANG_TIDY ${CLANG_TIDY} --quiet)
endif()

# Unity builds also compile the headers that most sources include only once, which saves another fifth of the time. The
# other presets do without, so that they notice a missing #include. Clang would need its own rules for which options
# must agree.
set(HOLDFAST_PRECOMPILE OFF)
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL GNU AND NOT HOLDFAST_TIDY)
  set(HOLDFAST_PRECOMPILE ON)
  target_compile_options(hf_flags INTERFACE -fpch-preprocess)  # for ccache
endif()

# holdfast_precompiled(NAME HEADER [OPTION...]) creates the object library that compiles HEADER.
function(holdfast_precompiled name header)
  if(HOLDFAST_PRECOMPILE)
    file(CONFIGURE OUTPUT ${name}.cc CONTENT "// A target needs a source.\n")
    add_library(${name} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
    target_link_libraries(${name} PRIVATE hf_flags fmt::fmt)
    target_compile_options(${name} PRIVATE ${ARGN})
    target_precompile_headers(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${header})
  endif()
endfunction()

# holdfast_reuse(TARGET NAME) lets TARGET use what holdfast_precompiled(NAME ...) compiles.
function(holdfast_reuse target name)
  if(HOLDFAST_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()

# holdfast_compile_alone(a.cc ...); call it after the sources' target is created.
# Most presets compile several sources of a target as one (CMAKE_UNITY_BUILD), which halves the time. A source that
# defines the same internal names as another must be compiled alone; otherwise the build fails ("redefinition of ...").
function(holdfast_compile_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

function(holdfast_room name)
  cmake_parse_arguments(ROOM "COLD" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  if(NOT ROOM_SOURCES)  # a header-only room
    add_library(hf_${name} INTERFACE)
    target_link_libraries(hf_${name} INTERFACE hf_flags)
    foreach(room IN LISTS ROOM_LINKS)
      target_link_libraries(hf_${name} INTERFACE hf_${room})
    endforeach()
    return()
  endif()
  add_library(hf_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(hf_${name} PUBLIC hf_flags PRIVATE ${ROOM_PRIVATE_LINKS})
  if(ROOM_COLD)
    target_compile_options(hf_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  holdfast_reuse(hf_${name} hf_precompiled)
  foreach(room IN LISTS ROOM_LINKS)
    target_link_libraries(hf_${name} PUBLIC hf_${room})
  endforeach()
endfunction()

if(HOLDFAST_TESTS)
  find_program(HOLDFAST_PYTHON python3 REQUIRED)
endif()

# Sanitizer checks that the tests' own sources do without: these three take as long as the rest of a sanitized
# compilation. The tested code is compiled with them.
add_library(hf_test_flags INTERFACE)
if(HOLDFAST_SANITIZE)
  target_compile_options(hf_test_flags INTERFACE -fno-sanitize=alignment,null,vptr)
endif()

# holdfast_test_program(NAME SOURCES a.cc b.cc ... LINKS target...) creates a program in tests/ of the build directory.
function(holdfast_test_program name)
  cmake_parse_arguments(PROGRAM "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${PROGRAM_SOURCES})
  # The tested code is compiled as the build says. Optimising the tests themselves would only cost minutes.
  target_compile_options(${name} PRIVATE -O0)
  target_link_libraries(${name} PRIVATE hf_flags hf_test_flags ${PROGRAM_LINKS})
  if(hf_test_main IN_LIST PROGRAM_LINKS)
    holdfast_reuse(${name} hf_test_precompiled)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endfunction()

# holdfast_test(NAME LABEL unit|contract|fault|fuzz|format|integration|lint SOURCES ... LINKS room...)
# One Catch2 program per room; ctest shows one line per program.
function(holdfast_test name)
  cmake_parse_arguments(TEST "" "LABEL;TIMEOUT" "SOURCES;LINKS" ${ARGN})
  if(NOT TEST_LABEL)
    set(TEST_LABEL unit)
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 240)  # for tests that hang; a sanitized program on a loaded machine may take half of it
  endif()
  list(TRANSFORM TEST_LINKS PREPEND hf_)
  holdfast_test_program(${name} SOURCES ${TEST_SOURCES} LINKS hf_test_main ${TEST_LINKS})
  add_test(NAME ${TEST_LABEL}.${name} COMMAND ${name})
  # The longest tests start first, so that none runs alone at the end. Time limits are a good enough estimate.
  set_tests_properties(${TEST_LABEL}.${name} PROPERTIES LABELS ${TEST_LABEL}
    TIMEOUT ${TEST_TIMEOUT} COST ${TEST_TIMEOUT} SKIP_RETURN_CODE 77)
endfunction()

# holdfast_python_test(NAME LABEL attack|integration|fault|lint|format FILE test_x.py [TIMEOUT seconds] [ARGUMENTS ...])
# A Python file as one test. HOLDFAST_BUILD is the build whose programs it runs; exit status 77 means skipped.
function(holdfast_python_test name)
  cmake_parse_arguments(TEST "" "LABEL;TIMEOUT;FILE" "ARGUMENTS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_test(NAME ${TEST_LABEL}.${name}
    COMMAND ${HOLDFAST_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/${TEST_FILE} ${TEST_ARGUMENTS})
  set_tests_properties(${TEST_LABEL}.${name} PROPERTIES LABELS ${TEST_LABEL}
    TIMEOUT ${TEST_TIMEOUT} COST ${TEST_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "HOLDFAST_BUILD=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1;PYTHONUTF8=1")
endfunction()
