#include "common/repository/snapshot/resume_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <compare>
#include <iterator>

#include "common/base/format.h"
#include "common/filetree/walker.h"
#include "common/repository/tree/own_file.h"

namespace holdfast::repository {
namespace {

constexpr std::string_view kSuffix = ".log";
constexpr std::size_t kTimeBytes = 12;
constexpr std::size_t kHeadBytes = ResumeLog::kMagic.size() + crypto::kSealOverhead + kTimeBytes;
constexpr std::size_t kFixedBytes = 8 + 8 + 2 * kTimeBytes + 4;
// A file of terabytes has millions of blobs. It gets no record, and is read again.
constexpr std::size_t kResumeRecordMax = 16U << 20;
// Records are written at this size, or when their files have this much content.
constexpr std::size_t kLogBufferBytes = 64U << 10;
constexpr std::uint64_t kContentBytes = 16U << 20;

template <typename Number>
void Put(Bytes& out, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i) {
    out.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(number) >> (8 * i)));
  }
}

void PutTime(Bytes& out, UnixTime time) {
  Put(out, time.seconds);
  Put(out, time.nanoseconds);
}

// REQUIRES: `in` has sizeof(Number) bytes.
template <typename Number>
Number Get(ByteView& in) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) number |= std::uint64_t{in[i]} << (8 * i);
  in = in.subspan(sizeof(Number));
  return static_cast<Number>(number);
}

UnixTime GetTime(ByteView& in) {
  const auto seconds = Get<std::int64_t>(in);
  return {seconds, Get<std::uint32_t>(in)};
}

// In the order of a walk: a directory is directly followed by its content.
std::strong_ordering InWalk(std::string_view a, std::string_view b) {
  const auto [at_a, at_b] = std::ranges::mismatch(a, b);
  const auto rank = [](std::string_view text, auto at) {
    if (at == text.end()) return 0;
    return *at == '/' ? 1 : 2 + static_cast<unsigned char>(*at);
  };
  return rank(a, at_a) <=> rank(b, at_b);
}

struct Saved {
  std::string path;
  std::uint64_t size = 0;
  std::uint64_t inode = 0;
  UnixTime mtime;
  UnixTime ctime;
  std::vector<Id> blobs;

  bool IsSame(const Attributes& attributes) const {
    return attributes.size == size && attributes.inode == inode && attributes.mtime == mtime &&
           attributes.ctime == ctime;
  }
};

// nullopt for a malformed record.
std::optional<Saved> Decode(ByteView body) {
  if (body.size() < kFixedBytes) return std::nullopt;
  Saved saved;
  saved.size = Get<std::uint64_t>(body);
  saved.inode = Get<std::uint64_t>(body);
  saved.mtime = GetTime(body);
  saved.ctime = GetTime(body);
  const auto blobs = Get<std::uint32_t>(body);
  if (blobs > body.size() / sizeof(Id)) return std::nullopt;
  saved.blobs.resize(blobs);
  for (Id& id : saved.blobs) {
    std::ranges::copy(body.first(sizeof id.bytes), id.bytes.begin());
    body = body.subspan(sizeof id.bytes);
  }
  saved.path = AsText(body);
  return saved;
}

// Names of the earlier runs' files, newest first: a ULID begins with its time.
Result<std::vector<std::string>> ListLogs(int directory, const std::string& source,
                                          const std::string& shown) {
  HF_ASSIGN(std::vector<std::string> names, NamesIn(directory, shown));
  std::erase_if(names, [&source](const std::string& name) {
    constexpr std::size_t kUlidBytes = 26;
    const bool is_of_source = name.size() == source.size() + 1 + kUlidBytes + kSuffix.size() &&
                              name.starts_with(source) && name[source.size()] == '-' &&
                              name.ends_with(kSuffix);
    return !is_of_source;
  });
  std::ranges::reverse(names);
  return names;
}

}  // namespace

// Reads the log of an earlier run once, from start to end.
class ResumeLog::Earlier {
 public:
  Earlier(crypto::Sealer& sealer, Fd file, std::string name)
      : sealer_(sealer), name_(std::move(name)), file_(std::move(file)) {
    Bytes head(kHeadBytes);
    if (!ReadAllAt(file_.get(), head, 0, name_) || !AsText(head).starts_with(kMagic)) return;
    const Result<Bytes> cut = sealer_.Open(ByteView(head).subspan(kMagic.size()));
    if (!cut) return;
    ByteView rest = *cut;
    limit_ = GetTime(rest);
    limit_.seconds -= filetree::kClockStepSeconds;
    offset_ = kHeadBytes;
    Advance();
  }

  const std::string& name() const { return name_; }

  // The blobs recorded for the path; nullopt if the file has changed, or may have.
  std::optional<std::vector<Id>> Find(std::string_view path, const Attributes& attributes) {
    while (next_ && InWalk(next_->path, path) < 0) Advance();
    if (!next_ || next_->path != path) return std::nullopt;
    if (!next_->IsSame(attributes)) return std::nullopt;
    if (attributes.mtime >= limit_ || attributes.ctime >= limit_) return std::nullopt;
    return std::move(next_->blobs);
  }

 private:
  // A torn or damaged record ends the log.
  void Advance() {
    next_ = Decoded();
    if (!next_) file_.Reset();
  }

  std::optional<Saved> Decoded() {
    constexpr std::size_t kLengthBytes = sizeof(std::uint32_t);
    ByteView record;
    if (!Look(kLengthBytes, record)) return std::nullopt;
    const auto length = Get<std::uint32_t>(record);
    if (length > kResumeRecordMax || !Look(kLengthBytes + length, record)) return std::nullopt;
    const Result<Bytes> body = sealer_.Open(record.subspan(kLengthBytes));
    begin_ += record.size();
    return body ? Decode(*body) : std::nullopt;
  }

  // The next `count` bytes; false if there are fewer.
  bool Look(std::size_t count, ByteView& out) {
    if (!file_.is_open()) return false;
    if (buffer_.size() - begin_ < count) {
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
      std::size_t filled = buffer_.size();
      buffer_.resize(std::max(count, kLogBufferBytes));
      while (filled < buffer_.size()) {
        const ssize_t got = ::pread(file_.get(), buffer_.data() + filled, buffer_.size() - filled,
                                    static_cast<off_t>(offset_));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        filled += static_cast<std::size_t>(got);
        offset_ += static_cast<std::uint64_t>(got);
      }
      buffer_.resize(filled);
    }
    if (buffer_.size() - begin_ < count) return false;
    out = ByteView(buffer_).subspan(begin_, count);
    return true;
  }

  crypto::Sealer& sealer_;
  const std::string name_;
  Fd file_;  // closed at the end of the log
  UnixTime limit_;
  std::uint64_t offset_ = 0;  // of the first byte not in buffer_ yet
  Bytes buffer_;
  std::size_t begin_ = 0;  // of the first byte not decoded yet
  std::optional<Saved> next_;
};

ResumeLog::ResumeLog(crypto::Sealer sealer, Fd directory, std::string shown, std::string name)
    : sealer_(std::move(sealer)),
      directory_(std::move(directory)),
      shown_(std::move(shown)),
      name_(std::move(name)) {}

ResumeLog::~ResumeLog() {
  if (file_.is_open()) (void)Flush();  // files without a record are read again
}

Result<std::unique_ptr<ResumeLog>> ResumeLog::Begin(crypto::Sealer sealer,
                                                    const std::string& directory,
                                                    const std::string& source,
                                                    const std::string& run, WallTime cut) {
  HF_ASSIGN(Fd own, OpenOwnDirectory(directory));
  if (!own.is_open()) return std::unique_ptr<ResumeLog>();
  const std::string name = fmt::format("{}-{}{}", source, run, kSuffix);
  auto log =
      std::make_unique<ResumeLog>(std::move(sealer), std::move(own), directory + "/" + name, name);
  HF_TRY(log->OpenEarlier(source));
  HF_ASSIGN(log->file_, OpenFileAt(log->directory_.get(), name,
                                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, log->shown_));
  Bytes time;
  PutTime(time, ToUnixTime(cut));
  log->buffer_ = ToBytes(kMagic);
  std::ranges::copy(log->sealer_.Seal(time), std::back_inserter(log->buffer_));
  HF_TRY(log->Flush());
  return log;
}

Result<void> ResumeLog::OpenEarlier(const std::string& source) {
  HF_ASSIGN(const std::vector<std::string> names, ListLogs(directory_.get(), source, shown_));
  for (const std::string& name : names) {
    if (earlier_.size() == kRunsMax) {
      (void)::unlinkat(directory_.get(), name.c_str(), 0);  // at worst the next run tries again
      continue;
    }
    Result<Fd> file =
        OpenFileAt(directory_.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, shown_);
    if (file) earlier_.push_back(std::make_unique<Earlier>(sealer_, *std::move(file), name));
  }
  return {};
}

void ResumeLog::Mark(Item& item) {
  // Generated items have no inode and no ctime.
  const Attributes& attributes = item.attributes;
  const bool is_file = attributes.type == NodeType::kFile && attributes.inode != 0 &&
                       attributes.ctime != UnixTime{} &&
                       std::holds_alternative<std::unique_ptr<ByteReader>>(item.content);
  if (!is_file) return;
  std::lock_guard lock(mutex_);
  for (const std::unique_ptr<Earlier>& earlier : earlier_) {
    std::optional<std::vector<Id>> blobs = earlier->Find(item.path, attributes);
    if (!blobs) continue;
    item.was_saved = true;
    marked_.emplace_back(item.path, *std::move(blobs));
    return;
  }
}

std::optional<std::vector<Id>> ResumeLog::Take(std::string_view path) {
  std::lock_guard lock(mutex_);
  while (!marked_.empty()) {
    auto [marked, blobs] = std::move(marked_.front());
    marked_.pop_front();
    if (marked == path) return std::move(blobs);
  }
  return std::nullopt;
}

void ResumeLog::Record(std::string_view path, const Attributes& attributes,
                       const std::vector<Id>& blobs) {
  const std::size_t length =
      crypto::kSealOverhead + kFixedBytes + blobs.size() * sizeof(Id) + path.size();
  std::lock_guard lock(mutex_);
  if (!file_.is_open() || length > kResumeRecordMax) return;
  Put(buffer_, static_cast<std::uint32_t>(length));
  const std::size_t begin = buffer_.size();
  buffer_.resize(begin + crypto::kSealIvBytes);
  Put(buffer_, attributes.size);
  Put(buffer_, attributes.inode);
  PutTime(buffer_, attributes.mtime);
  PutTime(buffer_, attributes.ctime);
  Put(buffer_, static_cast<std::uint32_t>(blobs.size()));
  for (const Id& id : blobs) buffer_.insert(buffer_.end(), id.bytes.begin(), id.bytes.end());
  std::ranges::copy(AsBytes(path), std::back_inserter(buffer_));
  buffer_.resize(begin + length);
  sealer_.SealInPlace(std::span(buffer_).subspan(begin));
  unsaid_bytes_ += attributes.size;
  if (buffer_.size() < kLogBufferBytes && unsaid_bytes_ < kContentBytes) return;
  if (Result<void> flushed = Flush(); !flushed) {
    failure_ = std::move(flushed).error();
    file_.Reset();
  }
}

Result<void> ResumeLog::Flush() {
  Result<void> written = WriteAll(file_.get(), buffer_, shown_);
  buffer_.clear();
  unsaid_bytes_ = 0;
  return written;
}

void ResumeLog::Forget() {
  file_.Reset();
  for (const std::unique_ptr<Earlier>& earlier : std::exchange(earlier_, {})) {
    (void)::unlinkat(directory_.get(), earlier->name().c_str(), 0);
  }
  (void)::unlinkat(directory_.get(), name_.c_str(), 0);
}

}  // namespace holdfast::repository
