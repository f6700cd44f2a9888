#include "support/tiny_model.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

#include <string>
#include <vector>

#include "core/random.h"

namespace salf::support {
namespace {

using torch::jit::Module;

constexpr int kHeads = 4;
constexpr int kKeyHeads = 2;

// Makes the modules of one decoder: they share a compilation unit, and each gets a class of its
// own, as modules of a trace do.
class Builder {
 public:
  explicit Builder(std::uint64_t seed)
      : unit_(std::make_shared<torch::jit::CompilationUnit>()), random_(seed, "tiny decoder") {}

  Module empty(const std::string& name) {
    return Module(c10::QualifiedName("__torch__.tiny." + name), unit_, /*shouldMangle=*/true);
  }

  at::Tensor weights(std::int64_t rows, std::int64_t columns, double deviation) {
    std::vector<float> values(static_cast<std::size_t>(rows * columns));
    for (float& value : values) value = static_cast<float>(deviation * random_.normal());
    return at::tensor(values).reshape({rows, columns});
  }

  Module linear(std::int64_t out, std::int64_t in) { return linear(weights(out, in, 0.2)); }

  Module linear(const at::Tensor& weight) {
    Module module = empty("Linear");
    module.register_parameter("weight", weight, /*is_buffer=*/false);
    module.define(
        "def forward(self, x: Tensor) -> Tensor:\n  return torch.linear(x, self.weight)\n");
    return module;
  }

  Module norm(std::int64_t size) {
    Module module = empty("Norm");
    module.register_parameter("weight", at::ones({size}), /*is_buffer=*/false);
    module.define(R"(
def forward(self, x: Tensor) -> Tensor:
  return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, True) + 1e-05))
)");
    return module;
  }

  Module attention(std::int64_t hidden) {
    const std::int64_t size = hidden / kHeads;
    Module module = empty("Attention");
    module.register_module("q_proj", linear(hidden, hidden));
    module.register_module("k_proj", linear(kKeyHeads * size, hidden));
    module.register_module("v_proj", linear(kKeyHeads * size, hidden));
    module.register_module("o_proj", linear(hidden, hidden));
    module.register_attribute("size", c10::IntType::get(), size);
    module.define(R"(
def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
  half = x.size(3) // 2
  turned = torch.cat([-x[:, :, :, half:], x[:, :, :, :half]], -1)
  return x * cos + turned * sin

def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
  b, t = x.size(0), x.size(1)
  q = self.rotate(self.q_proj.forward(x).view([b, t, -1, self.size]).transpose(1, 2), cos, sin)
  k = self.rotate(self.k_proj.forward(x).view([b, t, -1, self.size]).transpose(1, 2), cos, sin)
  v = self.v_proj.forward(x).view([b, t, -1, self.size]).transpose(1, 2)
  y = torch.scaled_dot_product_attention(q, k, v, None, 0.0, True, scale=None, enable_gqa=True)
  return self.o_proj.forward(y.transpose(1, 2).reshape([b, t, -1]))
)");
    return module;
  }

  Module mlp(std::int64_t hidden) {
    Module module = empty("Mlp");
    module.register_module("gate_proj", linear(2 * hidden, hidden));
    module.register_module("up_proj", linear(2 * hidden, hidden));
    module.register_module("down_proj", linear(hidden, 2 * hidden));
    module.define(R"(
def forward(self, x: Tensor) -> Tensor:
  return self.down_proj.forward(torch.silu(self.gate_proj.forward(x)) * self.up_proj.forward(x))
)");
    return module;
  }

  Module block(std::int64_t hidden) {
    Module module = empty("Block");
    module.register_module("input_layernorm", norm(hidden));
    module.register_module("self_attn", attention(hidden));
    module.register_module("post_attention_layernorm", norm(hidden));
    module.register_module("mlp", mlp(hidden));
    module.define(R"(
def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
  h = x + self.self_attn.forward(self.input_layernorm.forward(x), cos, sin)
  return h + self.mlp.forward(self.post_attention_layernorm.forward(h))
)");
    return module;
  }

  Module embedding(const at::Tensor& weight) {
    Module module = empty("Embedding");
    module.register_parameter("weight", weight, /*is_buffer=*/false);
    module.define(
        "def forward(self, ids: Tensor) -> Tensor:\n  return torch.embedding(self.weight, ids)\n");
    return module;
  }

  Module model(int blocks, std::int64_t hidden, const at::Tensor& embedding_weight) {
    Module module = empty("Model");
    module.register_module("embed_tokens", embedding(embedding_weight));
    Module layers = empty("Layers");
    std::string calls;
    for (int i = 0; i < blocks; ++i) {
      layers.register_module(std::to_string(i), block(hidden));
      calls += "  h = getattr(self.layers, \"" + std::to_string(i) + "\").forward(h, cos, sin)\n";
    }
    module.register_module("layers", layers);
    module.register_module("norm", norm(hidden));
    module.register_attribute("size", c10::IntType::get(), hidden / kHeads);
    module.define(R"(
def forward(self, ids: Tensor) -> Tensor:
  h = self.embed_tokens.forward(ids)
  steps = torch.arange(0, self.size, 2, dtype=6, device=ids.device) / self.size
  frequencies = torch.pow(10000.0, -steps)
  positions = torch.arange(ids.size(1), dtype=6, device=ids.device)
  angles = torch.outer(positions, frequencies)
  angles = torch.cat([angles, angles], -1)
  cos, sin = angles.cos(), angles.sin()
)" + calls + "  return self.norm.forward(h)\n");
    return module;
  }

  Module decoder(const Module& body, const at::Tensor& head_weight) {
    Module module = empty("Decoder");
    module.register_module("model", body);
    module.register_module("lm_head", linear(head_weight));
    module.define(R"(
def forward(self, input_ids: Tensor, attention_mask: Optional[Tensor] = None) -> Tensor:
  return self.lm_head.forward(self.model.forward(input_ids))
)");
    return module;
  }

 private:
  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  core::Random random_;
};

}  // namespace

torch::jit::Module make_tiny_decoder(int blocks, int hidden, int vocabulary, std::uint64_t seed) {
  Builder builder(seed);
  const Module body = builder.model(blocks, hidden, builder.weights(vocabulary, hidden, 1.0));
  return builder.decoder(body, builder.weights(vocabulary, hidden, 0.3));
}

torch::jit::Module make_tied_tiny_decoder(
    int blocks, int hidden, int vocabulary, std::uint64_t seed) {
  Builder builder(seed);
  const at::Tensor shared = builder.weights(vocabulary, hidden, 0.3);
  return builder.decoder(builder.model(blocks, hidden, shared), shared);
}

}  // namespace salf::support
