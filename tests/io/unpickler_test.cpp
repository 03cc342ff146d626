#include "io/unpickler.h"

#include "tests/io/test_files.h"

namespace drystill::io {
namespace {

PickleGraph read(const std::string& pickle) {
  return unpickle(std::as_bytes(std::span(pickle.data(), pickle.size())), "test");
}

std::string text(const std::string& value) {
  return "X" + little_endian(value.size(), 4) + value;
}

std::string repeat(const std::string& part, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += part;
  return result;
}

// A FloatStorage "0" of `elements`, and a tensor on it.
std::string tensor(const std::string& elements, const std::string& offset, const std::string& sizes,
                   const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" + text("0") +
         text("cpu") + elements + "tQ" + offset + sizes + strides + "\x89" + "ccollections\nOrderedDict\n)RtR.";
}

std::string small(int value) {
  return std::string("K") + static_cast<char>(value);
}

TEST(Unpickler, ReadsScalars) {
  const auto integer = [](const std::string& pickle) {
    const auto graph = read(pickle);
    return *graph.get<std::int64_t>(graph.root);
  };
  EXPECT_EQ(integer("K\xff."), 255);
  EXPECT_EQ(integer("M\xff\xff."), 65535);
  EXPECT_EQ(integer("J\xff\xff\xff\xff."), -1);
  EXPECT_EQ(integer(std::string("\x8a\x00.", 3)), 0);
  EXPECT_EQ(integer("\x8a\x01\xfe."), -2);
  EXPECT_EQ(integer("\x8a\x08" + little_endian(1ULL << 62, 8) + "."), std::int64_t{1} << 62);
  const auto real = read(std::string("G\x3f\xe0\0\0\0\0\0\0.", 10));
  EXPECT_EQ(*real.get<double>(real.root), 0.5);
  const auto python2 = read(
      "U\x03"
      "abc.");
  EXPECT_EQ(*python2.get<std::string>(python2.root), "abc");
}

TEST(Unpickler, ReadsATensorWithinItsStorage) {
  const auto graph = read(tensor(small(12), small(4), small(2) + small(2) + "\x86", small(4) + small(2) + "\x86"));
  const auto* found = graph.get<PickleTensor>(graph.root);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->offset, 4);
  EXPECT_EQ(found->strides, (std::vector<std::int64_t>{4, 2}));
}

TEST(Unpickler, RefusesTensorsOutsideTheirStorage) {
  const std::string huge = "\x8a\x08" + little_endian(~0ULL >> 1, 8);
  const std::string one = small(1) + "\x85";
  for (const std::string& pickle :
       {tensor(small(4), small(4), one, one), tensor(small(4), small(0), small(5) + "\x85", one),
        tensor(small(4), small(0), small(2) + "\x85", small(4) + "\x85"), tensor(small(4), huge, one, one),
        tensor(small(4), small(0), huge + "\x85", huge + "\x85"),
        tensor(small(4), small(0), small(3) + "\x85", huge + "\x85"),
        tensor(small(4), small(0), huge + huge + "\x86", small(0) + small(0) + "\x86"),
        tensor(small(4), small(0), one, ")"), tensor(small(4), "J\xff\xff\xff\xff", one, one),
        tensor("J\xff\xff\xff\xff", small(0), one, one), tensor("N", small(0), one, one),
        tensor(small(4), small(0), "(" + repeat(small(1), 65) + "t", "(" + repeat(small(1), 65) + "t")}) {
    input_error([&] { read(pickle); });
  }
}

TEST(Unpickler, NamesTheObjectItRefuses) {
  for (const auto& [pickle, name] : std::map<std::string, std::string>{
           {"cos\nsystem\n(" + text("echo") + "tR.", "os.system"},
           {"cbuiltins\neval\n(" + text("1") + "tR.", "builtins.eval"},
           {"ctorch\nload\n.", "torch.load"},
           {"ctorch.storage\n_load_from_bytes\n.", "torch.storage._load_from_bytes"},
           {"c__torch__.Net\nForward\n.", "__torch__.Net.Forward"},
           {"ccollections\nOrderedDict.__init__\n.", "collections.OrderedDict.__init__"}}) {
    const auto message = input_error([&] { read(pickle); });
    EXPECT_NE(message.find("'" + name + "'"), std::string::npos) << message;
  }
}

TEST(Unpickler, RefusesBrokenPrograms) {
  for (const std::string& pickle : std::vector<std::string>{"",
                                                            ".",
                                                            "\x80",
                                                            "\x80\x04.",
                                                            "t.",
                                                            "u.",
                                                            "a.",
                                                            "s.",
                                                            "R.",
                                                            "\x81.",
                                                            "b.",
                                                            "Q.",
                                                            "q",
                                                            std::string("q\0", 2),
                                                            std::string("h\0.", 3),
                                                            "j\xff\xff\xff\xff.",
                                                            "]N",
                                                            "Na.",
                                                            "NNs.",
                                                            "}(Nu.",
                                                            "](",
                                                            "(]a.",
                                                            "(.",
                                                            "NNR.",
                                                            "X\xff\xff\xff\xff"
                                                            "abc.",
                                                            "T\xff\xff\xff\xff.",
                                                            "\x8a\xff.",
                                                            "c" + std::string(300, 'a') + "\nb\n.",
                                                            "ccollections",
                                                            "ctorch\nfloat32\n)R.",
                                                            "ctorch\nFloatStorage\n)R.",
                                                            "ctorch._utils\n_rebuild_tensor_v2\n)R.",
                                                            "ctorch._utils\n_rebuild_parameter\n)R.",
                                                            "ctorch._tensor\n_rebuild_from_type_v2\n)R.",
                                                            "NQ.",
                                                            ")Q.",
                                                            "(" + text("module") + "tQ.",
                                                            "(" + text("storage") + "ctorch\nfloat32\ntQ.",
                                                            "I1\n.",
                                                            "P1\n.",
                                                            "i",
                                                            "o"}) {
    input_error([&] { read(pickle); });
  }
}

TEST(Unpickler, RefusesDeepNesting) {
  for (const std::string& pickle : {std::string(1'000'000, '('), repeat(")", 1) + repeat("\x85", 1'000'000) + ".",
                                    std::string(1'000'000, ']') + std::string(1'000'000, 'a') + ".",
                                    std::string(2'000, '(') + std::string(2'000, 't') + "."}) {
    const auto message = input_error([&] { read(pickle); });
    EXPECT_NE(message.find("nests more than"), std::string::npos) << message;
  }
}

TEST(Unpickler, AcceptsAListThatContainsItself) {
  const auto graph = read(std::string("]q\0h\0a.", 7));
  EXPECT_NE(graph.get<PickleList>(graph.root), nullptr);
}

// A few bytes that copy a long list again and again.
TEST(Unpickler, BoundsWhatCopiesCost) {
  const std::string prefix = "](" + repeat("NN\x86", 10'000) + "e\x85q" + std::string(1, '\1') +
                             "ccollections\nOrderedDict\nq" + std::string(1, '\2');

  const std::string pickle = "(" + prefix + repeat("h\2h\1R", 10'000) + "t.";
  const auto message = input_error([&] { read(pickle); });
  EXPECT_NE(message.find("4 million values"), std::string::npos) << message;
}

TEST(Unpickler, BoundsTheNumberOfValues) {
  const auto message = input_error([&] { read("(" + std::string(5'000'000, 'N') + "t."); });
  EXPECT_NE(message.find("4 million values"), std::string::npos) << message;
}

}  // namespace
}  // namespace drystill::io
