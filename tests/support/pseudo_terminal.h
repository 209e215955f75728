// A terminal whose output a test can read.
#pragma once

#include <pty.h>
#include <sys/ioctl.h>

#include <string>
#include <string_view>

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

  // The output since the last call. The kernel passes output on in the background, so one read may
  // return only a part. A mark written last shows where the output ends.
  std::string Shown() {
    constexpr char kMark = '\x1e';
    REQUIRE_OK(WriteAll(writer_.get(), AsBytes(std::string_view(&kMark, 1)), "terminal"));
    std::string shown;
    Bytes bytes(65'536);
    while (!shown.ends_with(kMark)) {
      shown += AsText(ByteView(bytes).first(Unwrap(ReadSome(reader_.get(), bytes, "terminal"))));
    }
    shown.pop_back();
    return shown;
  }

 private:
  Fd reader_;
  Fd writer_;
};

}  // namespace holdfast::testing
