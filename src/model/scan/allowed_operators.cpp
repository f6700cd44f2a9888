#include <algorithm>
#include <array>
#include <string_view>

#include "model/scan/archive_scan.h"

namespace salf::model {
namespace {

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

}  // namespace

bool is_allowed_operator(const std::string& name) {
  constexpr std::string_view kTensor = "aten::", kLanguage = "prim::";
  const std::string_view text = name;
  if (text.substr(0, kTensor.size()) == kTensor)
    return contains(kTensorOperators, text.substr(kTensor.size()));
  if (text.substr(0, kLanguage.size()) == kLanguage)
    return contains(kLanguageOperators, text.substr(kLanguage.size()));
  return false;
}

}  // namespace salf::model
