#include "apps/command_line.h"
#include "core/memory.h"
#include "core/stop_request.h"

int main(int argc, char** argv) {
  drystill::keep_freed_memory();
  drystill::install_stop_handlers();
  return drystill::apps::run_command_line(argc, argv);
}
