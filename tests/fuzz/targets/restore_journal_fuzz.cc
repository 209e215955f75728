// Whatever a journal says, every staged name in it is one that a restore could have created.
#include "agent/journal/restore_journal.h"
#include "common/base/path.h"
#include "common/filetree/swap_set.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(restore_journal) {
  using namespace holdfast;
  using filetree::SwapSet;
  const auto journal = ParseRestoreJournal(AsText(input), "files", "app", "J");
  FUZZ_REQUIRE_CLEAR(journal);
  if (!journal) return false;
  const auto entries = SwapSet::EntriesOf(journal->state);
  FUZZ_REQUIRE_CLEAR(entries);
  if (!entries) return false;
  for (const SwapSet::Entry& entry : *entries) {
    FUZZ_REQUIRE(entry.target.starts_with('/'));
    FUZZ_REQUIRE(ParentPath(entry.staged) == ParentPath(entry.target));
    FUZZ_REQUIRE(BaseName(entry.staged).starts_with(filetree::kStagedPrefix));
  }
  return true;
}
