# holdfast_room(NAME SOURCES a.cc b.cc [LINKS room...] [PRIVATE_LINKS third-party...])
# A room is a static library `hf_<NAME>`; LINKS are other rooms, visible to whoever links this one;
# PRIVATE_LINKS are third-party libraries that no header of the room may show.
add_library(hf_flags INTERFACE)
target_include_directories(hf_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(hf_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast)
# A new compiler version may give a false warning. It must not stop a user's build.
if(HOLDFAST_WERROR)
  target_compile_options(hf_flags INTERFACE -Werror)
endif()
# Debian 12's GCC 12 sees overlapping copies, dangling reads and sizes that cannot be in its own libstdc++ when it
# optimises.
target_compile_options(hf_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-stringop-overread -Wno-error=maybe-uninitialized
    -Wno-error=stringop-overflow>)
target_compile_definitions(hf_flags INTERFACE
  HOLDFAST_VERSION="${PROJECT_VERSION}"
  $<$<BOOL:${HOLDFAST_CRASH_POINTS}>:HOLDFAST_CRASH_POINTS=1>)
target_link_libraries(hf_flags INTERFACE Threads::Threads)
if(HOLDFAST_SANITIZE)
  target_compile_options(hf_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  # Three checks take a third of the time to compile with the others: the tsan preset makes them instead.
  if(HOLDFAST_SANITIZE_NOT)
    target_compile_options(hf_flags INTERFACE -fno-sanitize=${HOLDFAST_SANITIZE_NOT})
  endif()
  # With the thread sanitizer GCC 12 sees a moved std::string read past its own small buffer.
  target_compile_options(hf_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-error=array-bounds>)
  # Where Protobuf's headers see the thread sanitizer they lay a map out differently from Debian's library, which was
  # not built with it. So they are not to see it, but libstdc++ and we are.
  if(HOLDFAST_SANITIZE MATCHES thread)
    set(HOLDFAST_THREAD_SANITIZER_OPTIONS -U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1 -DHOLDFAST_THREAD_SANITIZER=1)
    target_compile_options(hf_flags INTERFACE ${HOLDFAST_THREAD_SANITIZER_OPTIONS})
  endif()
  target_link_options(hf_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE})
endif()
if(CMAKE_UNITY_BUILD)
  # Every source is an included one.
  target_compile_options(hf_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
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

# holdfast_compile_alone(a.cc ...), below the target that they belong to
# Most presets compile several sources of a target as one (CMAKE_UNITY_BUILD), which halves the time. A source whose own
# names another one has for its own, too, cannot take part: "redefinition of ..." in such a build.
function(holdfast_compile_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

function(holdfast_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  if(NOT ROOM_SOURCES)  # a room that is headers only
    add_library(hf_${name} INTERFACE)
    target_link_libraries(hf_${name} INTERFACE hf_flags)
    foreach(room IN LISTS ROOM_LINKS)
      target_link_libraries(hf_${name} INTERFACE hf_${room})
    endforeach()
    return()
  endif()
  add_library(hf_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(hf_${name} PUBLIC hf_flags PRIVATE ${ROOM_PRIVATE_LINKS})
  foreach(room IN LISTS ROOM_LINKS)
    target_link_libraries(hf_${name} PUBLIC hf_${room})
  endforeach()
endfunction()

if(HOLDFAST_TESTS)
  find_program(HOLDFAST_PYTHON python3 REQUIRED)
endif()

# What the tests' own sources are not checked for: these three take as long as the rest of a sanitized compilation, and
# what is tested is checked for them where it is compiled itself.
add_library(hf_test_flags INTERFACE)
if(HOLDFAST_SANITIZE)
  target_compile_options(hf_test_flags INTERFACE -fno-sanitize=alignment,null,vptr)
endif()

# holdfast_test(NAME LABEL unit|contract|fault|fuzz|format|integration|lint SOURCES ... LINKS room...)
# One Catch2 program per room; ctest shows one line per program.
function(holdfast_test name)
  cmake_parse_arguments(TEST "" "LABEL;TIMEOUT" "SOURCES;LINKS" ${ARGN})
  if(NOT TEST_LABEL)
    set(TEST_LABEL unit)
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 240)  # ends what hangs; a sanitized program on a loaded machine may take half of it
  endif()
  add_executable(${name} ${TEST_SOURCES})
  # What is tested is compiled as the build says; optimising the tests themselves only takes minutes.
  target_compile_options(${name} PRIVATE -O0)
  target_link_libraries(${name} PRIVATE hf_flags hf_test_flags hf_test_main)
  foreach(room IN LISTS TEST_LINKS)
    target_link_libraries(${name} PRIVATE hf_${room})
  endforeach()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${TEST_LABEL}.${name} COMMAND ${name})
  # The longest begin first, so that none is left alone at the end: the time limits tell them well enough.
  set_tests_properties(${TEST_LABEL}.${name} PROPERTIES LABELS ${TEST_LABEL}
    TIMEOUT ${TEST_TIMEOUT} COST ${TEST_TIMEOUT} SKIP_RETURN_CODE 77)
endfunction()

# holdfast_python_test(NAME LABEL integration|fault|lint|format FILE test_x.py [TIMEOUT seconds] [ARGUMENTS ...])
# A Python file as one test. HOLDFAST_BUILD tells it which build's programs to run; 77 means skipped.
function(holdfast_python_test name)
  cmake_parse_arguments(TEST "" "LABEL;TIMEOUT;FILE" "ARGUMENTS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_test(NAME ${TEST_LABEL}.${name}
    COMMAND ${HOLDFAST_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/${TEST_FILE} ${TEST_ARGUMENTS})
  set_tests_properties(${TEST_LABEL}.${name} PROPERTIES LABELS ${TEST_LABEL}
    TIMEOUT ${TEST_TIMEOUT} COST ${TEST_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "HOLDFAST_BUILD=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1")
endfunction()
