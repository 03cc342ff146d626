#pragma once

namespace drystill::apps {

const char* version();   // "0.1.0"
const char* revision();  // the git revision that was configured, "" outside a checkout
bool built_with_cuda();

}  // namespace drystill::apps
