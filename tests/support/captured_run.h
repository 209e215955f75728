// Runs a command-line program in this process, with its output in files.
#pragma once

#include <fcntl.h>

#include <functional>
#include <string>

#include "common/cli/terminal.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/results.h"

namespace holdfast::testing {

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
  template <typename Json>
  Json document() const {
    return Json::parse(out);
  }
};

// `run` returns the exit code. The files "out" and "err" are created in `directory`.
inline Outcome CaptureRun(const std::string& directory,
                          const std::function<int(cli::Terminal&)>& run) {
  const std::string out_path = directory + "/out";
  const std::string err_path = directory + "/err";
  Outcome outcome;
  {
    const Fd out = Unwrap(OpenFile(out_path, O_RDWR | O_CREAT | O_TRUNC, 0600));
    const Fd err = Unwrap(OpenFile(err_path, O_RDWR | O_CREAT | O_TRUNC, 0600));
    cli::Terminal terminal(out.get(), err.get());
    outcome.code = run(terminal);
  }
  outcome.out = AsText(Unwrap(ReadWholeFile(out_path)));
  outcome.err = AsText(Unwrap(ReadWholeFile(err_path)));
  return outcome;
}

}  // namespace holdfast::testing
