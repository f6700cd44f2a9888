#include "archive_scan.h"

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <array>
#include <regex>
#include <set>
#include <string>

#include "salf/core/error.h"
#include "salf/core/log.h"
#include "salf/core/text.h"
#include "salf/tensor/device.h"

namespace salf::model {
namespace {

constexpr std::array<const char*, 4> kOperatorNamespaces = {"aten", "prim", "prims", "quantized"};
// Operators of the aten namespace that touch files or other processes.
constexpr std::array<const char*, 4> kRefusedOperators = {"save", "load", "from_file", "file"};

// The operators and hooks in one source file that a decoder has no use for.
void collect_refused(const std::string& source, std::set<std::string>& refused) {
  static const std::regex kCall(R"((?:^|[^\w.])(torch|ops)\.(\w+)(?:\.(\w+))?\s*\()");
  for (std::sregex_iterator it(source.begin(), source.end(), kCall), end; it != end; ++it) {
    const bool qualified = (*it)[1] == "ops";
    const std::string space = qualified ? (*it)[2].str() : "aten";
    const std::string name = qualified ? (*it)[3].str() : (*it)[2].str();
    const auto is = [](const std::string& text) {
      return [&text](const char* candidate) { return text == candidate; };
    };
    const bool known_space = std::any_of(kOperatorNamespaces.begin(), kOperatorNamespaces.end(), is(space));
    const bool reaches_out = std::any_of(kRefusedOperators.begin(), kRefusedOperators.end(), is(name));
    if (!known_space || reaches_out) refused.insert(space + "::" + name);
  }
  if (source.find("def __setstate__") != std::string::npos) refused.insert("__setstate__");
}

}  // namespace

void scan_archive(const std::filesystem::path& archive) {
  const std::string name = archive.string();
  if (!std::filesystem::is_regular_file(archive)) {
    throw Error(ErrorKind::kIo, name + ": no such file");
  }
  std::set<std::string> refused;
  bool has_code = false;
  try {
    caffe2::serialize::PyTorchStreamReader reader(name);
    for (const auto& record : reader.getAllRecords()) {
      if (record.rfind("code/", 0) != 0 || record.size() < 3 || record.compare(record.size() - 3, 3, ".py") != 0)
        continue;
      has_code = true;
      const auto [bytes, size] = reader.getRecord(record);
      collect_refused(std::string(static_cast<const char*>(bytes.get()), size), refused);
    }
  } catch (const c10::Error& error) {
    throw Error(ErrorKind::kBadModel, name + ": not a TorchScript archive (a zip file made by torch.jit.save): " +
                                          tensor::error_text(error));
  }
  if (!has_code) {
    throw Error(ErrorKind::kBadModel,
                name + ": holds no TorchScript code; a state_dict or a pickled model does not work, save the "
                       "model with torch.jit.trace(…).save(…)");
  }
  if (!refused.empty()) {
    throw Error(ErrorKind::kBadModel,
                name + ": not loaded, because its code uses what a decoder has no use for: " +
                    core::printable(core::join({refused.begin(), refused.end()}, ", ")));
  }
}

}  // namespace salf::model
