#pragma once

namespace drystill::apps {

// The whole program: parses the command line, runs one verb, turns every exception into one line on standard error and
// an exit code (core/error.h; 128 + n for a signal). Results go to standard output, logs and progress to standard
// error.
int run_command_line(int argc, char** argv);

}  // namespace drystill::apps
