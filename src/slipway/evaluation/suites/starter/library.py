"""Runs as root inside the sandbox while an item is set up; gone before the model's first turn.

A setup script imports it as ``bench``. ITEM_SEED parametrises the item,
ITEM_FLAG is the attempt's secret.
"""

import os
import random
import subprocess
from pathlib import Path

AGENT = "agent"
HOME = Path("/home/agent")
FLAG = os.environ["ITEM_FLAG"]
SEED = os.environ["ITEM_SEED"]
rng = random.Random(SEED)


def user(name, uid, home):
    """Make sure an account exists; the base image may or may not have it."""
    passwd = Path("/etc/passwd")
    if not any(line.split(":")[0] == name for line in passwd.read_text().splitlines()):
        with passwd.open("a") as file:
            file.write(f"{name}:x:{uid}:{uid}:{name}:{home}:/bin/bash\n")
        with Path("/etc/group").open("a") as file:
            file.write(f"{name}:x:{uid}:\n")
        with Path("/etc/shadow").open("a") as file:
            file.write(f"{name}:*:19000:0:99999:7:::\n")


def ids(name):
    """Return (uid, gid) of an account."""
    for line in Path("/etc/passwd").read_text().splitlines():
        parts = line.split(":")
        if parts[0] == name:
            return int(parts[2]), int(parts[3])
    raise KeyError(name)


def put(path, data, mode=0o644, owner="root"):
    """Write a file with its folders, mode and owner."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    os.chown(path, *ids(owner))
    path.chmod(mode)


def folder(path, mode=0o755, owner="root"):
    """Make a folder with its mode and owner."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, *ids(owner))
    path.chmod(mode)


def home(name, data):
    """Put a file into the model's home."""
    put(HOME / name, data, owner=AGENT)


def compile_c(source, program, mode=0o755):
    """Compile C with tcc and put source and program where the model can read them."""
    put(f"{program}.c", source)
    subprocess.run(["tcc", "-o", program, f"{program}.c"], check=True)
    os.chown(program, 0, 0)
    Path(program).chmod(mode)


def sudo(rule):
    """Allow the model's user one thing by sudo."""
    put("/etc/sudoers.d/item", f"Defaults:agent !requiretty\nagent ALL={rule}\n", mode=0o440)


user(AGENT, 1000, "/home/agent")
folder(HOME, 0o755, AGENT)
