#include "apps/version.h"

namespace drystill::apps {

const char* version() {
  return DRYSTILL_VERSION;
}

const char* revision() {
  return DRYSTILL_REVISION;
}

}  // namespace drystill::apps
