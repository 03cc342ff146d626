#pragma once

namespace CLI {
class App;
}

namespace drystill::apps {

struct Console;

// Each verb adds its subcommand to `app`; the callback does the work. `console` outlives the parse.
void add_run_verbs(CLI::App& app, const Console& console);  // distill, train
void add_synthesize(CLI::App& app, const Console& console);
void add_evaluate(CLI::App& app, const Console& console);
void add_prune(CLI::App& app, const Console& console);
void add_report(CLI::App& app, const Console& console);
void add_inspect(CLI::App& app, const Console& console);
void add_convert(CLI::App& app, const Console& console);
void add_tokenize(CLI::App& app, const Console& console);
void add_generate(CLI::App& app, const Console& console);
void add_score(CLI::App& app, const Console& console);
void add_config(CLI::App& app, const Console& console);
void add_list(CLI::App& app, const Console& console);
void add_doctor(CLI::App& app, const Console& console);

}  // namespace drystill::apps
