#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <sstream>
#include <string>

#include "core/error.h"

// What the tests of this room share.

namespace drystill::io {

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(DRYSTILL_GOLDEN_DIR) / "io" / name;
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

inline std::filesystem::path write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
  return path;
}

inline std::string little_endian(std::uint64_t value, unsigned width) {
  std::string bytes;
  for (unsigned i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

// The message of the InputError that `action` must throw: one line. Any other exception fails the test.
inline std::string input_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "expected InputError, got: " << error.what();
    return "";
  }
  ADD_FAILURE() << "expected InputError, nothing was thrown";
  return "";
}

// Whether `action` succeeds; an InputError is the only failure it may have.
inline bool succeeds_or_refuses(const std::function<void()>& action) {
  try {
    action();
    return true;
  } catch (const InputError&) {
    return false;
  }
}

// `count` copies of `bytes` with one to four of them changed, the same in every run.
inline std::vector<std::string> damaged_copies(const std::string& bytes, int count) {
  std::vector<std::string> copies;
  for (int seed = 0; seed < count; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    std::string copy = bytes;
    for (unsigned change = 0; change <= random() % 4; ++change) {
      copy[random() % copy.size()] ^= static_cast<char>(1 + random() % 255);
    }
    copies.push_back(std::move(copy));
  }
  return copies;
}

// Bit for bit, types and shapes included.
inline void expect_same(const std::map<std::string, torch::Tensor>& got,
                        const std::map<std::string, torch::Tensor>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    const auto found = got.find(name);
    ASSERT_NE(found, got.end()) << name;
    ASSERT_EQ(found->second.scalar_type(), tensor.scalar_type()) << name;
    ASSERT_EQ(found->second.sizes(), tensor.sizes()) << name;
    const auto a = found->second.contiguous();
    const auto b = tensor.contiguous();
    if (a.numel() == 0) continue;
    EXPECT_EQ(std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()), 0) << name;
  }
}

}  // namespace drystill::io
