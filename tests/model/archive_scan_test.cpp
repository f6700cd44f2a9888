// Archives that try to do more than compute, and archives that lie about themselves: none is run,
// none crashes.
#include <caffe2/serialize/inline_container.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/types.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "model/scan/pickle_scan.h"
#include "model/script_model.h"
#include "support/temporary_folder.h"
#include "support/tiny_model.h"

namespace salf::model {
namespace {

using ::testing::HasSubstr;

class ArchiveScan : public ::testing::Test {
 protected:
  // The archive of a module with these methods; PATH in them is a file that must not appear.
  std::filesystem::path archive(std::string methods) const {
    const std::string victim = (folder_ / "victim").string();
    for (std::size_t at; (at = methods.find("PATH")) != std::string::npos;)
      methods.replace(at, 4, victim);
    torch::jit::Module module("__torch__.Hostile");
    module.register_parameter("weight", torch::ones({4, 2}), false);
    module.define(methods);
    const std::filesystem::path path = folder_ / "model.pt";
    module.save(path.string());
    return path;
  }

  std::string refusal(const std::filesystem::path& path) const {
    try {
      ScriptModel::load(path, c10::Device(c10::kCPU));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadModel);
      EXPECT_FALSE(std::filesystem::exists(folder_ / "victim"));
      return error.what();
    }
    return "";
  }

  // A copy of a good archive with one record changed.
  std::filesystem::path changed(
      const std::string& record, const std::function<std::string(std::string)>& change) const {
    const std::filesystem::path good = folder_ / "good.pt", bad = folder_ / "bad.pt";
    support::make_tiny_decoder(2, 8, 40, 1).save(good.string());
    caffe2::serialize::PyTorchStreamReader reader(good.string());
    caffe2::serialize::PyTorchStreamWriter writer(bad.string());
    for (const std::string& name : reader.getAllRecords()) {
      if (name == "version" || name == ".data/serialization_id" || name == "byteorder") continue;
      const auto [bytes, size] = reader.getRecord(name);
      std::string text(static_cast<const char*>(bytes.get()), size);
      if (name == record) text = change(text);
      writer.writeRecord(name, text.data(), text.size());
    }
    writer.writeEndOfFile();
    return bad;
  }

  testing::TemporaryFolder folder_;
};

const char* const kForward =
    "def forward(self, ids: Tensor) -> Tensor:\n  return torch.matmul(ids, self.weight)\n";

TEST_F(ArchiveScan, WritingAFile) {
  EXPECT_THAT(
      refusal(archive(
          "def forward(self, ids: Tensor) -> Tensor:\n  torch.save(ids, 'PATH')\n  return ids\n")),
      HasSubstr("aten::save"));
}

TEST_F(ArchiveScan, WritingAFileFromAMethodThatForwardCalls) {
  EXPECT_THAT(
      refusal(archive(
          "def helper(self, x: Tensor) -> Tensor:\n  if x.size(0) > 100:\n    torch.save(x, "
          "'PATH')\n"
          "  return x\ndef forward(self, ids: Tensor) -> Tensor:\n  return self.helper(ids)\n")),
      HasSubstr("aten::save"));
}

TEST_F(ArchiveScan, ReadingAFile) {
  EXPECT_THAT(refusal(archive("def forward(self, ids: Tensor) -> Tensor:\n"
                              "  return torch.from_file('/etc/passwd', False, 8, dtype=0)\n")),
      HasSubstr("aten::from_file"));
}

TEST_F(ArchiveScan, WritingToTheTerminal) {
  EXPECT_THAT(refusal(archive(
                  "def forward(self, ids: Tensor) -> Tensor:\n  print('gone')\n  return ids\n")),
      HasSubstr("prim::Print"));
}

TEST_F(ArchiveScan, RunningSomethingAtLoad) {
  const std::string hooks =
      "def __getstate__(self) -> int:\n  return 1\n"
      "def __setstate__(self, state: int) -> None:\n  torch.save(torch.ones(1), 'PATH')\n";
  EXPECT_THAT(refusal(archive(hooks + kForward)), HasSubstr("runs while it is loaded"));
}

TEST_F(ArchiveScan, TakingStoragesApart) {
  EXPECT_THAT(refusal(archive("def forward(self, ids: Tensor) -> Tensor:\n  return "
                              "torch.as_strided(ids, [9], [9], 9)\n")),
      HasSubstr("aten::as_strided"));
}

TEST_F(ArchiveScan, TrustIsForTheUserToGive) {
  const auto path = archive(
      "def forward(self, ids: Tensor) -> Tensor:\n  print(1)\n  return torch.matmul(ids, "
      "self.weight)\n");
  EXPECT_THAT(refusal(path), HasSubstr("--trust-model"));
  EXPECT_NO_THROW(ScriptModel::load(path, c10::Device(c10::kCPU), true));
}

TEST_F(ArchiveScan, AGoodArchiveCopiedIsStillGood) {
  EXPECT_EQ(refusal(changed("", [](std::string text) { return text; })), "");
}

TEST_F(ArchiveScan, StoragesThatClaimMoreThanTheyHave) {
  // Every storage is named with its number of elements; the embedding's record is shortened
  // instead.
  EXPECT_THAT(refusal(changed("data/0", [](const std::string& text) { return text.substr(0, 8); })),
      HasSubstr("claims"));
}

TEST_F(ArchiveScan, ForeignClassesInThePickle) {
  const auto system = [](std::string text) {
    text.insert(2, "cos\nsystem\n");
    return text;
  };
  EXPECT_THAT(refusal(changed("data.pkl", system)), HasSubstr("refers to os system"));
}

TEST_F(ArchiveScan, APickleCutAnywhereIsRefused) {
  const std::filesystem::path good = folder_ / "good.pt";
  support::make_tiny_decoder(1, 8, 40, 1).save(good.string());
  caffe2::serialize::PyTorchStreamReader reader(good.string());
  const auto [bytes, size] = reader.getRecord("data.pkl");
  const std::string whole(static_cast<const char*>(bytes.get()), size);
  const RecordSize large = [](const std::string&) { return std::uint64_t{1} << 40; };
  EXPECT_NO_THROW(scan_pickle("data.pkl", whole, large));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(scan_pickle("data.pkl", whole.substr(0, length), large), Error) << length;
  }
}

TEST_F(ArchiveScan, AnArchiveCutOrChangedAnywhereDoesNotCrash) {
  const std::filesystem::path good = folder_ / "good.pt", bad = folder_ / "bad.pt";
  support::make_tiny_decoder(1, 8, 40, 1).save(good.string());
  const std::string whole = core::read_file(good);
  const auto try_load = [&](const std::string& bytes) {
    std::ofstream(bad, std::ios::binary) << bytes;
    try {
      ScriptModel::load(bad, c10::Device(c10::kCPU));
    } catch (const Error&) {
    }
  };
  for (std::size_t length = 0; length < whole.size(); length += 997)
    try_load(whole.substr(0, length));
  for (std::size_t at = 0; at < whole.size(); at += 499) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x55);
    try_load(flipped);
  }
}

TEST_F(ArchiveScan, ASmallArchiveIsRefusedAtEveryTruncation) {
  const auto path = archive(
      "def forward(self, ids: Tensor) -> Tensor:\n  return torch.matmul(ids, self.weight)\n");
  const std::string whole = core::read_file(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, size);
    ASSERT_THAT(refusal(path), HasSubstr("model.pt")) << size;
  }
}

TEST_F(ArchiveScan, CodeThatIsNestedTooDeeply) {
  const auto nest = [](const std::string& text) {
    return text + "\ndef deep(x: Tensor) -> Tensor:\n  return " + std::string(100'000, '(') + "x" +
           std::string(100'000, ')') + "\n";
  };
  EXPECT_THAT(refusal(changed("code/__torch__/tiny.py", nest)), HasSubstr("more than 500 tokens"));
}

std::string pickle_error(const std::string& instructions) {
  try {
    scan_pickle(
        "x", "\x80\x02" + instructions, [](const std::string&) { return std::uint64_t{64}; });
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// ("storage", torch.FloatStorage, "0", "cpu", 16) and what is made of it: offset, sizes, strides as
// given.
std::string tensor_pickle(const std::string& rest) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((X\x07" + std::string(3, '\0') +
         "storagectorch\nFloatStorage\nX\x01" + std::string(3, '\0') + "0X\x03" +
         std::string(3, '\0') + "cpuK\x10tQ" + rest + "tR.";
}

TEST(PickleScan, TensorsStayWithinTheirStorage) {
  const std::string grown = std::string("J") + "\xff\xff\xff\x7f";  // 2^31 - 1
  EXPECT_EQ(pickle_error(tensor_pickle(std::string("K") + '\0' + "(K\x04K\x04t(K\x04K\x01t")), "");
  EXPECT_THAT(
      pickle_error(tensor_pickle("K\x01(K\x04K\x04t(K\x04K\x01t")), HasSubstr("reaches beyond"));
  EXPECT_THAT(pickle_error(tensor_pickle(std::string("K") + '\0' + "(K\x05K\x04t(K\x04K\x01t")),
      HasSubstr("reaches beyond"));
  EXPECT_THAT(pickle_error(tensor_pickle(std::string("K") + '\0' + "(" + grown + grown + grown +
                                         "t(" + grown + grown + grown + "t")),
      HasSubstr("reaches beyond"));
  EXPECT_THAT(pickle_error(tensor_pickle("J\xff\xff\xff\xff(K\x04t(K\x01t")),
      HasSubstr("should be a number from 0"));
  EXPECT_THAT(pickle_error(tensor_pickle(std::string("K") + '\0' + "(K\x04t(K\x01K\x01t")),
      HasSubstr("sizes and strides"));
}

TEST(PickleScan, MemoAndNestingAreBounded) {
  EXPECT_THAT(pickle_error("]r\xff\xff\xff\xff."), HasSubstr("memo slot"));
  EXPECT_THAT(pickle_error("h\x05."), HasSubstr("memo slot"));
  std::string deep = "N";
  for (int i = 0; i < 300; ++i) deep += '\x85';
  EXPECT_THAT(pickle_error(deep + "."), HasSubstr("deep"));
  EXPECT_THAT(
      pickle_error(std::string("]q") + '\0' + "h" + '\0' + "a."), HasSubstr("holds itself"));
}

TEST(PickleScan, NothingElseIsUnderstood) {
  EXPECT_THAT(pickle_error("i."), HasSubstr("instruction 105"));
  EXPECT_THAT(
      pickle_error("c__torch__.torch.classes.quantized\nLinear\n)\x81."), HasSubstr("refers to"));
  EXPECT_THAT(pickle_error("R."), HasSubstr("lacks its operand"));
  EXPECT_THAT(pickle_error("t."), HasSubstr("lacks its beginning"));
  EXPECT_THAT(pickle_error("NN."), HasSubstr("expected one object"));
}

}  // namespace
}  // namespace salf::model
