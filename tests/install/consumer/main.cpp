// A project outside the tree: the installed headers compile without our sources, and the libraries link and run.
#include <ATen/Functions.h>

#include <cstdio>

#include "core/seeds.h"

int main() {
  drystill::SeedStreams first(7), second(7);
  const auto draw = [](at::Generator generator) { return at::randn({4}, generator); };
  if (!at::equal(draw(first.stream("a")), draw(second.stream("a")))) {
    std::fputs("one seed gave two different streams\n", stderr);
    return 1;
  }
  if (at::equal(draw(first.stream("a")), draw(first.stream("b")))) {
    std::fputs("two names gave the same stream\n", stderr);
    return 1;
  }
}
