// Questions to the person at the terminal.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/secret.h"

namespace holdfast::cli {

class Prompt {
 public:
  virtual ~Prompt() = default;
  // Whether there is a terminal to ask on.
  virtual bool is_there() const = 0;
  // The typed line, without its end. kCancelled if interrupted, kNotFound if there is no terminal
  // or it was closed.
  virtual Result<std::string> AskLine(std::string_view question) = 0;
  // The same without echo.
  virtual Result<Secret> AskSecret(std::string_view question) = 0;
};

// Asks on /dev/tty, whatever stdin and stdout are: a passphrase is never meant for a pipe.
class TerminalPrompt final : public Prompt {
 public:
  explicit TerminalPrompt(std::stop_token stop) : stop_(std::move(stop)) {}
  bool is_there() const override;
  Result<std::string> AskLine(std::string_view question) override;
  Result<Secret> AskSecret(std::string_view question) override;

 private:
  const std::stop_token stop_;
};

// Asks twice until both are equal, at most three times; never empty.
Result<Secret> AskNewPassphrase(Prompt& prompt, std::string_view whose);
// The first line of a file. kDenied if others may access it, or its group may write it.
Result<Secret> ReadPassphraseFile(const std::string& path);

}  // namespace holdfast::cli
