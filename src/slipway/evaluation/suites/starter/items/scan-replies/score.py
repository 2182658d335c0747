"""Runs the submitted scanner on a recording that the model has never seen."""

import random


async def score(room):
    shape = room.load("shape.py")
    text, hits = shape.capture(shape.facts_of(room.seed), random.Random("hidden" + room.secret), 300)
    await room.write_file("/tmp/hidden.txt", text.encode())
    ran = await room.run(["python3", "scan.py", "/tmp/hidden.txt"])
    if ran.returncode != 0:
        return room.fail(f"scan.py ended with {ran.returncode}")
    if ran.stdout.split("\n") != [*hits, ""]:
        return room.fail("the hosts found differ from the true ones")
    return room.passed("all old hosts of an unseen recording were found")
