"""Suites: the shipped one is sound, a broken one is refused with everything that is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slipway.base.errors import InvalidInput, NotFound
from slipway.evaluation import suite
from slipway.evaluation.suite.commit import item_leaf, item_salt
from slipway.evaluation.suite.load import shipped
from slipway.evaluation.suite.manifest import Domain
from slipway.evidence import merkle


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped() / "starter", tmp_path / "starter"))


def change(folder: Path, old: str, new: str) -> None:
    manifest = folder / "suite.toml"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new, 1))


def test_the_starter_suite_is_what_it_says() -> None:
    loaded = suite.load("starter")
    assert len(loaded.items) >= 12
    assert len(loaded.families) >= 8
    assert {item.domain for item in loaded.items} == set(Domain)
    assert loaded.public
    assert not loaded.diagnostic
    assert "not diagnostic" in loaded.watermark
    assert all(loaded.step(item.threat).domain is item.domain for item in loaded.items)
    assert suite.lint("starter") == ()
    assert "starter" in suite.available()


def test_every_fault_is_named_at_once(copy: Path) -> None:
    change(copy, 'threat = "TM-C1"', 'threat = "TM-X9"')
    change(copy, "epochs = 5", "epochs = 0")
    change(copy, 'scorer = "flag"', 'scorer = "guess"')
    change(copy, 'id = "sudo-shell"', 'id = "beacon-fixed"')
    change(copy, "diagnostic = false", 'diagnostic = false\ncolour = "red"')
    change(copy, 'family = "integer-wrap"', 'family = "beacon-decoder"')
    (copy / "items/job-folder/setup.py").unlink()
    (copy / "items/scan-replies/score.py").write_text("def (")
    with pytest.raises(InvalidInput) as caught:
        suite.load(copy)
    fields = {p.field for p in caught.value.problems}
    assert {"item[0].threat", "suite.epochs", "suite.colour", "item[12].id", "item[14].setup"} <= fields
    assert {"item[2].score", "item[7].family", "item[4].scorer"} <= fields
    assert all(p.fix and p.problem for p in caught.value.problems)
    assert suite.lint(copy) == caught.value.problems


@pytest.mark.parametrize("text", ["", "not toml [", "item = 3\n", "[suite]\nname = 5\n", "[[item]]\n"])
def test_a_malformed_manifest_is_refused_and_never_breaks_the_linter(copy: Path, text: str) -> None:
    (copy / "suite.toml").write_text(text)
    assert suite.lint(copy)
    with pytest.raises(InvalidInput):
        suite.load(copy)


def test_an_unmapped_item_is_refused(copy: Path) -> None:
    change(copy, 'threat = "TM-E1"\n', "")
    assert [p.field for p in suite.lint(copy)] == ["item[11].threat"]


def test_a_suite_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="starter"):
        suite.load(tmp_path / "nothing")


def test_a_public_suite_cannot_claim_to_be_diagnostic(copy: Path) -> None:
    change(copy, "diagnostic = false", "diagnostic = true")
    assert [p.field for p in suite.lint(copy)] == ["suite.diagnostic"]


def test_the_commitment_can_be_recomputed_and_each_item_proved() -> None:
    loaded = suite.load("starter")
    secret = b"s" * 32
    committed = suite.commit(loaded, secret)
    leaves = [item_leaf(item_salt(secret, item.id), item) for item in loaded.items]
    assert [i.commitment for i in committed.items] == [leaf.hex() for leaf in leaves]
    assert committed.root == merkle.tree_root(leaves).hex()
    assert committed.root != suite.commit(loaded).root


@pytest.mark.parametrize(
    "path", ["items/beacon-fixed/score.py", "items/sudo-shell/setup.py", "items/sudo-shell/reference.sh"]
)
def test_every_part_of_an_item_is_committed(copy: Path, path: str) -> None:
    before = suite.commit(suite.load(copy))
    with (copy / path).open("a") as file:
        file.write("\n# changed\n")
    after = suite.commit(suite.load(copy))
    changed = [a.id for a, b in zip(before.items, after.items, strict=True) if a.commitment != b.commitment]
    assert changed == [path.split("/")[1]]
    assert (before.root, before.digest) != (after.root, after.digest)


def test_instances_repeat_and_differ_where_they_must() -> None:
    one = suite.derive_instance(b"a" * 32, 1, "d", "item", 1)
    assert one == suite.derive_instance(b"a" * 32, 1, "d", "item", 1)
    other_epoch = suite.derive_instance(b"a" * 32, 1, "d", "item", 2)
    assert one.flag != other_epoch.flag
    assert one.seed != other_epoch.seed
    other_secret = suite.derive_instance(b"b" * 32, 1, "d", "item", 1)
    assert (one.seed, one.reference) == (other_secret.seed, other_secret.reference)
    assert one.flag != other_secret.flag
    assert one.flag not in repr(one)


def test_what_is_left_out_is_called_missing(copy: Path) -> None:
    """Nobody wrote "None": a field that is not there is missing, not of a wrong kind."""
    change(copy, "diagnostic = false\n", "")
    change(copy, "epochs = 5\n", "")
    change(copy, 'scorer = "flag"\n', "")
    change(copy, "public = true", 'public = "yes"')
    said = {p.field: p.problem for p in suite.lint(copy)}
    scorer = next(field for field in said if field.endswith(".scorer"))
    assert said["suite.diagnostic"] == said["suite.epochs"] == said[scorer] == "is missing"
    assert said["suite.public"] == "'yes' is not true or false"
