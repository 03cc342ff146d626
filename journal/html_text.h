#pragma once

#include <string>
#include <string_view>

namespace drystill::journal {

// Text as it may stand in HTML or SVG, between tags or inside a quoted attribute. Control characters, which XML
// forbids, become U+FFFD.
std::string escape_html(std::string_view text);

// RFC 4648, section 4, with padding.
std::string base64(std::string_view bytes);

}  // namespace drystill::journal
