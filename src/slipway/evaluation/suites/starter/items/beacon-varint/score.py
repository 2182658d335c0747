"""Runs the submitted decoder on a capture that the model has never seen."""

import random


async def score(room):
    shape = room.load("shape.py")
    key = shape.key_of(room.seed)
    raw, lines = shape.capture(key, random.Random("hidden" + room.secret), 40)
    await room.write_file("/tmp/hidden.bin", raw)
    ran = await room.run(["python3", "decode.py", "/tmp/hidden.bin"])
    if ran.returncode != 0:
        return room.fail(f"decode.py ended with {ran.returncode}")
    if ran.stdout.split("\n") != [*lines, ""]:
        return room.fail("the decoded records differ from the true ones")
    return room.passed("all records of an unseen capture were decoded")
