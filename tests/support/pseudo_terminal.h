// A terminal that a test looks at: what is written to it is read back.
#pragma once

#include <pty.h>
#include <sys/ioctl.h>

#include <string>

#include "common/base/bytes.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::testing {

class PseudoTerminal {
 public:
  explicit PseudoTerminal(unsigned short columns = 80, unsigned short lines = 24) {
    int master = -1;
    int slave = -1;
    struct winsize size {};
    size.ws_row = lines;
    size.ws_col = columns;
    REQUIRE(::openpty(&master, &slave, nullptr, nullptr, &size) == 0);
    reader_ = Fd(master);
    writer_ = Fd(slave);
  }

  int fd() const { return writer_.get(); }

  void Resize(unsigned short columns, unsigned short lines) {
    struct winsize size {};
    size.ws_row = lines;
    size.ws_col = columns;
    REQUIRE(::ioctl(fd(), TIOCSWINSZ, &size) == 0);
  }

  // What was written since the last call. REQUIRES: something was.
  std::string Shown() {
    Bytes bytes(65'536);
    return std::string(
        AsText(ByteView(bytes).first(Unwrap(ReadSome(reader_.get(), bytes, "terminal")))));
  }

 private:
  Fd reader_;
  Fd writer_;
};

}  // namespace holdfast::testing
