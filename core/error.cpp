#include "core/error.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace drystill {

Interrupted::Interrupted(int signal, const std::string& what_next)
    : std::runtime_error("interrupted by signal " + std::to_string(signal) +
                         (what_next.empty() ? "" : "; " + what_next)),
      signal_(signal) {}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace drystill
