// What the canned responder answers to memcached's text protocol (memcached's doc/protocol.txt), which half
// of the measured clients speak: `get` hits every key with one fixed value, storage commands succeed, nothing
// is stored.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

class TextAnswers {
 public:
  explicit TextAnswers(size_t value_size)
      : after_key_(" 0 " + std::to_string(value_size) + "\r\n" + std::string(value_size, 'c') + "\r\n") {}

  struct Outcome {
    size_t body = 0;  // bytes of value to skip before the answer is due
    bool close = false;
  };

  // Appends the answer to one command line (without its line end).
  Outcome append(std::vector<char>& out, std::string_view line) const {
    const std::string_view command = next_word(line);
    if (command == "get") {
      for (std::string_view key = next_word(line); !key.empty(); key = next_word(line)) {
        put(out, "VALUE ");
        put(out, key);
        put(out, after_key_);
      }
      put(out, "END\r\n");
      return {};
    }
    if (command == "set" || command == "add" || command == "replace") {
      for (int skipped = 0; skipped < 3; ++skipped) next_word(line);
      const size_t length = std::strtoull(std::string(next_word(line)).c_str(), nullptr, 10);
      if (next_word(line) != "noreply") put(out, "STORED\r\n");
      return {.body = length + 2};
    }
    if (command == "version") {
      put(out, "VERSION 1.6.18\r\n");
      return {};
    }
    if (command == "quit") return {.close = true};
    put(out, "ERROR\r\n");
    return {};
  }

 private:
  static std::string_view next_word(std::string_view& line) {
    const size_t start = std::min(line.find_first_not_of(' '), line.size());
    const size_t end = std::min(line.find(' ', start), line.size());
    const std::string_view word = line.substr(start, end - start);
    line.remove_prefix(end);
    return word;
  }

  static void put(std::vector<char>& out, std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
  }

  const std::string after_key_;
};

}  // namespace bench
