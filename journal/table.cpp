#include "journal/table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/quote.h"

namespace drystill::journal {
namespace {

// Columns on a terminal, near enough: code points, not bytes.
std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::size_t used = display_width(text);
  const std::string blanks(width > used ? width - used : 0, ' ');
  return right ? blanks + text : text + blanks;
}

// A line end or a bar inside a cell would break the table.
std::string markdown_escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '<') escaped += '\\';
    escaped += c == '\n' || c == '\r' ? ' ' : c;
  }
  return escaped;
}

std::string decimal(double value, const Column& column) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 400> buffer;  // a double has up to 309 digits before the point
  const int decimals = std::clamp(column.decimals, 0, 17);
  std::snprintf(buffer.data(), buffer.size(), column.percent ? "%.*f %%" : "%.*f", decimals,
                column.percent ? 100 * value : value);
  return buffer.data();
}

nlohmann::ordered_json to_json_value(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&cell)) return *whole;
  // JSON has no NaN: a number that is none is null.
  if (const auto* number = std::get_if<double>(&cell); number != nullptr && std::isfinite(*number)) return *number;
  return nullptr;
}

}  // namespace

void Table::add_row(std::vector<Cell> cells) {
  if (cells.size() != columns_.size()) {
    throw ConfigError("[journal.Table] expected " + std::to_string(columns_.size()) + " cells, got " +
                      std::to_string(cells.size()));
  }
  rows_.push_back(std::move(cells));
}

bool Table::is_numeric(std::size_t column) const {
  return std::none_of(rows_.begin(), rows_.end(),
                      [&](const auto& row) { return std::holds_alternative<std::string>(row[column]); });
}

std::string Table::text_of(std::size_t row, std::size_t column) const {
  const Cell& cell = rows_[row][column];
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&cell)) return std::to_string(*whole);
  if (const auto* number = std::get_if<double>(&cell)) return decimal(*number, columns_[column]);
  return "-";
}

std::string Table::to_text() const {
  std::vector<std::string> lines(rows_.size() + 2);
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const std::string name = io::escaped(columns_[c].name);
    std::vector<std::string> texts;
    for (std::size_t r = 0; r < rows_.size(); ++r) texts.push_back(io::escaped(text_of(r, c)));
    std::size_t width = display_width(name);
    for (const auto& text : texts) width = std::max(width, display_width(text));
    const bool right = is_numeric(c);
    const std::string gap = c == 0 ? "" : "  ";
    lines[0] += gap + padded(name, width, right);
    lines[1] += gap + std::string(width, '-');
    for (std::size_t r = 0; r < rows_.size(); ++r) lines[r + 2] += gap + padded(texts[r], width, right);
  }
  std::string text;
  for (auto& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string Table::to_markdown() const {
  std::string head = "|", rule = "|", body;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    head += " " + markdown_escaped(columns_[c].name) + " |";
    rule += is_numeric(c) ? "---:|" : "---|";
  }
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    body += "|";
    for (std::size_t c = 0; c < columns_.size(); ++c) body += " " + markdown_escaped(text_of(r, c)) + " |";
    body += "\n";
  }
  return head + "\n" + rule + "\n" + body;
}

std::string Table::to_json() const {
  auto array = nlohmann::ordered_json::array();
  for (const auto& row : rows_) {
    auto object = nlohmann::ordered_json::object();
    for (std::size_t c = 0; c < columns_.size(); ++c) object[columns_[c].name] = to_json_value(row[c]);
    array.push_back(std::move(object));
  }
  return array.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace drystill::journal
