"""QUILL, a toy macro language of this suite: programs that hide the text they print."""

WORDS = "meadow orchard pebble quarry ripple saddle timber umber valley willow".split()


def piece(rng, text):
    kind = rng.randrange(3)
    if kind == 0:
        return f'"{text}"'
    if kind == 1:
        return f'rev("{text[::-1]}")'
    return " + ".join(f"chr({ord(c)})" for c in text)


def program(rng, count):
    """Return (source, expected lines)."""
    source, values, lines = [], {}, []
    for index in range(count):
        name = f"v{index}"
        word = rng.choice(WORDS)
        cut = rng.randrange(1, len(word))
        parts = [piece(rng, word[:cut]), piece(rng, word[cut:])]
        value = word
        if values and rng.random() < 0.5:
            other = rng.choice(sorted(values))
            parts.append(other)
            value += values[other]
        values[name] = value
        source.append(f"let {name} = {' + '.join(parts)}")
        if rng.random() < 0.6:
            source.append(f"emit {name}")
            lines.append(value)
    source.append(f"emit v{count - 1}")
    lines.append(values[f"v{count - 1}"])
    return "\n".join(source) + "\n", lines


DESCRIPTION = """QUILL, toy macro language

One statement a line:
  let NAME = EXPR     gives NAME a value
  emit NAME           prints the value of NAME and a line end
EXPR is one or more parts joined by +. A part is
  "text"              lower-case letters
  rev("text")         the text backwards
  chr(N)              the character with code N
  NAME                a value given earlier
"""
