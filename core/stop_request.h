#pragma once

namespace drystill {

// SIGINT and SIGTERM ask a run to save and stop; the loop looks here between two steps. A second SIGINT kills at once.
// The handlers are installed by the program only: a library never takes signals from its host.
void install_stop_handlers();

// The signal that asked to stop, or 0.
int stop_requested();

// For tests and embedding programs: asks as if `signal` had come; 0 withdraws the request.
void request_stop(int signal);

}  // namespace drystill
