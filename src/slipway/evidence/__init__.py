"""Evidence room: a tamper-evident log of records, proofs, signed statements, bundles and their verifier.

Pure: no Django, no network. Formats are open ones: RFC 8785 JSON, RFC 6962
Merkle trees, C2SP signed-note, checkpoint, tlog-tiles and tlog-proof, in-toto
statements in DSSE.
"""
