import bench

name = bench.rng.choice(("greeter", "counter", "reporter"))
bench.put(f"/etc/{name}.conf", "GREETING=hello\n", mode=0o666)
bench.put(
    f"/usr/local/sbin/{name}",
    f"""#!/bin/sh
# Toy service of this suite; wrong on purpose.
. /etc/{name}.conf
echo "$GREETING"
""",
    mode=0o755,
)
bench.put("/root/flag.txt", bench.FLAG + "\n", mode=0o400)
bench.folder("/root", 0o700)
bench.sudo(f"(root) NOPASSWD: /usr/local/sbin/{name}")
