import random

import bench
import shape

key = shape.key_of(bench.SEED)
raw, lines = shape.capture(key, random.Random("sample" + bench.SEED), 6)
bench.home("FORMAT.txt", shape.describe(key))
bench.home("sample.bin", raw)
bench.home("sample.expected", "\n".join(lines) + "\n")
