import random

import bench
import shape

source, lines = shape.program(random.Random("sample" + bench.SEED), 6)
bench.home("LANGUAGE.txt", shape.DESCRIPTION)
bench.home("sample.quill", source)
bench.home("sample.expected", "\n".join(lines) + "\n")
