// Text that was deflated with zlib (RFC 1950, 1951). Untrusted input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace intaglio {

// The text, of at most `most` bytes; what zlib refuses is refused. Throws Error.
std::string inflate(std::string_view data, size_t most);

}  // namespace intaglio
