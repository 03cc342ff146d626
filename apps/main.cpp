#include "apps/command_line.h"
#include "core/huge_pages.h"
#include "core/stop_request.h"

int main(int argc, char** argv) {
  drystill::use_huge_pages();
  drystill::install_stop_handlers();
  return drystill::apps::run_command_line(argc, argv);
}
