#include "common/repository/tree_codec.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "common/base/format.h"
#include "common/repository/go_text.h"
#include "common/repository/json_reader.h"

namespace holdfast::repository {
namespace {

// Go's os.FileMode keeps these bits where st_mode keeps others.
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

// restic counts links of these only. A fifo or socket that has several names needs the number too,
// or the names could not be tied together again.
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

void AppendNumber(std::string& out, std::string_view field, std::uint64_t value) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":{}", field, value);
}

void AppendText(std::string& out, std::string_view field, std::string_view value) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":", field);
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

// Reads the fields of one node object. Buffers live as long as the reader, since a directory may
// have a million nodes.
class NodeReader {
 public:
  explicit NodeReader(JsonReader& json) : json_(json) {}

  bool Read(TreeNode& node) {
    node = TreeNode{};
    has_type_ = has_content_ = false;
    link_target_raw_.reset();
    if (!json_.BeginObject()) return false;
    while (json_.NextField(key_)) {
      if (json_.TakeNull()) continue;  // as good as absent, in Go
      if (!ReadField(node)) return false;
    }
    return !json_.failed() && Complete(node);
  }

 private:
  bool ReadField(TreeNode& node) {
    constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
    Attributes& attributes = node.attributes;
    std::uint64_t number = 0;
    const auto read32 = [&](std::uint32_t& out) {
      if (!json_.Unsigned(number, kMax32)) return false;
      out = static_cast<std::uint32_t>(number);
      return true;
    };
    if (key_ == "name") return ReadName(node.name);
    if (key_ == "type") return ReadType(attributes.type);
    if (key_ == "mode") {
      if (!read32(attributes.mode)) return false;
      attributes.mode = UnixMode(attributes.mode);
      return true;
    }
    if (key_ == "mtime") return ReadTime(attributes.mtime);
    if (key_ == "atime") return ReadTime(attributes.atime);
    if (key_ == "ctime") return ReadTime(attributes.ctime);
    if (key_ == "uid") return read32(attributes.uid);
    if (key_ == "gid") return read32(attributes.gid);
    if (key_ == "user") return json_.String(attributes.user);
    if (key_ == "group") return json_.String(attributes.group);
    if (key_ == "inode") return json_.Unsigned(attributes.inode);
    if (key_ == "device_id") return json_.Unsigned(attributes.device_id);
    if (key_ == "size") return json_.Unsigned(attributes.size);
    if (key_ == "links") return json_.Unsigned(attributes.links);
    if (key_ == "linktarget") return json_.String(attributes.link_target);
    if (key_ == "linktarget_raw") return ReadBase64(link_target_raw_.emplace());
    if (key_ == "extended_attributes") return ReadExtended(attributes.extended);
    if (key_ == "device") return json_.Unsigned(attributes.device);
    if (key_ == "content") return ReadContent(node.content);
    if (key_ == "subtree") return ReadId(node.subtree.emplace());
    return json_.Skip();
  }

  bool ReadName(std::string& name) {
    if (!json_.String(text_)) return false;
    Result<std::string> unquoted = GoUnquote(text_);
    if (!unquoted) return json_.Reject(unquoted.error().message());
    name = *std::move(unquoted);
    return true;
  }

  bool ReadType(NodeType& type) {
    if (!json_.String(text_)) return false;
    const TypeWord* found = std::ranges::find(kTypes, text_, &TypeWord::word);
    if (found == std::end(kTypes))
      return json_.Reject("unknown type " + Quote(text_.substr(0, 40)));
    type = found->type;
    has_type_ = true;
    return true;
  }

  bool ReadTime(UnixTime& time) {
    if (!json_.String(text_)) return false;
    Result<UnixTime> parsed = ParseUnixTime(text_);
    if (!parsed) return json_.Reject(parsed.error().message());
    time = *parsed;
    return true;
  }

  bool ReadBase64(Bytes& bytes) {
    if (!json_.String(text_)) return false;
    Result<Bytes> decoded = Base64Decode(text_);
    if (!decoded) return json_.Reject(decoded.error().message());
    bytes = *std::move(decoded);
    return true;
  }

  bool ReadId(Id& id) {
    if (!json_.String(text_)) return false;
    Result<Id> parsed = ParseId(text_);
    if (!parsed) return json_.Reject(parsed.error().message());
    if (parsed->IsZero()) return json_.Reject("an id of zeros");
    id = *parsed;
    return true;
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
      while (json_.NextField(key_)) {
        if (json_.TakeNull()) continue;
        bool good = key_ == "name"    ? json_.String(attribute.name)
                    : key_ == "value" ? ReadBase64(attribute.value)
                                      : json_.Skip();
        if (!good) return false;
      }
    }
    return !json_.failed();
  }

  // What must hold whatever the fields' order.
  bool Complete(TreeNode& node) {
    const std::string& name = node.name;
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      return json_.Reject("name " + Quote(name.substr(0, 200)) + " is none that a file can have");
    }
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
  std::string key_;
  std::string text_;
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

Result<void> VisitTree(
    const Id& id, ByteView blob,
    const std::function<Result<void>(const TreeNode& node, std::string_view json)>& visit) {
  std::string_view text = AsText(blob);
  JsonReader json(text);
  NodeReader reader(json);
  TreeNode node;
  std::string key;
  bool has_nodes = false;
  const auto corrupt = [&] {
    Error error =
        json.failed() ? json.status().error() : Error(ErrorCode::kCorrupt, "no field \"nodes\"");
    return Fail(std::move(error).While("tree " + id.Hex()));
  };
  if (!json.BeginObject()) return corrupt();
  while (json.NextField(key)) {
    if (key != "nodes") {
      if (!json.Skip()) return corrupt();
      continue;
    }
    has_nodes = true;
    if (json.TakeNull()) continue;
    if (!json.BeginArray()) return corrupt();
    while (json.NextElement()) {
      std::size_t begin = json.position();
      if (!reader.Read(node)) return corrupt();
      HF_TRY(visit(node, text.substr(begin, json.offset() - begin)));
    }
    if (json.failed()) return corrupt();
  }
  if (!json.End() || !has_nodes) return corrupt();
  return {};
}

}  // namespace holdfast::repository
