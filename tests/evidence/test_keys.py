"""Keys, vkeys, and the one strict Ed25519 rule in both implementations."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from slipway.evidence.encoding import b64
from slipway.evidence.keys import Signer, Verifier, verify_strict, vkey_text
from slipway.evidence.reasons import EvidenceError, Reason
from tests.evidence.twin import twin

P, L = twin.P, twin.L


def multiply(point, scalar):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = twin.add(result, point)
        point, scalar = twin.add(point, point), scalar >> 1
    return result


def affine(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    return x * inverse % P, y * inverse % P


def encode(point):
    x, y = affine(point)
    return (y | (x & 1) << 255).to_bytes(32, "little")


def from_y(y, sign):
    x = twin.recover_x(y, sign)
    return (x, y, 1, x * y % P)


BASE = from_y(4 * pow(5, P - 2, P) % P, 0)
_EIGHTH = from_y(0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7, 0)
TORSION = [multiply(_EIGHTH, n) for n in range(8)]


def encodings(point):
    """Every encoding that some library reads as this point: canonical, y + p, and the sign bit of x = 0."""
    x, y = affine(point)
    found = {encode(point)}
    for value in (y, y + P):
        for sign in (0, 1):
            if value < 1 << 255 and (sign == (x & 1) or x == 0):
                found.add((value | sign << 255).to_bytes(32, "little"))
    return sorted(found)


def strict(a_encoded, r_encoded, message, s, a_point, r_point):
    """The rule by its definition, on points."""
    if a_encoded != encode(a_point) or r_encoded != encode(r_point):
        return False  # not canonical
    if any(encode(multiply(point, 8)) == encode(TORSION[0]) for point in (a_point, r_point)):
        return False  # small order
    if s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(r_encoded + a_encoded + message).digest(), "little") % L
    return encode(multiply(BASE, s)) == encode(twin.add(r_point, multiply(a_point, k)))


def edge_vectors():
    """Keys and nonces with and without torsion, in every encoding, S below and above the order."""
    a, r = 0x1234567, 0x89ABCDEF
    for i, j in itertools.product((None, *range(8)), (None, *range(8))):
        # None stands for a point without its prime-order part: pure torsion.
        a_point = TORSION[i] if i is not None else twin.add(multiply(BASE, a), TORSION[0])
        r_point = TORSION[j] if j is not None else twin.add(multiply(BASE, r), TORSION[0])
        yield from _signed(a_point, 0 if i is not None else a, r_point, 0 if j is not None else r)
        if i is not None and j is not None:
            mixed_a = twin.add(multiply(BASE, a), TORSION[i])
            mixed_r = twin.add(multiply(BASE, r), TORSION[j])
            yield from _signed(mixed_a, a, mixed_r, r)
            yield from _signed(mixed_a, a, r_point, 0)
            yield from _signed(a_point, 0, mixed_r, r)


def _signed(a_point, a, r_point, r):
    for a_encoded, r_encoded, message in itertools.product(
        encodings(a_point), encodings(r_point), (b"x", b"y")
    ):
        k = int.from_bytes(hashlib.sha512(r_encoded + a_encoded + message).digest(), "little") % L
        s = (r + k * a) % L
        yield a_encoded, r_encoded, message, s, a_point, r_point
    yield a_encoded, r_encoded, message, s + L, a_point, r_point


def test_edge_vectors_are_judged_alike_by_the_rule_and_both_implementations():
    accepted = looser = count = 0
    for a_encoded, r_encoded, message, s, a_point, r_point in edge_vectors():
        signature = r_encoded + s.to_bytes(32, "little")
        wanted = strict(a_encoded, r_encoded, message, s, a_point, r_point)
        assert verify_strict(a_encoded, message, signature) is wanted
        assert twin.ed25519(a_encoded, message, signature) is wanted
        count, accepted = count + 1, accepted + wanted
        try:
            Ed25519PublicKey.from_public_bytes(a_encoded).verify(signature, message)
            looser += 1
        except Exception:
            assert not wanted
    # The vectors bite: the library alone accepts signatures that the rule refuses.
    assert count > 900
    assert 0 < accepted < looser


def test_rfc_8032_vector_and_its_mutations():
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    for check in (verify_strict, twin.ed25519):
        assert check(public, b"\x72", signature)
        assert not check(public, b"\x73", signature)
        assert not check(public, b"\x72", signature[:-1])
        assert not check(public[:-1], b"\x72", signature)
        for bit in range(0, 512, 37):
            changed = bytearray(signature)
            changed[bit // 8] ^= 1 << bit % 8
            assert not check(public, b"\x72", bytes(changed))


def test_signatures_of_random_keys_verify_in_both():
    for seed in range(12):
        signer = Signer("a", bytes([seed]) * 32)
        signature = signer.sign(b"message")
        assert verify_strict(signer.public, b"message", signature)
        assert twin.ed25519(signer.public, b"message", signature)


def test_not_a_point_is_refused_by_both():
    public = next(
        y.to_bytes(32, "little") for y in range(2, 50) if twin.recover_x(y, 0) is None and y.bit_length() < 8
    )
    assert not verify_strict(public, b"", b"\2" * 63 + b"\0")
    assert not twin.ed25519(public, b"", b"\2" * 63 + b"\0")


def test_vkey_round_trip():
    signer = Signer("slipway.local/review", b"k" * 32)
    assert Verifier.parse(signer.vkey) == signer.verifier
    assert signer.verifier.vkey == signer.vkey


@pytest.mark.parametrize(
    ("vkey", "reason"),
    [
        ("nothing", Reason.KEY_SYNTAX),
        ("+00000000+AQ==", Reason.KEY_SYNTAX),
        ("a b+00000000+AQ==", Reason.KEY_SYNTAX),
        ("a\u2003b+00000000+AQ==", Reason.KEY_SYNTAX),
        ("a+00000000+AQ==", Reason.KEY_SYNTAX),
        ("a+00000000+", Reason.KEY_TYPE),
        ("a+00000000+" + b64(b"\2" + b"k" * 32), Reason.KEY_TYPE),
        ("a+00000000+" + b64(b"\1" + b"k" * 32), Reason.KEY_ID),
        ("a+00000000+" + b64(b"\1" + b"k" * 32)[:-1], Reason.BASE64),
        (vkey_text("a", bytes(32)), Reason.KEY_WEAK),
        (vkey_text("a", b"\xff" * 32), Reason.KEY_WEAK),
    ],
)
def test_vkeys_are_refused_with_a_named_reason(vkey, reason):
    with pytest.raises(EvidenceError) as caught:
        Verifier.parse(vkey)
    assert caught.value.reason is reason
    with pytest.raises(twin.Bad) as bad:
        twin.parse_vkey(vkey)
    assert bad.value.args[0] == str(reason)


def test_key_file_is_made_once_and_kept_private(tmp_path):
    path = tmp_path / "log.key"
    signer = Signer.load_or_create(path, "slipway.local/review")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer.load_or_create(path, "slipway.local/review").vkey == signer.vkey
    with pytest.raises(EvidenceError, match="belongs to"):
        Signer.load_or_create(path, "another/name")
    path.chmod(0o640)
    with pytest.raises(EvidenceError, match="chmod 600"):
        Signer.load(path)


@pytest.mark.parametrize("text", ["", "name\n", "name\nAAAA\nmore\n", "name\nAAAA\n"])
def test_damaged_key_files_are_refused(tmp_path, text):
    path = tmp_path / "k"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(EvidenceError):
        Signer.load(path)


def test_the_secret_is_not_shown():
    assert "seed" not in repr(Signer("a", b"k" * 32)) and b64(b"k" * 32) not in repr(Signer("a", b"k" * 32))
