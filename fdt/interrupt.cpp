// SPDX-License-Identifier: BSD-2-Clause
// Interrupt specifiers. An entry is read only after its whole length is known to lie inside the property.
#include "fdt/interrupt.hpp"

#include <type_traits>

namespace fdt {

namespace {

tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>{error};
}

Result<std::size_t> interrupt_cells(const Node& controller) {
  const auto cells = controller.cell_or("#interrupt-cells", 0);
  if (!cells) return fail(cells.error());
  if (*cells < 1 || *cells > std::extent_v<decltype(Interrupt::cells)>) return fail(Error::bad_cells);
  return *cells;
}

/// The node that `interrupts` of `node` speaks to: named by the nearest `interrupt-parent` on the way up, unless a node
/// with #interrupt-cells comes first.
Result<Node> interrupt_parent(const Node& node) {
  const Lineage line{node};
  for (int depth = line.depth();; depth--) {
    const Node child = line.at(depth);
    if (child.has("interrupt-parent")) {
      const auto phandle = child.cell_or("interrupt-parent", 0);
      if (!phandle) return fail(phandle.error());
      return node.tree().by_phandle(*phandle);
    }
    if (depth == 0) return fail(Error::no_interrupt_parent);
    const Node above = line.at(depth - 1);
    if (above.has("#interrupt-cells")) return above;
  }
}

/// `count` cells of `list` from cell `at`.
Result<Interrupt> read_specifier(const Property& list, std::size_t at, const Node& controller, std::size_t count) {
  if (count > list.cell_count() - at) return fail(Error::bad_length);
  Interrupt result{controller, {}, count};
  for (std::size_t i = 0; i < count; i++)
    result.cells[i] = *list.cell(at + i);
  return result;
}

/// An entry of `interrupts-extended`: what it says, and where the next one starts.
struct Entry {
  Result<Interrupt> interrupt;
  std::size_t next; ///< 0 if it cannot be known
};

Entry read_extended(const Tree& tree, const Property& list, std::size_t at) {
  const std::uint32_t phandle = *list.cell(at);
  if (phandle == 0 || phandle == UINT32_MAX) return {fail(Error::empty_entry), at + 1};
  const auto controller = tree.by_phandle(phandle);
  if (!controller) return {fail(controller.error()), 0};
  const auto cells = interrupt_cells(*controller);
  if (!cells) return {fail(cells.error()), 0};
  const auto interrupt = read_specifier(list, at + 1, *controller, *cells);
  return {interrupt, interrupt ? at + 1 + *cells : 0};
}

Result<Interrupt> extended(const Node& node, const Property& list, std::size_t index) {
  std::size_t at = 0;
  for (; at < list.cell_count(); index--) {
    const Entry entry = read_extended(node.tree(), list, at);
    if (index == 0 || entry.next == 0) return entry.interrupt;
    at = entry.next;
  }
  return fail(list.bytes().size() % 4 == 0 ? Error::no_such_entry : Error::bad_length);
}

std::size_t extended_count(const Node& node, const Property& list) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < list.cell_count(); count++) {
    at = read_extended(node.tree(), list, at).next;
    if (at == 0) break;
  }
  return count;
}

/// `interrupts` of a node and what is needed to read it.
struct PlainList {
  Property list;
  Node controller;
  std::size_t cells;
};

Result<PlainList> plain_list(const Node& node) {
  const auto list = node.property("interrupts");
  if (!list) return fail(list.error());
  const auto controller = interrupt_parent(node);
  if (!controller) return fail(controller.error());
  const auto cells = interrupt_cells(*controller);
  if (!cells) return fail(cells.error());
  return PlainList{*list, *controller, *cells};
}

} // namespace

Result<Interrupt> interrupt(const Node& node, std::size_t index) {
  if (const auto list = node.property("interrupts-extended")) return extended(node, *list, index);
  const auto plain = plain_list(node);
  if (!plain) return fail(plain.error());
  const std::size_t size = plain->list.bytes().size();
  const std::size_t entry_size = plain->cells * 4;
  const std::size_t whole = size / entry_size;
  if (index > whole || (index == whole && size % entry_size == 0)) return fail(Error::no_such_entry);
  return read_specifier(plain->list, index * plain->cells, plain->controller, plain->cells);
}

std::size_t interrupt_count(const Node& node) {
  if (const auto list = node.property("interrupts-extended")) return extended_count(node, *list);
  const auto plain = plain_list(node);
  return plain ? plain->list.bytes().size() / (plain->cells * 4) : 0;
}

} // namespace fdt
