#include "model/scan/archive_scan.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <cctype>
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
const char* const kTrust =
    "; --trust-model loads it nevertheless, if you trust where it comes from";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
      [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

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
        "with "
        "torch.jit.trace(…).save(…)");
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
           std::string(kTrust));
    }
    if (source.find("torch.classes") != std::string::npos) {
      fail(
          "not loaded: its code uses classes of native code (torch.classes)" + std::string(kTrust));
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
          core::printable(core::join({refused.begin(), refused.end()}, ", "), 1000) + kTrust);
}

}  // namespace salf::model
