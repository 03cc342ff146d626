#include "apps/version.h"

namespace drystill::apps {

const char* version() {
  return DRYSTILL_VERSION;
}

const char* revision() {
  return DRYSTILL_REVISION;
}

bool built_with_cuda() {
  return DRYSTILL_WITH_CUDA;
}

}  // namespace drystill::apps
