#include "tensor/transfer.h"

#include <ATen/ops/empty.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>
#include <utility>

namespace salf::tensor {
namespace {

constexpr double kMillisecond = 1e-3;

c10::Stream current_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

// For copies. The same one as long as the device is, since memory is kept for each stream.
c10::Stream copy_stream(c10::Device device) {
  thread_local std::optional<c10::Stream> stream;
  if (!stream || stream->device() != device)
    stream = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, false);
  return *stream;
}

// The next `shape` of the numbers, from `begin` on, which moves to their end.
at::Tensor part(const at::Tensor& numbers, at::IntArrayRef shape, std::int64_t& begin) {
  const std::int64_t count = c10::multiply_integers(shape);
  begin += count;
  return numbers.narrow(0, begin - count, count).view(shape);
}

}  // namespace

Moment::Moment(c10::Device device)
    : device_(device), event_(device.type(), c10::EventFlag::BACKEND_DEFAULT) {
  event_.record(current_stream(device));
}

void Moment::delay_stream() const { event_.block(current_stream(device_)); }

double Moment::seconds_since(const Moment& earlier) const {
  return earlier.event_.elapsedTime(event_) * kMillisecond;
}

at::Tensor pinned(at::IntArrayRef shape, at::ScalarType type) {
  return at::empty(shape, at::TensorOptions(type).pinned_memory(true));
}

at::Tensor sent(const at::Tensor& pinned, c10::Device device) {
  return pinned.to(device, /*non_blocking=*/true);
}

Ahead::Ahead(const at::Tensor& pinned, c10::Device device)
    : Ahead(pinned, device, c10::StreamGuard(copy_stream(device))) {}

Ahead::Ahead(const at::Tensor& pinned, c10::Device device, const c10::StreamGuard& /*beside*/)
    : tensor_(sent(pinned, device)), there_(device) {}

at::Tensor Ahead::take() const {
  there_.delay_stream();
  tensor_.record_stream(current_stream(tensor_.device()));
  return tensor_;
}

Arriving::Arriving(const at::Tensor& tensor)
    : tensor_(pinned(tensor.sizes(), tensor.scalar_type()).copy_(tensor, /*non_blocking=*/true)),
      there_(tensor.device()) {}

const at::Tensor& Arriving::take() const {
  if (!is_there()) there_.wait();
  return tensor_;
}

Batch on_device(Batch batch, c10::Device device) {
  if (device.is_cpu() || !batch.ids.device().is_cpu()) return batch;
  const at::Tensor labels =
      batch.labels.defined() ? batch.labels.reshape({-1}) : at::empty({0}, at::kLong);
  const at::Tensor places = labels.ne(kNoLabel).nonzero().squeeze(1);
  const std::int64_t masked = batch.mask.defined() ? batch.mask.numel() : 0;
  const at::Tensor host = pinned({batch.ids.numel() + masked + 2 * places.numel()}, at::kLong);
  std::int64_t begin = 0;
  part(host, batch.ids.sizes(), begin).copy_(batch.ids);
  if (masked > 0) part(host, batch.mask.sizes(), begin).copy_(batch.mask);
  part(host, places.sizes(), begin).copy_(places);
  part(host, places.sizes(), begin).copy_(labels.index_select(0, places));
  const at::Tensor there = sent(host, device);
  begin = 0;
  batch.ids = part(there, batch.ids.sizes(), begin);
  if (masked > 0) batch.mask = part(there, batch.mask.sizes(), begin);
  batch.places = part(there, places.sizes(), begin);
  batch.targets = part(there, places.sizes(), begin);
  return batch;
}

}  // namespace salf::tensor
