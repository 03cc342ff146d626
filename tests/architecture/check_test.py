"""check.py must fail on every kind of violation: small trees, each with one fault, and one without."""

import pathlib
import tempfile
import unittest

import check

RULES = check.Rules((pathlib.Path(__file__).parent / "rooms.txt").read_text())
GOOD = {
    "core/options.h": "#include <cstdint>\n",
    "core/state.h": "#include <torch/types.h>\n",
    "core/error.h": "#include <string>\n",
    "kernels/divergence.h": "#include <ATen/core/Tensor.h>\n",
    "kernels/divergence.cpp": '#include "kernels/divergence.h"\n#include "core/state.h"\n',
    "kernels/CMakeLists.txt": "drystill_room(kernels\n  SOURCES divergence.cpp\n  USES core)\n",
    "kernels/cuda/divergence_launch.h": "#include <cuda_runtime_api.h>\n",
    "vision/grid.cpp": '#include "kernels/divergence.h"\n#include <opencv2/core.hpp>\n',
    "vision/options.h": '#include "core/options.h"\n',
    "configs/reader.cpp": '#include <yaml-cpp/yaml.h>\n#include "vision/options.h"\n#include "core/error.h"\n',
    "tests/vision/grid_test.cpp": "#include <gtest/gtest.h>\n",
    "docs/setup.md": "Unpack it under /opt, or in /home/<you>/work/here.\n",
}


def found(**changes):
    """The violations of the good tree with some files replaced or added."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**GOOD, **changes}.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(check.violations(folder, RULES))


class CheckTest(unittest.TestCase):
    def expect(self, name, text, *parts):
        result = found(**{name: text})
        self.assertEqual(len(result), 1, result)
        for part in (name, *parts):
            self.assertIn(part, result[0])

    def test_good_tree_passes(self):
        self.assertEqual(found(), [])

    def test_arrow_that_points_up(self):
        self.expect("kernels/divergence.cpp", '\n#include "vision/options.h"\n', ":2:", "room 'kernels' may not include")

    def test_rooms_that_must_not_know_each_other(self):
        self.expect("curriculum/a.cpp", '#include "vision/options.h"\n', "may use: core")

    def test_indented_include_is_seen(self):
        self.expect("core/a.cpp", '  #  include "vision/options.h"\n', "may use: no room")

    def test_include_relative_to_the_file(self):
        self.expect("kernels/a.cpp", '#include "divergence.h"\n', "must be written from the root")

    def test_header_that_is_gone(self):
        self.expect("kernels/a.cpp", '#include "kernels/gone.h"\n', "does not exist")

    def test_own_header_in_angle_brackets(self):
        self.expect("kernels/a.cpp", "#include <core/options.h>\n", "must stand in quotes")

    def test_third_party_in_a_header(self):
        self.expect("vision/grid.h", "#include <opencv2/core.hpp>\n", "private to the .cpp files")

    def test_cuda_in_a_header_outside_its_folder(self):
        self.expect("kernels/a.h", "#include <cuda_runtime_api.h>\n", "private to the .cpp files")

    def test_forbidden_header_in_any_file(self):
        self.expect("tests/core/a_test.cpp", "#include <torch/torch.h>\n", "is forbidden", "torch/types.h")

    def test_options_with_torch(self):
        self.expect("kernels/options.h", "#include <torch/types.h>\n", "free of LibTorch")

    def test_options_with_torch_through_another_header(self):
        self.expect("kernels/options.h", '#include "core/state.h"\n', "core/state.h -> <torch/types.h>")

    def test_configs_with_torch_through_core(self):
        self.expect("configs/a.cpp", '#include "core/state.h"\n', "free of LibTorch")

    def test_configs_with_more_than_options(self):
        result = found(**{"configs/a.cpp": '#include "kernels/divergence.h"\n'})
        self.assertTrue(any("only core/*.h, */options.h" in line for line in result), result)

    def test_torch_in_device_code(self):
        self.expect("kernels/cuda/divergence.cu", "#include <c10/util/BFloat16.h>\n", "free of LibTorch")

    def test_cmake_uses(self):
        self.expect("core/CMakeLists.txt", "drystill_room(core\n  SOURCES a.cpp\n  USES vision)\n", "'core' may not use")

    def test_machine_path(self):
        self.expect("docs/setup.md", "first\nsee /" + "root/.cache here\n", ":2:", "a path of one machine")
        self.expect("scripts/a.sh", "cd /" + "work/main\n", "a path of one machine")

    def test_table_with_a_cycle(self):
        with self.assertRaises(SystemExit):
            check.Rules("room a : b\nroom b : a\n")
        with self.assertRaises(SystemExit):
            check.Rules("room a : missing\n")


if __name__ == "__main__":
    unittest.main()
