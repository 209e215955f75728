# Writes a source file that names the commit of a source tree. Runs in every build; the file keeps its time unless the
# commit has changed, so that nothing is recompiled.
#
#   cmake -DSOURCE=DIR -DOUTPUT=FILE [-DCOMMIT=TEXT] -P commit.cmake
#
# COMMIT replaces Git's answer, for source trees without Git.
set(commit "${COMMIT}")
find_program(GIT git)
if(NOT commit AND GIT)
  # The source tree may be inside another project's work tree, and another user may own it.
  set(git "${GIT}" -c "safe.directory=${SOURCE}" -C "${SOURCE}")
  execute_process(COMMAND ${git} rev-parse --show-toplevel OUTPUT_VARIABLE top
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(REAL_PATH "${SOURCE}" source)
  if(top STREQUAL source)
    execute_process(COMMAND ${git} describe --always --dirty --abbrev=40 "--exclude=*" OUTPUT_VARIABLE commit
      OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
if(NOT commit)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT [[
// By cmake/commit.cmake.
namespace holdfast {
extern const char* const kBuildCommit;
const char* const kBuildCommit = "@commit@";
}  // namespace holdfast
]] @ONLY)
