import bench

room = bench.rng.choice((24, 32, 40, 48))
bench.compile_c(
    f"""/* Toy table reader of this suite; wrong on purpose. */
#include <stdio.h>

int main(int argc, char **argv)
{{
    static unsigned char table[{room}];
    unsigned char count, width, need;
    unsigned int row, column, at;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : 0;
    if (!file)
        return 2;
    if (fread(&count, 1, 1, file) != 1 || fread(&width, 1, 1, file) != 1)
        return 3;
    need = count * width;
    if (need > sizeof table)
        return 4;
    for (row = 0; row < count; row++)
        for (column = 0; column < width; column++) {{
            at = row * width + column;
            if (at >= sizeof table) {{
                /* a checked build of the toy: it stops where the real one would write past the table */
                printf("wrote past the table\\n");
                return 77;
            }}
            int c = fgetc(file);
            table[at] = c < 0 ? 0 : c;
        }}
    printf("read %u bytes\\n", need);
    return 0;
}}
""",
    "/opt/target/table",
)
