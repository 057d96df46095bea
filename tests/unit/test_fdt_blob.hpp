// SPDX-License-Identifier: BSD-2-Clause
// Blobs for the device tree tests: fixtures from disk, edited copies of them, and blobs made word by word.
//
// A blob's memory has exactly its size and comes from malloc(), so that AddressSanitizer sees a read behind its end.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <libfdt.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fdt/tree.hpp"

#include <CppUTest/TestHarness.h>

namespace fdt_test {

class Blob {
 public:
  explicit Blob(std::string_view bytes)
      : bytes_{static_cast<char*>(std::malloc(bytes.size())), &std::free}, size_{bytes.size()} {
    std::memcpy(bytes_.get(), bytes.data(), bytes.size());
  }

  /// tests/fixtures/<name>.dts, compiled.
  static Blob fixture(const std::string& name) {
    std::ifstream file{std::string{FIXTURE_DIR "/"} + name + ".dtb", std::ios::binary};
    CHECK_TEXT(file.good(), ("no fixture " + name).c_str());
    return Blob{std::string{std::istreambuf_iterator<char>{file}, {}}};
  }

  /// A blob of this structure block and these strings, without reservations. Whatever is wrong in them stays wrong.
  static Blob assemble(const std::vector<std::uint32_t>& structure, std::string_view strings) {
    const auto struct_size = static_cast<std::uint32_t>(structure.size() * 4);
    const auto strings_size = static_cast<std::uint32_t>(strings.size());
    const std::uint32_t struct_at = 40 + 16;
    const std::uint32_t strings_at = struct_at + struct_size;
    std::string bytes;
    for (const std::uint32_t word : {0xd00dfeedu, strings_at + strings_size, struct_at, strings_at, 40u, 17u, 16u, 0u,
                                     strings_size, struct_size, 0u, 0u, 0u, 0u})
      append_word(bytes, word);
    for (const std::uint32_t word : structure)
      append_word(bytes, word);
    return Blob{bytes.append(strings)};
  }

  /// A copy in which the property of the node at `path` has this value.
  [[nodiscard]] Blob with(const char* path, const char* property, std::string_view value) const {
    std::string room(size_ + value.size() + 256, '\0');
    LONGS_EQUAL(0, fdt_open_into(data(), room.data(), static_cast<int>(room.size())));
    const int node = fdt_path_offset(room.data(), path);
    CHECK(node >= 0);
    LONGS_EQUAL(0, fdt_setprop(room.data(), node, property, value.data(), static_cast<int>(value.size())));
    LONGS_EQUAL(0, fdt_pack(room.data()));
    return Blob{std::string_view{room}.substr(0, fdt_totalsize(room.data()))};
  }

  [[nodiscard]] Blob with_cells(const char* path, const char* property,
                                std::initializer_list<std::uint32_t> cells) const {
    std::string value;
    for (const std::uint32_t cell : cells)
      append_word(value, cell);
    return with(path, property, value);
  }

  /// A copy with a big-endian word at `offset` replaced.
  [[nodiscard]] Blob with_word(std::size_t offset, std::uint32_t value) const {
    std::string word;
    append_word(word, value);
    std::string copy{bytes()};
    return Blob{copy.replace(offset, 4, word)};
  }

  [[nodiscard]] const char* data() const { return bytes_.get(); }
  [[nodiscard]] char* data() { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view bytes() const { return {data(), size_}; }

  [[nodiscard]] fdt::Result<fdt::Tree> create() const { return fdt::Tree::create(data(), size_); }
  /// The tree of a blob that must be sound.
  [[nodiscard]] fdt::Tree tree() const {
    const auto tree = create();
    CHECK(tree.has_value());
    return *tree;
  }

 private:
  static void append_word(std::string& bytes, std::uint32_t word) {
    for (int shift = 24; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<char>(word >> shift & 0xff));
  }

  std::unique_ptr<char, decltype(&std::free)> bytes_;
  std::size_t size_;
};

/// Whether `result` is this error; never looks at the error of a success.
template <class T> bool fails_with(const fdt::Result<T>& result, fdt::Error error) {
  return !result.has_value() && result.error() == error;
}

/// The node at `path`, which must exist.
inline fdt::Node node_at(const fdt::Tree& tree, std::string_view path) {
  const auto node = tree.find(path);
  CHECK_TEXT(node.has_value(), std::string{path}.c_str());
  return *node;
}

inline std::string path_of(const fdt::Node& node) {
  char text[256];
  return std::string{node.path(text)};
}

/// Compares std::string_view and the like without a terminating zero.
inline void check_text(std::string_view expected, std::string_view actual) {
  STRCMP_EQUAL(std::string{expected}.c_str(), std::string{actual}.c_str());
}

} // namespace fdt_test
