"""What counts as contained, without a sandbox."""

from __future__ import annotations

import socket

import pytest

from slipway.base.results import Check, Status
from slipway.evaluation.containment import ContainmentReport, NotContained, PositiveControl, suite
from slipway.evaluation.containment.canary import Canary

CAUGHT = PositiveControl(("host network",), ("tcp-to-host",), ())
HELD = (Check("tcp-to-host", Status.PASS, "no connection"),)


def report(
    probes: tuple[Check, ...] = HELD, control: PositiveControl = CAUGHT, hits: int = 0
) -> ContainmentReport:
    return ContainmentReport(2, probes, control, hits, 2000, "0" * 64, {})


def test_all_held_and_control_caught_passes() -> None:
    assert report().passed
    report().require()


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (report(probes=()), "not hold"),
        (report(probes=(Check("mounts", Status.FAIL, "mount succeeded"),)), "mounts .mount succeeded."),
        (report(probes=(Check("mounts", Status.NOT_CHECKED, "no answer"),)), "no answer"),
        (report(hits=1), "1 packets"),
        (report(control=PositiveControl(("x",), ("a", "b"), ("b",))), "open sandbox: b"),
        (report(control=PositiveControl(("x",), (), ())), "nothing was expected"),
        (report(control=PositiveControl(("x",), ("a",), (), "did not start")), "did not start"),
    ],
)
def test_anything_else_refuses_and_says_why(bad: ContainmentReport, named: str) -> None:
    assert not bad.passed
    assert bad.as_dict()["passed"] is False
    with pytest.raises(NotContained, match=named):
        bad.require()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"name": "x", "out": False, "detail": "refused"}, Status.PASS),
        ({"name": "x", "out": True, "detail": "got out"}, Status.FAIL),
        ({"name": "x", "out": None, "detail": "ValueError"}, Status.NOT_CHECKED),
        ({"name": "x", "out": 0, "detail": ""}, Status.NOT_CHECKED),
        ({"name": "x"}, Status.NOT_CHECKED),
        (None, Status.NOT_CHECKED),
    ],
)
def test_only_a_plain_no_counts_as_held(answer: dict[str, object] | None, status: Status) -> None:
    assert suite._check("x", answer, "silence").status is status


def test_the_canary_hears_and_answers() -> None:
    with Canary() as canary:
        told = canary.told()
        with socket.create_connection(("127.0.0.1", told["tcp_port"]), 5) as sock:
            assert sock.recv(100).decode() == canary.token
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(b"x", ("127.0.0.1", told["udp_port"]))
            assert sock.recv(100).decode() == canary.token
        for name in ("\0" + told["abstract"], told["pathname"]):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(5)
                sock.connect(name)
                assert sock.recv(100).decode() == canary.token
        assert len(canary.hits) == 4
        assert "127.0.0.1" in told["v4"]
