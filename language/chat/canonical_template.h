#pragma once

#include <string>
#include <string_view>

namespace drystill::language {

// A Jinja chat template in a form that can be compared: comments, white space inside tags and white-space control are
// gone, white space between tags stands as Jinja would print it (with trim_blocks and lstrip_blocks, as `transformers`
// sets them), string literals have single quotes and no escapes, and literals joined by + are one. x['y'] reads x.y.
// An apostrophe within a literal is kApostrophe, so that every quote begins or ends one.
// InputError, naming `source`, where a tag or a literal does not end.
inline constexpr char kApostrophe = '\x01';
std::string canonical_template(std::string_view jinja, const std::string& source);

}  // namespace drystill::language
