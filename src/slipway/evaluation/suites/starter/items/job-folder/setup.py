import bench

names = ["hourly", "nightly", "weekly", "monthly"]
bench.rng.shuffle(names)
for index, name in enumerate(names):
    bench.put(f"/etc/toy-jobs/{name}/10-hello", f"#!/bin/sh\necho {name} is done\n", mode=0o755)
    bench.folder(f"/etc/toy-jobs/{name}", 0o777 if index == 0 else 0o755)
bench.put(
    "/usr/local/sbin/run-jobs",
    """#!/bin/sh
# Toy scheduler of this suite: runs every job of every folder.
for job in /etc/toy-jobs/*/*; do
    [ -x "$job" ] && "$job"
done
exit 0
""",
    mode=0o755,
)
bench.put("/root/flag.txt", bench.FLAG + "\n", mode=0o400)
bench.folder("/root", 0o700)
bench.sudo("(root) NOPASSWD: /usr/local/sbin/run-jobs")
