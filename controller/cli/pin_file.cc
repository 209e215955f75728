#include "controller/cli/pin_file.h"

#include <unistd.h>

#include <cerrno>

#include "common/base/format.h"
#include "common/bus/curve_key.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/trust/envelope.h"

namespace holdfast::cli {

Result<Pin> Pin::Load(const CliSettings& settings) {
  if (settings.root_file.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "no root document is pinned: " + (settings.file.empty()
                                                      ? "there is no cli.yaml"
                                                      : Quote(settings.file) + " has no root_file"),
                "use an operator's cli.yaml: `holdfast init` writes it, with root.holdfast beside "
                "it; --config FILE names it");
  }
  Result<Bytes> bytes =
      ReadWholeFile(settings.root_file, trust::EnvelopeBytesMax(trust::PayloadType::kRoot));
  if (!bytes) return Fail(std::move(bytes).error().While("read the pinned root document"));
  Result<trust::RootDocument> root = trust::RootDocument::Load(*bytes);
  if (!root) {
    return Fail(std::move(root).error().While("read the pinned root document " +
                                              Quote(settings.root_file)));
  }
  Pin pin(settings.root_file, *std::move(root));
  Result<bus::CurvePublicKey> former = bus::LoadCurvePublicKey(pin.FormerKeyFile());
  if (former) {
    pin.former_bus_key_ = *former;
  } else if (former.error().code() != ErrorCode::kNotFound) {
    return Fail(std::move(former).error());
  }
  return pin;
}

void Pin::Advance(trust::RootDocument next) {
  if (next.bus_key() != root_.bus_key()) {
    former_bus_key_ = root_.bus_key();
    is_former_new_ = true;
  }
  root_ = std::move(next);
}

Result<void> Pin::Save() const {
  // The former key is written first: without it, this operator could not connect until the
  // controller has the new key. A former key from the file is not written again, because a
  // connection may have removed that file in the meantime.
  if (is_former_new_) HF_TRY(bus::SaveCurvePublicKey(FormerKeyFile(), *former_bus_key_));
  return WriteFileAtomic(file_, root_.envelope(), 0644);
}

Result<void> Pin::ForgetFormerBusKey() {
  former_bus_key_.reset();
  const std::string path = FormerKeyFile();
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return Fail(ErrnoError(errno, "remove " + Quote(path)));
}

}  // namespace holdfast::cli
