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
  // Whether there is anybody to ask.
  virtual bool is_there() const = 0;
  // The line that was typed, without its end. kCancelled when interrupted, kNotFound when nobody is
  // there or the terminal was closed.
  virtual Result<std::string> AskLine(std::string_view question) = 0;
  // Likewise, without showing what is typed.
  virtual Result<Secret> AskSecret(std::string_view question) = 0;
};

// Asks at /dev/tty, whatever stdin and stdout are, as a passphrase is never meant for a pipe.
class TerminalPrompt final : public Prompt {
 public:
  explicit TerminalPrompt(std::stop_token stop) : stop_(std::move(stop)) {}
  bool is_there() const override;
  Result<std::string> AskLine(std::string_view question) override;
  Result<Secret> AskSecret(std::string_view question) override;

 private:
  const std::stop_token stop_;
};

// Twice, until both are alike, three times at most; never empty.
Result<Secret> AskNewPassphrase(Prompt& prompt, std::string_view whose);
// The first line of a file. kDenied when others than its owner may read it.
Result<Secret> ReadPassphraseFile(const std::string& path);

}  // namespace holdfast::cli
