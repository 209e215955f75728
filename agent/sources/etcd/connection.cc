#include "agent/sources/etcd/connection.h"

#include "common/base/format.h"

namespace holdfast::etcd {

Result<std::optional<ByteView>> SnapshotMessages::Next() {
  if (!first_given_) {
    first_given_ = true;
    return ByteView(first_);
  }
  return stream_->Next();
}

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& endpoint,
                                                     const HttpAccess& access) {
  HF_ASSIGN(auto calls,
            GrpcClient::Create(endpoint, ClientOptionsOf(access, std::chrono::seconds(15))));
  HF_ASSIGN(auto streams,
            GrpcClient::Create(endpoint, ClientOptionsOf(access, std::chrono::seconds(60))));
  return std::make_unique<Connection>(std::move(calls), std::move(streams), access);
}

Result<HttpHeaders> Connection::Metadata(std::stop_token stop) {
  if (access_.user.empty() || user_not_needed_) return HttpHeaders();
  if (token_.empty()) {
    auto answer = calls_.Call("etcdserverpb.Auth/Authenticate",
                              EncodeAuthenticate(access_.user, access_.password.Reveal()), {},
                              std::move(stop));
    if (!answer &&
        answer.error().message().find("authentication is not enabled") != std::string::npos) {
      user_not_needed_ = true;
      return HttpHeaders();
    }
    if (!answer) return Fail(std::move(answer).error());
    HF_ASSIGN(std::string token, DecodeToken(*answer));
    if (token.empty())
      return Fail(ErrorCode::kCorrupt, fmt::format("{}: login gave no token", Quote(endpoint())));
    token_ = Secret(std::move(token));
  }
  return HttpHeaders{{"token", std::string(token_.Reveal())}};
}

Result<Bytes> Connection::Call(std::string_view method, ByteView message, std::stop_token stop) {
  HF_ASSIGN(HttpHeaders metadata, Metadata(stop));
  auto answer = calls_.Call(method, message, metadata, stop);
  if (answer || token_.empty() || !IsStaleToken(answer.error())) return answer;
  token_ = Secret();
  HF_ASSIGN(metadata, Metadata(stop));
  return calls_.Call(method, message, metadata, stop);
}

Result<StatusResponse> Connection::Status(std::stop_token stop) {
  HF_ASSIGN(Bytes answer, Call("etcdserverpb.Maintenance/Status", {}, std::move(stop)));
  return DecodeStatus(answer);
}

Result<std::vector<MemberEntry>> Connection::Members(std::stop_token stop) {
  HF_ASSIGN(Bytes answer, Call("etcdserverpb.Cluster/MemberList", {}, std::move(stop)));
  return DecodeMembers(answer);
}

Result<std::vector<AlarmEntry>> Connection::Alarms(std::stop_token stop) {
  // An empty request returns all alarms of all members.
  HF_ASSIGN(Bytes answer, Call("etcdserverpb.Maintenance/Alarm", {}, std::move(stop)));
  return DecodeAlarms(answer);
}

Result<std::uint64_t> Connection::CountKeys(std::uint64_t revision, std::stop_token stop) {
  HF_ASSIGN(Bytes answer, Call("etcdserverpb.KV/Range", EncodeCountAll(revision), std::move(stop)));
  return DecodeCount(answer);
}

Result<std::unique_ptr<SnapshotMessages>> Connection::OpenSnapshot(std::stop_token stop) {
  for (bool again = false;; again = true) {
    HF_ASSIGN(HttpHeaders metadata, Metadata(stop));
    std::optional<Error> failure;
    auto stream = streams_.Open("etcdserverpb.Maintenance/Snapshot", {}, metadata, stop);
    if (!stream) {
      failure = std::move(stream).error();
    } else {
      auto first = (*stream)->Next();
      if (first && *first)
        return std::make_unique<SnapshotMessages>(*std::move(stream),
                                                  Bytes((*first)->begin(), (*first)->end()));
      if (first)
        return Fail(ErrorCode::kCorrupt,
                    fmt::format("{}: the snapshot stream is empty", Quote(endpoint())));
      failure = std::move(first).error();
    }
    if (again || token_.empty() || !IsStaleToken(*failure)) return Fail(*std::move(failure));
    token_ = Secret();
  }
}

}  // namespace holdfast::etcd
