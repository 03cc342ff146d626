#include "apps/command_line.h"
#include "core/allocator.h"

int main(int argc, char** argv) {
  drystill::set_up_allocator();
  return drystill::apps::run_command_line(argc, argv);
}
