#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace drystill::journal {

// Nothing (shown as "-", null in JSON), a text, a whole number or a number.
using Cell = std::variant<std::monostate, std::string, std::int64_t, double>;

struct Column {
  std::string name;
  int decimals = 4;      // of a double, where a human reads
  bool percent = false;  // the cell holds a fraction, a human reads percent; JSON keeps the fraction
};

// Rows of results, printed for a terminal, a Markdown file or a program. Columns of numbers stand to the right.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Throws ConfigError unless there is one cell a column.
  void add_row(std::vector<Cell> cells);

  const std::vector<Column>& columns() const { return columns_; }
  const std::vector<std::vector<Cell>>& rows() const { return rows_; }
  bool is_numeric(std::size_t column) const;  // no cell of it is a text
  // What a human reads in that cell.
  std::string text_of(std::size_t row, std::size_t column) const;

  // For a terminal. Texts come from files that anybody may have written: their control characters are escaped.
  std::string to_text() const;
  std::string to_markdown() const;
  std::string to_json() const;  // an array of objects, keys are the column names

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace drystill::journal
