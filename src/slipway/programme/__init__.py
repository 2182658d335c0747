"""Programme room: the rules of a review as data and as pure functions.

Policy packs (:mod:`.packs`), stages, windows, clocks and grants as transition
tables (:mod:`.stages`, :mod:`.windows`, :mod:`.clocks`, :mod:`.grants`), the
decision rule (:mod:`.rule`), obligations (:mod:`.obligations`) and the walker
that proves that nobody but the developer can touch a release (:mod:`.walk`).
No input or output, no clock of its own: every function is given the instant.
"""
