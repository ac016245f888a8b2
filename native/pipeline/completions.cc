#include "pipeline/completions.h"

#include <iterator>

namespace evenkeel::pipeline {

void CompletionBatch::append(CompletionBatch& other) {
  if (empty()) {
    swap(other);
  } else {
    records.insert(records.end(), other.records.begin(), other.records.end());
    values.append({other.values.data(), other.values.size()});
    larges.insert(larges.end(), std::make_move_iterator(other.larges.begin()),
                  std::make_move_iterator(other.larges.end()));
  }
  other.clear();
}

}  // namespace evenkeel::pipeline
