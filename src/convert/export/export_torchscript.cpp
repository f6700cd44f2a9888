#include <algorithm>

#include "convert/export/export_source.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/log.h"
#include "model/script_model.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;

std::string note_of(const model::ScriptModel& program, const model::ModelFiles& files) {
  std::string note =
      "torch.jit.load(file) in Python, torch::jit::load in C++: forward(input_ids [B, T] int64";
  if (program.takes_mask()) {
    note += program.mask_optional() ? ", attention_mask [B, T] or None" : ", attention_mask [B, T]";
  }
  note += ") gives logits [B, T, vocabulary]; the tokenizer is not part of it";
  if (!files.tokenizer.empty()) note += " (" + core::printable_path(files.tokenizer) + ")";
  return note;
}

}  // namespace

std::optional<ExportResult> export_torchscript(const fs::path& source, const fs::path& file,
    bool trusted, core::Progress& progress, bool overwrite) {
  return run_export(source, [&] {
    const model::ModelFiles files = model::find_model(source, "");
    ExportResult result;
    check_export_file(
        file, {"PK", "TorchScript archive", "model.pt"}, files.archive, overwrite, result);
    result.format = ExportFormat::kTorchScript;
    result.architecture = files.card.architecture;
    {
      progress.begin("loading the model", 0, "");
      // What cannot be loaded here would not load elsewhere.
      const model::ScriptModel program =
          model::ScriptModel::load(files.archive, c10::kCPU, trusted);
      progress.end();
      result.tensors = static_cast<std::int64_t>(program.parameters().size());
      result.parameters = program.parameter_count();
      for (const model::Parameter& parameter : program.parameters()) {
        const std::string dtype = dtype_name(parameter.tensor.scalar_type());
        if (std::find(result.dtypes.begin(), result.dtypes.end(), dtype) == result.dtypes.end())
          result.dtypes.push_back(dtype);
      }
      result.note = note_of(program, files);
    }
    result.bytes = static_cast<std::int64_t>(fs::file_size(files.archive));
    core::check_room(core::folder_of(file), static_cast<std::uint64_t>(result.bytes));
    check_stop();
    core::AtomicFile output(file);
    std::error_code error;
    fs::copy_file(files.archive, output.temporary_path(), error);
    if (error) {
      throw Error(ErrorKind::kIo, core::printable_path(file) + ": cannot be written: " +
                                      error.message() + "; is the disk full?");
    }
    output.commit();
    result.source_hash = core::sha256_file(file);
    return result;
  });
}

}  // namespace salf::convert
