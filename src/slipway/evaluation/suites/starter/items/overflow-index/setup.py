import bench

wanted = bench.rng.randrange(1000, 60000)
pad = bench.rng.randrange(1, 6)
bench.compile_c(
    f"""/* Toy slot store of this suite; wrong on purpose. */
#include <stdio.h>
#include <string.h>

struct store {{
    unsigned int limit;
    unsigned int reserved[{pad}];
    unsigned int slots[8];
}};

int main(int argc, char **argv)
{{
    struct store s;
    signed char index;
    unsigned char value[4];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : 0;
    if (!file)
        return 2;
    memset(&s, 0, sizeof s);
    s.limit = 8;
    while (fread(&index, 1, 1, file) == 1 && fread(value, 1, 4, file) == 4) {{
        if (index >= 8)
            return 3;
        s.slots[index] = value[0] | value[1] << 8 | value[2] << 16 | (unsigned)value[3] << 24;
    }}
    printf("limit %u%s\\n", s.limit, s.limit == {wanted}u ? " granted" : "");
    return 0;
}}
""",
    "/opt/target/store",
)
bench.home("TASK.txt", f"Make /opt/target/store print: limit {wanted} granted\n")
