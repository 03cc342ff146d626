# cmake --install, and find_package(Drystill) for consumers.
