#include "common/kafka/client.h"

#include <utility>

#include "common/kafka/handle.h"

namespace holdfast::rdkafka {

Client::Client(ClientOptions options, LogObserver observer, std::unique_ptr<Handle> handle)
    : options_(std::move(options)), observer_(std::move(observer)), handle_(std::move(handle)) {}

Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::Open(ClientOptions options, LogObserver observer) {
  HF_ASSIGN(auto handle, Handle::Open(options, Role::kConsumer, {}, observer));
  return std::make_unique<Client>(std::move(options), std::move(observer), std::move(handle));
}

Result<Handle*> Client::UncommittedHandle() {
  if (!uncommitted_) {
    HF_ASSIGN(uncommitted_, Handle::Open(options_, Role::kConsumer,
                                         {{"isolation.level", "read_uncommitted"}}, observer_));
  }
  return uncommitted_.get();
}

}  // namespace holdfast::rdkafka
