import random

import bench
import shape

facts = shape.facts_of(bench.SEED)
text, hits = shape.capture(facts, random.Random("sample" + bench.SEED), 40)
bench.home("PROTOCOL.txt", shape.describe(facts))
bench.home("sample.txt", text)
bench.home("sample.expected", "".join(h + "\n" for h in hits))
