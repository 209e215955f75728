// Answers of an Alertmanager or a proxy, and silences from repositories.
#include <chrono>

#include "agent/sources/alertmanager/silence.h"
#include "agent/sources/alertmanager/survey.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(silences) {
  using namespace holdfast;
  const std::string_view text = AsText(input);
  const auto status = alertmanager::ParseStatus(text);
  FUZZ_REQUIRE_CLEAR(status);
  const auto id = alertmanager::ParseSilenceId(text);
  FUZZ_REQUIRE(id || id.error().code() == ErrorCode::kUnavailable || fuzz::IsRefusal(id.error()));
  const auto stored = alertmanager::DecodeStorage(input);
  FUZZ_REQUIRE_CLEAR(stored);
  if (stored) {
    const Bytes once = alertmanager::EncodeStorage(*stored, std::chrono::hours(120));
    const auto again = alertmanager::DecodeStorage(once);
    FUZZ_REQUIRE(again && alertmanager::EncodeStorage(*again, std::chrono::hours(120)) == once);
    for (const alertmanager::Silence& silence : *stored)
      (void)alertmanager::EncodeNewSilence(silence);
  }
  const bool is_taken = status.has_value() || (stored && !stored->empty());
  const auto silences = alertmanager::ParseSilences(text);
  FUZZ_REQUIRE(silences || silences.error().code() == ErrorCode::kUnavailable ||
               fuzz::IsRefusal(silences.error()));
  if (!silences) return is_taken;
  const std::string once = alertmanager::EncodeSilences(*silences);
  const auto again = alertmanager::ParseSilences(once);
  FUZZ_REQUIRE(again && alertmanager::EncodeSilences(*again) == once);
  (void)alertmanager::EncodeStorage(*silences, std::chrono::hours(120));
  for (const alertmanager::Silence& silence : *silences)
    (void)alertmanager::EncodeNewSilence(silence);
  return true;
}
