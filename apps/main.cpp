#include "apps/command_line.h"
#include "core/allocator.h"
#include "core/stop_request.h"

int main(int argc, char** argv) {
  drystill::set_up_allocator();
  drystill::install_stop_handlers();
  return drystill::apps::run_command_line(argc, argv);
}
