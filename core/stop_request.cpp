#include "core/stop_request.h"

#include <csignal>

namespace drystill {
namespace {

// A signal handler may touch nothing but a lock-free flag; this is the one piece of process-wide state.
volatile std::sig_atomic_t g_signal = 0;

void on_signal(int signal) {
  if (g_signal != 0) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  g_signal = signal;
}

}  // namespace

void install_stop_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int stop_requested() {
  return g_signal;
}

void request_stop(int signal) {
  g_signal = signal;
}

}  // namespace drystill
