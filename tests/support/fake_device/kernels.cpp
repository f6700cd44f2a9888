#include "kernels.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

#include <cstring>
#include <deque>
#include <set>

#include "memory.h"
#include "timeline.h"

namespace salf::fake_device {
namespace {

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::CUDA);

std::string full_name(const c10::FunctionSchema& schema) {
  return schema.overload_name().empty() ? schema.name()
                                        : schema.name() + "." + schema.overload_name();
}

// Whether CUDA's kernel takes this tensor from the host.
bool may_be_on_host(const std::string& name, const at::Tensor& tensor) {
  static const std::set<std::string> indexing{
      "aten::index", "aten::index_put_", "aten::_index_put_impl_"};
  return tensor.dim() == 0 || indexing.count(name) > 0;
}

// Whether CUDA's kernel waits for a number that it needs on the host.
bool waits(const std::string& name) {
  static const std::set<std::string> waiting{"aten::nonzero", "aten::masked_select", "aten::equal",
      "aten::bincount", "aten::_unique2", "aten::unique_consecutive", "aten::repeat_interleave"};
  return waiting.count(name) > 0;
}

// One call of an operator, with the device's tensors replaced by what kernels see of them.
class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack& stack)
      : op_(op), name_(op.schema().name()), stack_(stack) {}

  void run() {
    const auto& arguments = op_.schema().arguments();
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const auto* const alias = arguments[i].alias_info();
      written_ = alias != nullptr && alias->isWrite();
      c10::IValue& value = torch::jit::peek(stack_, i, arguments.size());
      value = inside(value);
    }
    TORCH_CHECK(host_tensor_.empty() || views_.empty(),
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and "
        "cpu! (",
        host_tensor_, " of ", name_, ")");
    timeline().add_kernel(full_name(op_.schema()));
    op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack_);
    for (View& view : views_) take_resize(view);
    const std::size_t results = op_.schema().returns().size();
    for (std::size_t i = 0; i < results; ++i) {
      c10::IValue& value = torch::jit::peek(stack_, i, results);
      value = outside(value);
    }
    if (waits(name_)) timeline().wait_for_all(name_.c_str());
  }

 private:
  struct View {
    at::Tensor tensor, seen;
    bool written;
  };

  at::Tensor inside(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!is_on_device(tensor)) {
      if (!may_be_on_host(name_, tensor))
        host_tensor_ = "a tensor of " + std::to_string(tensor.dim()) + " dimensions";
      return tensor;
    }
    for (const View& view : views_) {
      if (view.tensor.is_same(tensor)) return view.seen;
    }
    views_.push_back({tensor, as_kernels_see(tensor), written_});
    return views_.back().seen;
  }

  c10::IValue inside(const c10::IValue& value) {
    if (value.isTensor()) return inside(value.toTensor());
    if (value.isDevice() && value.toDevice().is_cuda()) {
      made_on_device_ = true;
      return c10::Device(c10::kCPU);
    }
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(inside(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorList())
        list.push_back(tensor ? std::optional<at::Tensor>(inside(*tensor)) : std::nullopt);
      return list;
    }
    return value;
  }

  // An operator may have given what it writes another size, and so another place.
  static void take_resize(View& view) {
    if (!view.written) return;
    const void* const data = view.seen.storage().data();
    const bool in_place = data == nullptr || memory().for_tensors(data) != nullptr;
    if (in_place && view.seen.sizes() == view.tensor.sizes()) return;
    view.tensor.resize_(view.seen.sizes());
    as_kernels_see(view.tensor).copy_(view.seen);
  }

  // The tensor of the device that a result stands for; nothing where it is none's view.
  std::optional<at::Tensor> viewed(const at::Tensor& result) const {
    if (result.storage().nbytes() == 0) return std::nullopt;
    const auto* const storage = result.storage().unsafeGetStorageImpl();
    for (const View& view : views_) {
      if (view.seen.storage().unsafeGetStorageImpl() != storage) continue;
      at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW,
          c10::Storage(view.tensor.storage()), view.tensor.key_set(), result.dtype());
      made.unsafeGetTensorImpl()->set_sizes_and_strides(
          result.sizes(), result.strides(), view.tensor.storage_offset() + result.storage_offset());
      return made;
    }
    return std::nullopt;
  }

  at::Tensor outside(const at::Tensor& result) const {
    if (!result.defined() || (views_.empty() && !made_on_device_)) return result;
    for (const View& view : views_) {
      if (view.seen.is_same(result)) return view.tensor;
    }
    if (auto view = viewed(result)) return *view;
    const at::Tensor made =
        at::empty_strided(result.sizes(), result.strides(), result.options().device(device()));
    as_kernels_see(made).copy_(result);
    return made;
  }

  c10::IValue outside(const c10::IValue& value) const {
    if (value.isTensor()) return outside(value.toTensor());
    if (!value.isTensorList()) return value;
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(outside(tensor));
    return list;
  }

  const c10::OperatorHandle& op_;
  const std::string& name_;
  torch::jit::Stack& stack_;
  std::deque<View> views_;
  bool written_ = false, made_on_device_ = false;
  std::string host_tensor_;
};

void run_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op, *stack).run(); }

using Type = std::optional<at::ScalarType>;
using Layout = std::optional<at::Layout>;
using Place = std::optional<at::Device>;

at::Tensor empty(at::IntArrayRef size, Type type, Layout /*layout*/, Place /*place*/,
    std::optional<bool> pinned, std::optional<at::MemoryFormat> format) {
  TORCH_CHECK(!pinned.value_or(false), "only the host's memory can be pinned");
  return at::detail::empty_generic(
      size, c10::GetAllocator(c10::kCUDA), kKeys, c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, Type type, Layout /*layout*/,
    Place /*place*/, std::optional<bool> /*pinned*/) {
  return at::detail::empty_strided_generic(
      size, stride, c10::GetAllocator(c10::kCUDA), kKeys, c10::dtype_or_default(type));
}

at::Tensor as_strided(const at::Tensor& self, c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
    std::optional<c10::SymInt> offset) {
  const auto from = offset ? std::optional<std::int64_t>(offset->expect_int()) : std::nullopt;
  return at::native::as_strided_tensorimpl(
      self, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), from);
}

at::Tensor view(const at::Tensor& self, c10::SymIntArrayRef size) {
  return at::native::view(self, C10_AS_INTARRAYREF_SLOW(size));
}

at::Tensor reshape_alias(
    const at::Tensor& self, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
  return at::native::_reshape_alias(
      self, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
}

const at::Tensor& resize(const at::Tensor& self, c10::SymIntArrayRef symbols,
    std::optional<at::MemoryFormat> /*format*/) {
  const at::IntArrayRef size = C10_AS_INTARRAYREF_SLOW(symbols);
  if (self.sizes() == size) return self;
  self.unsafeGetTensorImpl()->set_sizes_contiguous(size);
  const std::size_t bytes =
      static_cast<std::size_t>(self.storage_offset() + self.numel()) * self.itemsize();
  if (self.storage().nbytes() < bytes) resize_storage(self.storage(), bytes);
  return self;
}

at::Tensor& set_storage(at::Tensor& self, at::Storage source, c10::SymInt offset,
    c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
  c10::TensorImpl* const impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(source));
  impl->set_sizes_and_strides(
      C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), offset.expect_int());
  return self;
}

at::Tensor& set_tensor(at::Tensor& self, const at::Tensor& source) {
  c10::TensorImpl* const impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(source.storage());
  impl->set_sizes_and_strides(source.sizes(), source.strides(), source.storage_offset());
  return self;
}

// Copies that the host need not wait for: asked for as such, and of pinned memory.
at::Tensor copy_from(const at::Tensor& self, const at::Tensor& to, bool non_blocking) {
  const at::Tensor from = self.sizes() == to.sizes() ? self : self.expand(to.sizes());
  if (is_on_device(from) && is_on_device(to)) {
    timeline().add_kernel("aten::copy_");
    as_kernels_see(to).copy_(as_kernels_see(from));
  } else if (is_on_device(to)) {
    as_kernels_see(to).copy_(from);
    timeline().add_copy_to_device(from, non_blocking && from.is_pinned());
  } else {
    timeline().add_copy_to_host(as_kernels_see(from), to, non_blocking && to.is_pinned());
  }
  return to;
}

at::Tensor& copy(at::Tensor& to, const at::Tensor& self, bool non_blocking) {
  copy_from(self, to, non_blocking);
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& to) {
  if (to.sizes() != self.sizes()) to.resize_(self.sizes());
  return copy_from(self, to, false);
}

void record_stream(at::Tensor& /*self*/, at::Stream /*stream*/) {}

at::Scalar local_scalar(const at::Tensor& self) {
  timeline().wait_for_all("item");
  return as_kernels_see(self).item();
}

}  // namespace

bool is_on_device(const at::Tensor& tensor) { return tensor.defined() && tensor.is_cuda(); }

at::Tensor as_kernels_see(const at::Tensor& tensor) {
  const at::TensorOptions options = tensor.options().device(at::kCPU).requires_grad(false);
  if (tensor.storage().nbytes() == 0)
    return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  char* const base = static_cast<char*>(memory().for_kernels(tensor.storage().data()));
  const auto offset = static_cast<std::size_t>(tensor.storage_offset()) * tensor.itemsize();
  return at::from_blob(base + offset, tensor.sizes(), tensor.strides(), options);
}

void resize_storage(const c10::Storage& storage, std::size_t bytes) {
  auto* const impl = storage.unsafeGetStorageImpl();
  c10::DataPtr fresh = impl->allocator()->allocate(bytes);
  const std::size_t kept = std::min(bytes, impl->nbytes());
  if (kept > 0)
    std::memcpy(memory().for_kernels(fresh.get()), memory().for_kernels(impl->data()), kept);
  impl->set_data_ptr_noswap(std::move(fresh));
  impl->set_nbytes(bytes);
}

TORCH_LIBRARY_IMPL(_, CUDA, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("as_strided", as_strided);
  m.impl("view", view);
  m.impl("_reshape_alias", reshape_alias);
  m.impl("resize_", resize);
  m.impl("set_.source_Storage_storage_offset", set_storage);
  m.impl("set_.source_Tensor", set_tensor);
  m.impl("copy_", copy);
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("_local_scalar_dense", local_scalar);
  m.impl("record_stream", record_stream);
}

}  // namespace salf::fake_device
