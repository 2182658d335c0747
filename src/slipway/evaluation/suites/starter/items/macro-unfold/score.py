"""Runs the submitted unfolder on a program that the model has never seen."""

import random


async def score(room):
    shape = room.load("shape.py")
    source, lines = shape.program(random.Random("hidden" + room.secret), 40)
    await room.write_file("/tmp/hidden.quill", source.encode())
    ran = await room.run(["python3", "unfold.py", "/tmp/hidden.quill"])
    if ran.returncode != 0:
        return room.fail(f"unfold.py ended with {ran.returncode}")
    if ran.stdout.split("\n") != [*lines, ""]:
        return room.fail("the printed text differs from the true one")
    return room.passed("an unseen macro was unfolded")
