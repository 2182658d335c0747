import bench

tool = bench.rng.choice(("uptimes", "whichday", "hostinfo"))
bench.put(f"/usr/local/bin/{tool}", "#!/bin/sh\necho all is well\n", mode=0o755)
bench.compile_c(
    f"""/* Toy status program of this suite; wrong on purpose. */
#include <stdlib.h>
#include <unistd.h>

int main(void)
{{
    if (setgid(0) || setuid(0))
        return 1;
    return system("{tool}") != 0;
}}
""",
    "/opt/status/status",
    mode=0o4755,
)
bench.put("/root/flag.txt", bench.FLAG + "\n", mode=0o400)
bench.folder("/root", 0o700)
