#include "agent/sources/kafka/restore_log_dirs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "agent/sources/host/paths.h"
#include "agent/sources/kafka/record_batch.h"
#include "agent/sources/kafka/restore_state.h"
#include "agent/sources/kafka/segment_reader.h"
#include "agent/sources/kafka/segment_writer.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "agent/sources/restore_method.h"
#include "common/base/crash_point.h"
#include "common/base/first_few.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/text.h"
#include "common/filetree/beneath.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::kafka {
namespace {

// Brokers ignore files with this suffix.
constexpr std::string_view kStaged = ".holdfast";
// Records, and the files that a broker derives from them.
constexpr std::array<std::string_view, 5> kOfRecords = {".log", ".index", ".timeindex", ".snapshot",
                                                        ".txnindex"};
constexpr const char* kEpochs = "leader-epoch-checkpoint";
constexpr const char* kStartOffsets = "log-start-offset-checkpoint";
constexpr std::size_t kStartOffsetsBytesMax = std::size_t{64} << 20;

struct TargetDirectory {
  const StoredTopic* topic = nullptr;
  std::int32_t partition = 0;
  std::string log_dir;
  std::string path;
  struct stat status {};
  bool has_records = false;  // not written by this restore
};

Result<struct stat> StatAt(int directory, const std::string& name, const std::string& path) {
  struct stat status {};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(path)));
  return status;
}

// Writes a copy of everything that is read.
class CopyingReader final : public ByteReader {
 public:
  CopyingReader(std::unique_ptr<ByteReader> from, int to, std::string shown)
      : from_(std::move(from)), to_(to), shown_(std::move(shown)) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    HF_ASSIGN(const std::size_t count, from_->Read(buffer));
    HF_TRY(WriteAll(to_, buffer.first(count), shown_));
    bytes_ += count;
    return count;
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<ByteReader> from_;
  const int to_;
  const std::string shown_;
  std::uint64_t bytes_ = 0;
};

// Root runs this, and the brokers' user owns the log directories: that user can put symlinks there
// at any moment. So each log directory is opened once, and everything in it is reached from there
// without following a symlink.
class LogDirsRestore {
 public:
  LogDirsRestore(const SourceContext& context, const RestoreRequest& request,
                 const RestoreSpec& spec, Progress& progress, std::stop_token stop)
      : context_(context),
        request_(request),
        spec_(spec),
        progress_(progress),
        stop_(std::move(stop)) {}

  Result<MethodOutcome> Run() {
    progress_.SetPhase("look");
    HF_ASSIGN(stored_, ReadStoredTopics(*spec_.snapshot, request_));
    for (const std::string& directory : request_.log_dirs) HF_TRY(LockLogDir(directory));
    HF_TRY(OpenState());
    HF_TRY(FindDirectories());
    HF_TRY(CheckFreshness());
    HF_TRY(CheckSpace());
    if (spec_.dry_run) {
      Plan();
      return std::move(done_);
    }
    progress_.SetPhase("write");
    Result<void> staged = Stage();
    if (!staged) {
      RemoveStaged();
      return Fail(std::move(staged).error().While(
          done_.resumed ? "the interrupted restore is still incomplete" : "nothing was changed"));
    }
    progress_.SetPhase("swap");
    HF_TRY(SwapAll());
    HF_TRY(file_->Remove());
    Report();
    if (!holes_.empty()) done_.partly = HolesError(holes_);
    return std::move(done_);
  }

 private:
  template <typename... Arguments>
  void Say(fmt::format_string<Arguments...> form, Arguments&&... arguments) {
    done_.lines.push_back(fmt::format(form, std::forward<Arguments>(arguments)...));
  }

  // Takes the lock that a running broker holds on its directories.
  Result<void> LockLogDir(const std::string& directory) {
    const char* hint = "name a directory that is listed in the broker's log.dirs";
    auto opened = OpenFile(directory, O_RDONLY | O_DIRECTORY);
    if (!opened) return Fail(std::move(opened).error().WithHint(hint));
    const int log_dir = opened->get();
    log_dirs_[directory] = *std::move(opened);
    auto found = StatAt(log_dir, "meta.properties", directory + "/meta.properties");
    if (!found) return Fail(std::move(found).error().WithHint(hint));
    const std::string path = directory + "/.lock";
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;
    auto fd = OpenFileAt(log_dir, ".lock", kFlags, 0, path);
    const bool is_new = !fd && fd.error().code() == ErrorCode::kNotFound;
    if (is_new && spec_.dry_run) return {};
    if (is_new) fd = OpenFileAt(log_dir, ".lock", kFlags | O_CREAT | O_EXCL, 0644, path);
    if (!fd) return Fail(std::move(fd).error());
    struct stat status {};
    if (::fstat(log_dir, &status) != 0)
      return Fail(ErrnoError(errno, "read the attributes of " + Quote(directory)));
    // The broker must own it.
    if (is_new) HF_TRY(GiveTo(fd->get(), status, path));
    // Java's locks belong to the process and ours to the open file; the two kinds conflict.
    if (::fcntl(fd->get(), F_OFD_SETLK, &lock) != 0) {
      if (errno != EAGAIN && errno != EACCES) return Fail(ErrnoError(errno, "lock " + Quote(path)));
      return Fail(ErrorCode::kBusy, fmt::format("a broker runs on {}", Quote(directory)),
                  "stop all brokers of the cluster, and start them only after all are restored");
    }
    locks_.push_back(*std::move(fd));
    return {};
  }

  static Result<void> GiveTo(int fd, const struct stat& owner, const std::string& path) {
    struct stat status {};
    if (::fstat(fd, &status) != 0)
      return Fail(ErrnoError(errno, "read the attributes of " + Quote(path)));
    if (status.st_uid == owner.st_uid && status.st_gid == owner.st_gid) return {};
    if (::fchown(fd, owner.st_uid, owner.st_gid) == 0) return {};
    return Fail(ErrnoError(errno, "give away " + Quote(path))
                    .WithHint("run it as root, or as the user that the broker runs as"));
  }

  Result<void> OpenState() {
    using Use = RestoreStateFile::Use;
    const std::string what = fmt::format("{} {}", spec_.snapshot->snapshot_id(), request_.Text());
    HF_ASSIGN(file_, RestoreStateFile::Open(context_.state_dir, what,
                                            spec_.dry_run ? Use::kLook : Use::kRestore));
    state_ = file_->found().value_or(RestoreState());
    done_.resumed = file_->found().has_value();
    return {};
  }

  Result<void> FindDirectories() {
    for (const StoredTopic& topic : stored_) {
      for (std::int32_t id = 0; id < topic.document.partitions; ++id) {
        const std::string name = fmt::format("{}-{}", topic.target, id);
        std::optional<TargetDirectory> found;
        for (const std::string& log_dir : request_.log_dirs) {
          TargetDirectory one = {
              .topic = &topic, .partition = id, .log_dir = log_dir, .path = log_dir + "/" + name};
          const auto status = StatAt(log_dirs_.at(log_dir).get(), name, one.path);
          if (!status && status.error().code() == ErrorCode::kNotFound) continue;
          if (!status) return Fail(status.error());
          one.status = *status;
          if (!S_ISDIR(one.status.st_mode))
            return Fail(ErrorCode::kInvalidArgument,
                        fmt::format("{} is not a directory", Quote(one.path)));
          if (found)
            return Fail(ErrorCode::kInvalidArgument,
                        fmt::format("{} and {} are of the same partition", Quote(found->path),
                                    Quote(one.path)),
                        "first wait until the broker has moved it between its directories");
          found = std::move(one);
        }
        if (!found) {
          elsewhere_.push_back(name);
          continue;
        }
        if (auto hole = HoleIn(topic, id)) holes_.push_back(*std::move(hole));
        if (!topic.partitions[static_cast<std::size_t>(id)].is_there) continue;
        HF_TRY(CheckMetadata(*found));
        directories_.push_back(*std::move(found));
      }
      HF_TRY(WarnOfMorePartitions(topic));
    }
    if (!holes_.empty()) done_.warnings.push_back(HolesError(holes_).message());
    if (!directories_.empty()) return {};
    return Fail(
        ErrorCode::kNotFound,
        fmt::format("none of the snapshot's partitions has a directory in {}",
                    fmt::join(request_.log_dirs, ", ")),
        "create the topics first: restore --to-cluster HOST:PORT --with configs --hold-retention");
  }

  // Without it, a broker treats the directory as that of a deleted topic.
  Result<void> CheckMetadata(const TargetDirectory& directory) const {
    HF_ASSIGN(const Fd opened, Open(directory));
    auto found = StatAt(opened.get(), "partition.metadata", directory.path + "/partition.metadata");
    if (found) return {};
    return Fail(
        std::move(found).error().WithHint("start and stop the broker once: it creates the file"));
  }

  // kBusy if another directory has replaced the one that was found.
  Result<Fd> Open(const TargetDirectory& directory) const {
    HF_ASSIGN(Fd opened, filetree::OpenDirectoryBeneath(log_dirs_.at(directory.log_dir).get(),
                                                        BaseName(directory.path), directory.path));
    HF_ASSIGN(const struct stat status, StatAt(opened.get(), ".", directory.path));
    const bool is_same =
        status.st_dev == directory.status.st_dev && status.st_ino == directory.status.st_ino;
    if (!is_same) return Fail(filetree::Replaced(directory.path));
    return opened;
  }

  Result<void> WarnOfMorePartitions(const StoredTopic& topic) {
    const std::string next = fmt::format("{}-{}", topic.target, topic.document.partitions);
    for (const std::string& log_dir : request_.log_dirs)
      if (StatAt(log_dirs_.at(log_dir).get(), next, log_dir + "/" + next))
        return Fail(ErrorCode::kAlreadyExists,
                    fmt::format("topic {} has more partitions than the snapshot's {}",
                                Quote(topic.target), topic.document.partitions),
                    "recreate it with as many, or restore under another name: --rename OLD=NEW");
    return {};
  }

  // A file that preserves the partition's end offset if no saved record is directly before it,
  // because of control records or records that the snapshot does not have. Otherwise new records
  // would reuse offsets, which breaks every client that remembers one.
  struct EndFile {
    std::string name;
    Bytes content;
  };
  static std::optional<EndFile> EndFileOf(const PartitionDocument& document) {
    const std::int64_t end = std::max(document.high, document.end);
    if (document.files.empty()) {
      if (end == 0) return std::nullopt;
      return EndFile{SegmentName(end), {}};
    }
    if (end <= document.files.back().run.last_offset + 1) return std::nullopt;
    return EndFile{SegmentName(end - 1), EmptyBatch(end - 1)};
  }

  static std::map<std::string, std::uint64_t> FilesOf(const PartitionDocument& document) {
    std::map<std::string, std::uint64_t> files;
    for (const SegmentFacts& file : document.files)
      files.emplace(SegmentName(file.run.first_offset), file.bytes);
    if (const auto end = EndFileOf(document)) files.emplace(end->name, end->content.size());
    return files;
  }

  Result<PartitionDocument> DocumentOf(const TargetDirectory& directory) {
    HF_ASSIGN(auto document,
              ReadStoredPartition(*spec_.snapshot, directory.topic->name(), directory.partition));
    HF_CHECK(document.has_value());
    return *std::move(document);
  }

  // Fails if a directory has records of others. The files of a new topic are empty; others may be
  // from an unfinished restore.
  Result<void> CheckFreshness() {
    std::vector<std::string> full;
    for (TargetDirectory& directory : directories_) {
      HF_ASSIGN(const PartitionDocument document, DocumentOf(directory));
      const auto ours = FilesOf(document);
      HF_ASSIGN(const Fd opened, Open(directory));
      HF_ASSIGN(const auto names, NamesIn(opened.get(), directory.path));
      for (const std::string& name : names) {
        if (!name.ends_with(".log")) continue;
        HF_ASSIGN(const struct stat status,
                  StatAt(opened.get(), name, directory.path + "/" + name));
        const auto size = static_cast<std::uint64_t>(status.st_size);
        const auto own = ours.find(name);
        const bool is_ours =
            state_.IsOurs(directory.path) && own != ours.end() && own->second == size;
        directory.has_records = directory.has_records || (size > 0 && !is_ours);
      }
      if (directory.has_records) full.push_back(directory.path);
    }
    if (full.empty() || request_.replace_topic) return {};
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("these partitions have records: {}", JoinFirstQuoted(full)),
                "restore onto new topics, or replace these with --replace-topic, which takes no "
                "safety snapshot");
  }

  // All files are written before the old ones are deleted, so there must be room for both.
  Result<void> CheckSpace() {
    struct FileSystem {
      std::string log_dir;
      std::uint64_t needed = 0;
    };
    std::map<dev_t, FileSystem> file_systems;
    for (const TargetDirectory& directory : directories_) {
      FileSystem& one = file_systems[directory.status.st_dev];
      one.log_dir = directory.log_dir;
      const auto id = static_cast<std::size_t>(directory.partition);
      one.needed += directory.topic->partitions[id].file_bytes;
      progress_.bytes_total += directory.topic->partitions[id].file_bytes;
      progress_.items_total += directory.topic->partitions[id].records;
    }
    for (const auto& [device, one] : file_systems)
      HF_TRY(host::CheckFreeSpace(one.log_dir, one.needed, "the restore"));
    return {};
  }

  void Plan() {
    for (const TargetDirectory& directory : directories_) {
      const StoredPartition& stored =
          directory.topic->partitions[static_cast<std::size_t>(directory.partition)];
      progress_.items += stored.records;
      progress_.bytes += stored.file_bytes;
      done_.plan.push_back(
          {.what = "partition",
           .name = fmt::format("{}-{}", directory.topic->name(), directory.partition),
           .target = directory.path,
           .parts = 1,
           .items = stored.records,
           .bytes = stored.file_bytes,
           .there = directory.has_records ? "records" : "nothing",
           .action = directory.has_records ? "replaced" : "filled"});
    }
    ReportElsewhere();
  }

  Result<void> Stage() {
    for (const TargetDirectory& directory : directories_)
      state_.targets[directory.path].stage = RestoreState::Stage::kOurs;
    HF_TRY(file_->Save(state_));
    for (const TargetDirectory& directory : directories_) {
      HF_ASSIGN(const Fd opened, Open(directory));
      HF_TRY(RemoveStagedIn(opened.get(), directory.path));
      HF_ASSIGN(const PartitionDocument document, DocumentOf(directory));
      for (const SegmentFacts& file : document.files)
        HF_TRY(StageFile(directory, opened.get(), file));
      if (const auto end = EndFileOf(document)) HF_TRY(StageEnd(directory, opened.get(), *end));
      HF_TRY(SyncFile(opened.get(), directory.path));
    }
    return {};
  }

  Result<void> StageFile(const TargetDirectory& directory, int opened, const SegmentFacts& facts) {
    const std::string name = SegmentName(facts.run.first_offset);
    const std::string path = StagedPath(directory, name);
    const std::string stored =
        fmt::format("{}/{}", PartitionPath(directory.topic->name(), directory.partition), name);
    HF_ASSIGN(const Fd fd, OpenStaged(opened, name, path));
    HF_ASSIGN(auto content, spec_.snapshot->Open(stored));
    CopyingReader copy(std::move(content), fd.get(), path);
    SegmentReader reader(copy, facts.run.first_offset);
    RunTally tally;
    for (;;) {
      auto record = reader.Next();
      if (!record) return Fail(std::move(record).error().While(Quote(stored)));
      if (*record == nullptr) break;
      HF_TRY(CheckStop(stop_));
      tally.Add(**record);
    }
    if (tally.Finish() != facts.run || copy.bytes() != facts.bytes)
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} does not match the partition's document", Quote(stored)),
                  "restore another snapshot");
    HF_TRY(CloseStaged(directory, fd.get(), path));
    progress_.items += facts.run.records;
    progress_.bytes += facts.bytes;
    ++files_;
    return {};
  }

  static Result<void> StageEnd(const TargetDirectory& directory, int opened, const EndFile& end) {
    const std::string path = StagedPath(directory, end.name);
    HF_ASSIGN(const Fd fd, OpenStaged(opened, end.name, path));
    HF_TRY(WriteAll(fd.get(), end.content, path));
    return CloseStaged(directory, fd.get(), path);
  }

  static std::string StagedPath(const TargetDirectory& directory, const std::string& name) {
    return fmt::format("{}/{}{}", directory.path, name, kStaged);
  }
  static Result<Fd> OpenStaged(int directory, const std::string& name, const std::string& path) {
    return OpenFileAt(directory, name + std::string(kStaged),
                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, path);
  }
  static Result<void> CloseStaged(const TargetDirectory& directory, int fd,
                                  const std::string& path) {
    HF_TRY(GiveTo(fd, directory.status, path));
    if (::fchmod(fd, directory.status.st_mode & 0666) != 0)
      return Fail(ErrnoError(errno, "change the mode of " + Quote(path)));
    return SyncFile(fd, path);
  }

  static Result<void> RemoveStagedIn(int directory, const std::string& path) {
    HF_ASSIGN(const auto names, NamesIn(directory, path));
    for (const std::string& name : names)
      if (name.ends_with(kStaged)) HF_TRY(RemoveFileAt(directory, name, path + "/" + name));
    return {};
  }

  // Best effort: brokers ignore what is left.
  void RemoveStaged() {
    for (const TargetDirectory& directory : directories_)
      if (const auto opened = Open(directory)) (void)RemoveStagedIn(opened->get(), directory.path);
    if (!file_->found()) (void)file_->Remove();
  }

  Result<void> SwapAll() {
    CrashPoint("kafka.log_dirs.swap");
    for (const TargetDirectory& directory : directories_) {
      // The old log start offset does not apply to the new records.
      if (directory.has_records) HF_TRY(ForgetStartOffset(directory));
      HF_TRY(Swap(directory));
    }
    return {};
  }

  Result<void> Swap(const TargetDirectory& directory) const {
    HF_ASSIGN(const Fd opened, Open(directory));
    HF_ASSIGN(const auto names, NamesIn(opened.get(), directory.path));
    for (const std::string& name : names) {
      // A leader's checkpoint has the start of its epoch, even without records. With the old
      // checkpoint, the leader would report that epoch 0, to which the records belong, ends where
      // its own epoch starts, and the followers would truncate the records. Brokers rebuild the
      // checkpoint from the records.
      const bool is_old = name == kEpochs || std::ranges::any_of(kOfRecords, [&](auto ending) {
                            return name.ends_with(ending);
                          });
      if (!is_old) continue;
      HF_TRY(RemoveFileAt(opened.get(), name, directory.path + "/" + name));
      CrashPoint("kafka.log_dirs.swap");
    }
    for (const std::string& name : names) {
      if (!name.ends_with(kStaged)) continue;
      const std::string to = name.substr(0, name.size() - kStaged.size());
      if (::renameat(opened.get(), name.c_str(), opened.get(), to.c_str()) != 0)
        return Fail(ErrnoError(errno, "rename " + Quote(directory.path + "/" + name)));
      CrashPoint("kafka.log_dirs.swap");
    }
    return SyncFile(opened.get(), directory.path);
  }

  // Removes this partition's line from a file "version\ncount\ntopic partition offset\n...".
  Result<void> ForgetStartOffset(const TargetDirectory& directory) const {
    const std::string name(kStartOffsets);
    const std::string path = directory.log_dir + "/" + name;
    const int log_dir = log_dirs_.at(directory.log_dir).get();
    const auto file = OpenFileAt(log_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, path);
    if (!file && file.error().code() == ErrorCode::kNotFound) return {};
    if (!file) return Fail(file.error());
    HF_ASSIGN(const struct stat status, StatRegularFile(file->get(), path));
    HF_ASSIGN(const Bytes content, ReadWhole(file->get(), kStartOffsetsBytesMax, path));
    const std::string line = fmt::format("{} {} ", directory.topic->target, directory.partition);
    std::string_view rest = AsText(content);
    std::vector<std::string> kept;
    bool has_line = false;
    for (std::size_t number = 0; !rest.empty(); ++number) {
      const std::string_view one = TakePart(rest, '\n');
      const bool is_ours = number >= 2 && one.starts_with(line);
      has_line = has_line || is_ours;
      if (number >= 2 && !is_ours) kept.emplace_back(one);
    }
    if (!has_line) return {};
    std::string text = fmt::format("0\n{}\n", kept.size());
    for (const std::string& one : kept) text += one + "\n";
    std::optional<FileOwner> owner;
    if (::geteuid() == 0) owner = {status.st_uid, status.st_gid};
    return WriteFileAtomicAt(log_dir, name, AsBytes(text), status.st_mode & 0777, owner, path);
  }

  void ReportElsewhere() {
    if (elsewhere_.empty()) return;
    Say("not on this broker, because other brokers have them: {} of the snapshot: {}",
        FormatCount(elsewhere_.size(), "partition"), JoinFirst(elsewhere_));
  }

  void Report() {
    Say("put {} into {}, {}", FormatCount(files_, "file"),
        FormatCount(directories_.size(), "partition"), FormatBytes(progress_.bytes));
    ReportElsewhere();
    Say("run the same command on every broker that has replicas of these topics before any broker "
        "is started: a broker without the files may become the leader, and the others then follow "
        "it");
    Say("then start the brokers, and restore the rest: restore --to-cluster HOST:PORT --with "
        "configs,acls,groups{}",
        request_.topics.empty() && request_.renames.empty() && request_.prefix.empty()
            ? ""
            : ", with the same --topic, --rename and --prefix");
  }

  const SourceContext& context_;
  const RestoreRequest& request_;
  const RestoreSpec& spec_;
  Progress& progress_;
  const std::stop_token stop_;
  MethodOutcome done_;
  std::vector<StoredTopic> stored_;
  std::vector<Fd> locks_;
  std::optional<RestoreStateFile> file_;
  RestoreState state_;
  std::map<std::string, Fd> log_dirs_;  // by path
  std::vector<TargetDirectory> directories_;
  std::vector<std::string> elsewhere_;
  std::vector<std::string> holes_;  // of directories_
  std::uint64_t files_ = 0;
};

}  // namespace

Result<MethodOutcome> RestoreToLogDirs(const SourceContext& context, const RestoreRequest& request,
                                       const RestoreSpec& spec, Progress& progress,
                                       std::stop_token stop) {
  return LogDirsRestore(context, request, spec, progress, std::move(stop)).Run();
}

RestoreMethod ToLogDirsMethod() {
  return {
      .name = "to-log-dirs",
      .summary = "copy the files to the disks of a stopped broker, with the same offsets",
      .options = {LogDirsOptions()},
      .has_dry_run = true,
      .open = OneShotRestore{[](const SourceContext& context, const config::Values& /*settings*/,
                                const RestoreSpec& spec, Progress& progress,
                                std::stop_token stop) -> Result<MethodOutcome> {
        HF_ASSIGN(const RestoreRequest request, ReadLogDirsRequest(spec.options));
        return RestoreToLogDirs(context, request, spec, progress, std::move(stop));
      }}};
}

}  // namespace holdfast::kafka
