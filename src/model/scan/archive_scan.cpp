#include "model/scan/archive_scan.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "model/scan/pickle_scan.h"
#include "model/scan/source_scan.h"
#include "tensor/device.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

// Deflate shrinks by 1,032 at most.
constexpr std::uint64_t kLargestExpansion = 1100;
const char* const kTrustAdvice =
    "; --trust-model loads it nevertheless, if you trust where it comes from";

class ArchiveScan {
 public:
  ArchiveScan(const std::filesystem::path& archive, bool trusted)
      : name_(core::printable(archive.string())), trusted_(trusted),
        file_bytes_(std::filesystem::file_size(archive)), reader_(archive.string()),
        sources_(name_) {}

  void run() {
    for (const std::string& record : reader_.getAllRecords()) {
      if (reader_.getRecordSize(record) / kLargestExpansion > file_bytes_) {
        fail("the record " + core::printable(record) + " claims " +
             std::to_string(reader_.getRecordSize(record)) + " bytes, the whole file has " +
             std::to_string(file_bytes_));
      }
      // Records are found whatever their case, so they are judged that way.
      scan(record, lower(record));
    }
    sources_.check_definitions();
    if (has_code_) return;
    fail(
        "holds no TorchScript code; a state_dict or a pickled model does not work, save the model "
        "with torch.jit.trace(…).save(…)");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kBadModel, name_ + ": " + what);
  }

  void scan(const std::string& record, const std::string& kind) {
    if (kind == "model.json")
      fail("made by a PyTorch before 1.4; save it anew with torch.jit.load(…).save(…)");
    if (kind == "traced_inputs.pkl") return;  // never read: its storages have no bytes
    if (core::ends_with(kind, ".pkl") || core::ends_with(kind, ".debug_pkl"))
      return scan_objects(record, kind);
    if (!core::starts_with(kind, "code/") || !core::ends_with(kind, ".py")) return;
    has_code_ = true;
    if (trusted_) return;
    const std::string source = text(record);
    if (source.find("__setstate__") != std::string::npos) {
      fail("not loaded: its code has a method that runs while it is loaded (__setstate__)" +
           std::string(kTrustAdvice));
    }
    if (source.find("torch.classes") != std::string::npos) {
      fail("not loaded: its code uses classes of native code (torch.classes)" +
           std::string(kTrustAdvice));
    }
    sources_.add(record, source);
  }

  void scan_objects(const std::string& record, const std::string& kind) {
    const std::string folder = kind.substr(0, kind.size() - 4) + "/";
    const auto size = [&](const std::string& key) -> std::optional<std::uint64_t> {
      for (const std::string& name : {folder + key, key}) {
        if (reader_.hasRecord(name)) return reader_.getRecordSize(name);
      }
      return std::nullopt;
    };
    scan_pickle(name_ + ", " + core::printable(record), text(record), size);
  }

  std::string text(const std::string& record) {
    const auto [bytes, size] = reader_.getRecord(record);
    return {static_cast<const char*>(bytes.get()), size};
  }

  std::string name_;
  bool trusted_;
  std::uint64_t file_bytes_;
  caffe2::serialize::PyTorchStreamReader reader_;
  SourceScan sources_;
  bool has_code_ = false;
};

// Sorted. Not in it, on purpose: save, from_file and file; warn and print; set_, resize_,
// as_strided and what else takes raw storage apart; manual_seed; distributed and quantised
// operators.
constexpr std::array<std::string_view, 395> kTensorOperators = {"Bool", "BoolImplicit", "Complex",
    "ComplexImplicit", "Float", "FloatImplicit", "Int", "IntImplicit", "ScalarImplicit", "__and__",
    "__contains__", "__derive_index", "__getitem__", "__interpolate", "__is__", "__isnot__",
    "__lshift__", "__not__", "__or__", "__range_length", "__rshift__", "__xor__", "_cast_Float",
    "_cast_Half", "_cast_Long", "_log_softmax", "_set_item", "_softmax", "_unsafe_view", "abs",
    "acos", "add", "add_", "addbmm", "addcdiv", "addcdiv_", "addcmul", "addcmul_", "addmm",
    "addmm_", "addmv", "alias", "all", "amax", "amin", "aminmax", "any", "append", "arange",
    "argmax", "argmin", "argsort", "asin", "atan", "atan2", "baddbmm", "baddbmm_", "bitwise_and",
    "bitwise_and_", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_or_",
    "bitwise_right_shift", "bitwise_xor", "bmm", "bool", "broadcast_tensors", "broadcast_to",
    "bucketize", "cat", "ceil", "celu", "chunk", "clamp", "clamp_", "clamp_max", "clamp_max_",
    "clamp_min", "clamp_min_", "clear", "clone", "complex", "concat", "concatenate",
    "constant_pad_nd", "contiguous", "conv1d", "copy_", "cos", "cos_", "cosh", "cumprod", "cumsum",
    "cumsum_", "dense_dim", "detach", "detach_", "device", "diag", "diag_embed", "diagonal", "diff",
    "dim", "div", "div_", "divide", "dot", "dropout", "dropout_", "einsum", "element_size", "elu",
    "embedding", "empty", "empty_like", "endswith", "eq", "eq_", "equal", "erf", "erfc", "exp",
    "exp2", "exp_", "expand", "expand_as", "expm1", "expm1_", "extend", "eye", "feature_dropout",
    "fill_", "flatten", "flip", "float", "floor", "floor_", "floor_divide", "floor_divide_",
    "floordiv", "fmod", "format", "frac", "full", "full_like", "gather", "ge", "ge_", "gelu",
    "gelu_", "get", "get_device", "glu", "greater", "greater_equal", "group_norm", "gt", "gt_",
    "hardsigmoid", "hardswish", "hardswish_", "hardtanh", "hstack", "imag", "index", "index_add",
    "index_add_", "index_copy", "index_copy_", "index_fill", "index_fill_", "index_put",
    "index_put_", "index_select", "inner", "insert", "instance_norm", "int", "is_complex",
    "is_contiguous", "is_floating_point", "is_nonzero", "isclose", "isfinite", "isinf", "isnan",
    "item", "items", "keys", "kthvalue", "l1_loss", "layer_norm", "le", "le_", "leaky_relu",
    "leaky_relu_", "len", "lerp", "lerp_", "less", "less_equal", "linalg_norm",
    "linalg_vector_norm", "linear", "linspace", "list", "log", "log10", "log1p", "log2", "log_",
    "log_sigmoid", "log_softmax", "logaddexp", "logical_and", "logical_and_", "logical_not",
    "logical_not_", "logical_or", "logical_or_", "logical_xor", "logsumexp", "lt", "lt_",
    "masked_fill", "masked_fill_", "masked_scatter", "masked_scatter_", "masked_select", "matmul",
    "matrix_power", "max", "maximum", "mean", "median", "meshgrid", "min", "minimum", "mish", "mm",
    "moveaxis", "movedim", "mul", "mul_", "multiply", "mv", "nan_to_num", "nan_to_num_", "narrow",
    "native_dropout", "native_layer_norm", "ne", "ne_", "neg", "neg_", "negative", "new_empty",
    "new_full", "new_ones", "new_zeros", "nonzero", "norm", "not_equal", "numel", "numpy_T", "ones",
    "ones_like", "outer", "pad", "permute", "polar", "pop", "pow", "pow_", "prelu", "prod",
    "rad2deg", "real", "reciprocal", "reciprocal_", "relu", "relu6", "relu_", "remainder",
    "remainder_", "repeat", "repeat_interleave", "requires_grad_", "reshape", "reshape_as",
    "resolve_conj", "resolve_neg", "reverse", "rms_norm", "roll", "rot90", "round", "round_",
    "rrelu", "rsqrt", "rsqrt_", "rsub", "scalar_tensor", "scaled_dot_product_attention", "scatter",
    "scatter_", "scatter_add", "scatter_add_", "scatter_reduce", "searchsorted", "select",
    "select_scatter", "selu", "sgn", "sigmoid", "sigmoid_", "sign", "silu", "silu_", "sin", "sin_",
    "sinh", "size", "slice", "slice_scatter", "softmax", "softplus", "softshrink", "sort", "sorted",
    "split", "split_with_sizes", "sqrt", "sqrt_", "square", "square_", "squeeze", "squeeze_",
    "stack", "startswith", "std", "std_mean", "str", "stride", "sub", "sub_", "subtract", "sum",
    "sum_to_size", "swapaxes", "swapdims", "t", "take", "take_along_dim", "tan", "tanh", "tanh_",
    "tensor", "tensor_split", "threshold", "tile", "to", "topk", "trace", "transpose", "transpose_",
    "tril", "tril_", "tril_indices", "triu", "triu_", "triu_indices", "true_divide", "trunc",
    "type_as", "unbind", "unflatten", "unfold", "unique_consecutive", "unsqueeze", "unsqueeze_",
    "values", "var", "var_mean", "view", "view_as", "view_as_complex", "view_as_real", "vstack",
    "where", "xlogy", "zero_", "zeros", "zeros_like"};

// Sorted. Not in it: Print, PythonOp, rpc_*, fork and wait.
constexpr std::array<std::string_view, 63> kLanguageOperators = {"AutogradZero", "CallFunction",
    "CallMethod", "Closure", "Constant", "ConstantChunk", "CreateObject", "DictConstruct",
    "DictIndex", "EnumName", "EnumValue", "Function", "GetAttr", "If", "IfThenElse",
    "ListConstruct", "ListUnpack", "Loop", "ModuleContainerIndex", "NumToTensor", "Param",
    "RaiseException", "Return", "SetAttr", "StringIndex", "TupleConstruct", "TupleIndex",
    "TupleSlice", "TupleUnpack", "Uninitialized", "abs", "data", "device", "dtype", "grad", "index",
    "is_cpu", "is_cuda", "is_ipu", "is_maia", "is_meta", "is_mkldnn", "is_mps", "is_mtia",
    "is_nested", "is_quantized", "is_sparse", "is_sparse_csr", "is_vulkan", "is_xla", "is_xpu",
    "isinstance", "itemsize", "layout", "max", "min", "nbytes", "rangelist", "requires_grad",
    "tolist", "type", "unchecked_cast", "unchecked_unwrap_optional"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& sorted, std::string_view name) {
  return std::binary_search(sorted.begin(), sorted.end(), name);
}

// True for operators that compute tensors, numbers, lists and strings from their arguments and
// touch nothing else: "aten::matmul", "prim::If". Files, other processes, the terminal, raw storage
// and random generators' state are out of reach of all of them.
bool is_allowed_operator(const std::string& name) {
  constexpr std::string_view kTensor = "aten::", kLanguage = "prim::";
  const std::string_view text = name;
  if (text.substr(0, kTensor.size()) == kTensor)
    return contains(kTensorOperators, text.substr(kTensor.size()));
  if (text.substr(0, kLanguage.size()) == kLanguage)
    return contains(kLanguageOperators, text.substr(kLanguage.size()));
  return false;
}

void collect_refused(const jit::Block& block, std::set<std::string>& refused) {
  for (const jit::Node* node : block.nodes()) {
    const std::string name = node->kind().toQualString();
    if (!is_allowed_operator(name)) refused.insert(name);
    for (const jit::Block* inner : node->blocks()) collect_refused(*inner, refused);
  }
}

}  // namespace

void scan_archive(const std::filesystem::path& archive, bool trusted) {
  if (!std::filesystem::is_regular_file(archive)) {
    throw Error(ErrorKind::kIo, core::printable(archive.string()) + ": no such file");
  }
  try {
    ArchiveScan(archive, trusted).run();
  } catch (const c10::Error& error) {
    throw Error(ErrorKind::kBadModel,
        core::printable(archive.string()) +
            ": not a TorchScript archive (a zip file made by torch.jit.save): " +
            core::printable(tensor::error_text(error)));
  }
}

void scan_program(const std::filesystem::path& archive, const jit::Module& module) {
  std::set<std::string> refused;
  for (jit::Function* function : module._ivalue()->compilation_unit()->get_functions()) {
    jit::GraphFunction* const graph = jit::tryToGraphFunction(*function);
    if (graph == nullptr) {
      refused.insert(function->qualname().qualifiedName());
      continue;
    }
    graph->ensure_defined();
    collect_refused(*graph->graph()->block(), refused);
  }
  if (refused.empty()) return;
  throw Error(ErrorKind::kBadModel,
      core::printable(archive.string()) +
          ": not run, because its program uses what a decoder has no use for: " +
          core::printable(core::join({refused.begin(), refused.end()}, ", "), 1000) + kTrustAdvice);
}

}  // namespace salf::model
