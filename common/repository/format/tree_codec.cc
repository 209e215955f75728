#include "common/repository/format/tree_codec.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <utility>

#include "common/base/format.h"
#include "common/repository/format/go_text.h"
#include "common/repository/format/json_reader.h"

namespace holdfast::repository {
namespace {

// Bits of Go's os.FileMode that differ from st_mode's.
constexpr std::uint32_t kGoDirectory = 1U << 31;
constexpr std::uint32_t kGoSymlink = 1U << 27;
constexpr std::uint32_t kGoDevice = 1U << 26;
constexpr std::uint32_t kGoFifo = 1U << 25;
constexpr std::uint32_t kGoSocket = 1U << 24;
constexpr std::uint32_t kGoSetuid = 1U << 23;
constexpr std::uint32_t kGoSetgid = 1U << 22;
constexpr std::uint32_t kGoCharDevice = 1U << 21;
constexpr std::uint32_t kGoSticky = 1U << 20;

struct TypeWord {
  NodeType type;
  std::string_view word;
  std::uint32_t mode;
};
constexpr TypeWord kTypes[] = {
    {NodeType::kFile, "file", 0},
    {NodeType::kDirectory, "dir", kGoDirectory},
    {NodeType::kSymlink, "symlink", kGoSymlink},
    {NodeType::kBlockDevice, "dev", kGoDevice},
    {NodeType::kCharDevice, "chardev", kGoDevice | kGoCharDevice},
    {NodeType::kFifo, "fifo", kGoFifo},
    {NodeType::kSocket, "socket", kGoSocket},
};

const TypeWord& WordOf(NodeType type) {
  const TypeWord* found = std::ranges::find(kTypes, type, &TypeWord::type);
  HF_CHECK(found != std::end(kTypes));
  return *found;
}

std::uint32_t GoMode(const Attributes& attributes) {
  std::uint32_t mode = (attributes.mode & 0777) | WordOf(attributes.type).mode;
  if ((attributes.mode & 04000) != 0) mode |= kGoSetuid;
  if ((attributes.mode & 02000) != 0) mode |= kGoSetgid;
  if ((attributes.mode & 01000) != 0) mode |= kGoSticky;
  return mode;
}

std::uint32_t UnixMode(std::uint32_t mode) {
  std::uint32_t bits = mode & 0777;
  if ((mode & kGoSetuid) != 0) bits |= 04000;
  if ((mode & kGoSetgid) != 0) bits |= 02000;
  if ((mode & kGoSticky) != 0) bits |= 01000;
  return bits;
}

// restic omits the number of links of directories, fifos and sockets. For a fifo or socket with
// several names we write it, because a restore needs it to link the names again.
bool WritesLinks(const Attributes& attributes) {
  switch (attributes.type) {
    case NodeType::kDirectory:
      return false;
    case NodeType::kFifo:
    case NodeType::kSocket:
      return attributes.links > 1;
    default:
      return attributes.links > 0;
  }
}

void AppendField(std::string& out, std::string_view field) {
  out += ",\"";
  out += field;
  out += "\":";
}

void AppendNumber(std::string& out, std::string_view field, std::uint64_t value) {
  AppendField(out, field);
  const fmt::format_int digits(value);
  out.append(digits.data(), digits.size());
}

void AppendText(std::string& out, std::string_view field, std::string_view value) {
  AppendField(out, field);
  AppendGoJson(out, value);
}

void AppendExtended(std::string& out, const std::vector<ExtendedAttribute>& extended) {
  out += ",\"extended_attributes\":[";
  for (std::size_t i = 0; i < extended.size(); ++i) {
    out += i == 0 ? "{\"name\":" : ",{\"name\":";
    AppendGoJson(out, extended[i].name);
    out += R"(,"value":")" + Base64Encode(extended[i].value) + "\"}";
  }
  out += ']';
}

void AppendContent(std::string& out, const TreeNode& node) {
  if (node.attributes.type != NodeType::kFile) {
    out += ",\"content\":null";
    return;
  }
  out += ",\"content\":[";
  for (std::size_t i = 0; i < node.content.size(); ++i) {
    out += i == 0 ? "\"" : ",\"";
    out += node.content[i].Hex();
    out += '"';
  }
  out += ']';
}

enum class Field : std::uint8_t {
  kName,
  kType,
  kMode,
  kMtime,
  kAtime,
  kCtime,
  kUid,
  kGid,
  kUser,
  kGroup,
  kInode,
  kDeviceId,
  kSize,
  kLinks,
  kLinkTarget,
  kLinkTargetRaw,
  kExtended,
  kDevice,
  kContent,
  kSubtree,
  kUnknown,
};
// In the order of Field, in which both restic and Holdfast write them.
constexpr std::array<std::string_view, static_cast<std::size_t>(Field::kUnknown)> kFieldNames = {
    "name",
    "type",
    "mode",
    "mtime",
    "atime",
    "ctime",
    "uid",
    "gid",
    "user",
    "group",
    "inode",
    "device_id",
    "size",
    "links",
    "linktarget",
    "linktarget_raw",
    "extended_attributes",
    "device",
    "content",
    "subtree"};

// Reads node objects. Keeps its buffers in between: a directory may have a million nodes.
class NodeReader {
 public:
  explicit NodeReader(JsonReader& json) : json_(json) {}

  bool Read(TreeNode& node) {
    node = TreeNode{};
    has_type_ = has_content_ = false;
    link_target_raw_.reset();
    if (!json_.BeginObject()) return false;
    for (std::string_view key; json_.NextField(key);) {
      const Field field = FieldOf(key);
      if (json_.TakeNull()) continue;  // the same as absent, in Go
      if (!ReadField(field, node)) return false;
    }
    return !json_.failed() && Complete(node);
  }

  // Reads only the name and skips the rest of the node.
  bool ReadNameOf(std::string& name) {
    name.clear();
    if (!json_.BeginObject()) return false;
    for (std::string_view key; json_.NextField(key);) {
      const bool is_name = FieldOf(key) == Field::kName;
      if (json_.TakeNull()) continue;
      if (!(is_name ? ReadName(name) : json_.Skip())) return false;
    }
    return !json_.failed() && CheckName(name);
  }

 private:
  // Tries the field after the last one first.
  Field FieldOf(std::string_view key) {
    for (std::size_t i = 0; i < kFieldNames.size(); ++i) {
      const std::size_t field = next_field_;
      next_field_ = next_field_ + 1 == kFieldNames.size() ? 0 : next_field_ + 1;
      if (kFieldNames[field] == key) return static_cast<Field>(field);
    }
    return Field::kUnknown;
  }

  bool ReadField(Field field, TreeNode& node) {
    constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
    Attributes& attributes = node.attributes;
    std::uint64_t number = 0;
    const auto read32 = [&](std::uint32_t& out) {
      if (!json_.Unsigned(number, kMax32)) return false;
      out = static_cast<std::uint32_t>(number);
      return true;
    };
    switch (field) {
      case Field::kName:
        return ReadName(node.name);
      case Field::kType:
        return ReadType(attributes.type);
      case Field::kMode:
        if (!read32(attributes.mode)) return false;
        attributes.mode = UnixMode(attributes.mode);
        return true;
      case Field::kMtime:
        return ReadTime(attributes.mtime);
      case Field::kAtime:
        return ReadTime(attributes.atime);
      case Field::kCtime:
        return ReadTime(attributes.ctime);
      case Field::kUid:
        return read32(attributes.uid);
      case Field::kGid:
        return read32(attributes.gid);
      case Field::kUser:
        return json_.String(attributes.user);
      case Field::kGroup:
        return json_.String(attributes.group);
      case Field::kInode:
        return json_.Unsigned(attributes.inode);
      case Field::kDeviceId:
        return json_.Unsigned(attributes.device_id);
      case Field::kSize:
        return json_.Unsigned(attributes.size);
      case Field::kLinks:
        return json_.Unsigned(attributes.links);
      case Field::kLinkTarget:
        return json_.String(attributes.link_target);
      case Field::kLinkTargetRaw:
        return ReadBase64(link_target_raw_.emplace());
      case Field::kExtended:
        return ReadExtended(attributes.extended);
      case Field::kDevice:
        return json_.Unsigned(attributes.device);
      case Field::kContent:
        return ReadContent(node.content);
      case Field::kSubtree:
        return ReadId(node.subtree.emplace());
      case Field::kUnknown:
        break;
    }
    return json_.Skip();
  }

  bool ReadName(std::string& name) {
    std::string_view text;
    if (!json_.Text(text)) return false;
    Result<std::string> unquoted = GoUnquote(text);
    if (!unquoted) return json_.Reject(unquoted.error().message());
    name = *std::move(unquoted);
    return true;
  }

  bool ReadType(NodeType& type) {
    std::string_view text;
    if (!json_.Text(text)) return false;
    const TypeWord* found = std::ranges::find(kTypes, text, &TypeWord::word);
    if (found == std::end(kTypes)) return json_.Reject("unknown type " + Quote(text.substr(0, 40)));
    type = found->type;
    has_type_ = true;
    return true;
  }

  bool ReadTime(UnixTime& time) {
    std::string_view text;
    if (!json_.Text(text)) return false;
    // Of a node's three times, the second mostly equals the first.
    if (text.empty() || text != time_text_) {
      Result<UnixTime> parsed = ParseUnixTime(text);
      if (!parsed) return json_.Reject(parsed.error().message());
      time_ = *parsed;
      time_text_ = text;
    }
    time = time_;
    return true;
  }

  bool ReadBase64(Bytes& bytes) {
    std::string_view text;
    if (!json_.Text(text)) return false;
    Result<Bytes> decoded = Base64Decode(text);
    if (!decoded) return json_.Reject(decoded.error().message());
    bytes = *std::move(decoded);
    return true;
  }

  bool ReadId(Id& id) {
    return repository::ReadId(json_, id) && (!id.IsZero() || json_.Reject("an id of zeros"));
  }

  bool ReadContent(std::vector<Id>& content) {
    content.clear();
    has_content_ = true;
    if (!json_.BeginArray()) return false;
    while (json_.NextElement()) {
      if (!ReadId(content.emplace_back())) return false;
    }
    return !json_.failed();
  }

  bool ReadExtended(std::vector<ExtendedAttribute>& extended) {
    extended.clear();
    if (!json_.BeginArray()) return false;
    while (json_.NextElement()) {
      if (!json_.BeginObject()) return false;
      ExtendedAttribute& attribute = extended.emplace_back();
      for (std::string_view key; json_.NextField(key);) {
        const bool is_name = key == "name";
        const bool is_value = key == "value";
        if (json_.TakeNull()) continue;
        const bool is_good = is_name    ? json_.String(attribute.name)
                             : is_value ? ReadBase64(attribute.value)
                                        : json_.Skip();
        if (!is_good) return false;
      }
    }
    return !json_.failed();
  }

  bool CheckName(const std::string& name) {
    const bool is_good = !name.empty() && name != "." && name != ".." &&
                         name.find('/') == std::string::npos &&
                         name.find('\0') == std::string::npos;
    if (is_good) return true;
    return json_.Reject("name " + Quote(name.substr(0, 200)) + " is not a valid file name");
  }

  // Checks that do not depend on the order of the fields.
  bool Complete(TreeNode& node) {
    const std::string& name = node.name;
    if (!CheckName(name)) return false;
    if (!has_type_) return json_.Reject("node " + Quote(name.substr(0, 200)) + " has no type");
    Attributes& attributes = node.attributes;
    bool is_directory = attributes.type == NodeType::kDirectory;
    if (is_directory && !node.subtree) {
      return json_.Reject("directory " + Quote(name.substr(0, 200)) + " has no subtree");
    }
    if (!is_directory) node.subtree.reset();
    if (attributes.type == NodeType::kFile) {
      node.has_content = has_content_;
    } else {
      node.content.clear();
    }
    if (link_target_raw_) attributes.link_target = std::string(AsText(*link_target_raw_));
    if (attributes.links == 0) attributes.links = 1;
    return true;
  }

  JsonReader& json_;
  std::size_t next_field_ = 0;
  std::string time_text_;  // the text of time_
  UnixTime time_;
  bool has_type_ = false;
  bool has_content_ = false;
  std::optional<Bytes> link_target_raw_;
};

}  // namespace

void AppendNode(std::string& out, const TreeNode& node) {
  const Attributes& attributes = node.attributes;
  std::string quoted;
  AppendGoQuoted(quoted, node.name);
  out += "{\"name\":";
  AppendGoJson(out, quoted);
  AppendText(out, "type", WordOf(attributes.type).word);
  if (std::uint32_t mode = GoMode(attributes); mode != 0) AppendNumber(out, "mode", mode);
  std::string mtime = FormatTime(attributes.mtime.seconds, attributes.mtime.nanoseconds);
  AppendText(out, "mtime", mtime);
  AppendText(out, "atime", mtime);
  AppendText(out, "ctime", FormatTime(attributes.ctime.seconds, attributes.ctime.nanoseconds));
  AppendNumber(out, "uid", attributes.uid);
  AppendNumber(out, "gid", attributes.gid);
  if (!attributes.user.empty()) AppendText(out, "user", attributes.user);
  if (!attributes.group.empty()) AppendText(out, "group", attributes.group);
  if (attributes.inode != 0) AppendNumber(out, "inode", attributes.inode);
  if (attributes.device_id != 0) AppendNumber(out, "device_id", attributes.device_id);
  if (attributes.type == NodeType::kFile && attributes.size != 0) {
    AppendNumber(out, "size", attributes.size);
  }
  if (WritesLinks(attributes)) AppendNumber(out, "links", attributes.links);
  if (attributes.type == NodeType::kSymlink && !attributes.link_target.empty()) {
    AppendText(out, "linktarget", attributes.link_target);
    if (!IsUtf8(attributes.link_target)) {
      out += R"(,"linktarget_raw":")" + Base64Encode(AsBytes(attributes.link_target)) + '"';
    }
  }
  if (!attributes.extended.empty()) AppendExtended(out, attributes.extended);
  bool is_device =
      attributes.type == NodeType::kBlockDevice || attributes.type == NodeType::kCharDevice;
  if (is_device && attributes.device != 0) AppendNumber(out, "device", attributes.device);
  AppendContent(out, node);
  if (attributes.type == NodeType::kDirectory) {
    HF_CHECK(node.subtree.has_value());
    out += R"(,"subtree":")" + node.subtree->Hex() + '"';
  }
  out += '}';
}

Result<TreeNode> DecodeNode(std::string_view json) {
  JsonReader reader(json);
  TreeNode node;
  if (!NodeReader(reader).Read(node) || !reader.End()) return Fail(reader.status().error());
  return node;
}

namespace {

// Calls `take` at the beginning of each node of a tree. `take` reads the node and returns false if
// it is malformed; its errors end the loop.
template <typename Take>
Result<void> ForEachNode(const Id& id, JsonReader& json, const Take& take) {
  bool has_nodes = false;
  const auto corrupt = [&] {
    Error error =
        json.failed() ? json.status().error() : Error(ErrorCode::kCorrupt, "no field \"nodes\"");
    return Fail(std::move(error).While("tree " + id.Hex()));
  };
  if (!json.BeginObject()) return corrupt();
  for (std::string_view key; json.NextField(key);) {
    if (key != "nodes") {
      if (!json.Skip()) return corrupt();
      continue;
    }
    has_nodes = true;
    if (json.TakeNull()) continue;
    if (!json.BeginArray()) return corrupt();
    while (json.NextElement()) {
      HF_ASSIGN(const bool is_read, take());
      if (!is_read) return corrupt();
    }
    if (json.failed()) return corrupt();
  }
  if (!json.End() || !has_nodes) return corrupt();
  return {};
}

}  // namespace

Result<void> VisitTree(const Id& id, ByteView blob, const VisitNode& visit) {
  const std::string_view text = AsText(blob);
  JsonReader json(text);
  NodeReader reader(json);
  TreeNode node;
  return ForEachNode(id, json, [&]() -> Result<bool> {
    const std::size_t begin = json.position();
    if (!reader.Read(node)) return false;
    HF_TRY(visit(node, text.substr(begin, json.offset() - begin)));
    return true;
  });
}

Result<void> VisitNames(
    const Id& id, ByteView blob,
    const std::function<void(std::string_view name, std::string_view json)>& visit) {
  const std::string_view text = AsText(blob);
  JsonReader json(text);
  NodeReader reader(json);
  std::string name;
  return ForEachNode(id, json, [&]() -> Result<bool> {
    const std::size_t begin = json.position();
    if (!reader.ReadNameOf(name)) return false;
    visit(name, text.substr(begin, json.offset() - begin));
    return true;
  });
}

}  // namespace holdfast::repository
