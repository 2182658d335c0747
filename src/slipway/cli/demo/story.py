"""The story of one review, told by acting: every act goes through the CLI or the HTTP API."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.base.errors import Exit
from slipway.cli.client import Desk
from slipway.cli.demo.cast import AGENCY, Cast, Person, introduce
from slipway.cli.demo.stage import Model, Stage, StepFailed
from slipway.cli.demo.tell import Step, Teller, receipt_of

ALIAS = "aurora-next"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the visitor asked for. ``model`` None means the reference model of the examples."""

    model: Model | None
    pack: str = "eo-14409"
    suite: str = "starter"
    epochs: int = 5
    skill: int = 7
    seed: int = 1
    desk_port: int = 8000
    gateway_port: int = 8001
    images: Path = Path("images")


@dataclass(slots=True)
class Story:
    """What is known so far; each step fills in its part."""

    stage: Stage
    tell: Teller
    cast: Cast
    wishes: Wishes
    addresses: dict[str, str] = field(default_factory=dict)
    model: Model | None = None
    review: str = ""
    grant: str = ""
    key: str = ""
    run: str = ""
    verdict: str = ""
    bundle: Path = Path()
    vkey: str = ""

    def play(self) -> None:
        """Carry the review from offer to verified report."""
        for act in (
            self._site, self._people, self._model, self._offer, self._agree, self._open, self._grant,
            self._measure, self._determine, self._report, self._release, self._verify,
        ):  # fmt: skip
            act()

    def _as(self, person: Person, step: Step, *words: str, **more: Any) -> dict[str, Any]:
        """Run a desk command as one of the cast and keep its receipt."""
        extra = {"SLIPWAY_DESK": self.addresses["desk"], "SLIPWAY_TOKEN": person.token} | more.pop(
            "extra", {}
        )
        answer = self.stage.run(words, who=person.who, extra=extra, **more)
        receipt = receipt_of(answer)
        if receipt:
            step.receipts.append(receipt)
        return answer

    def _page(self, path: str = "") -> str:
        return f"{self.addresses['desk']}/{path}"

    def _site(self) -> None:
        with self.tell.step("site", "Review desk and gateway start on SQLite") as step:
            self.addresses = self.stage.site(self.wishes.desk_port, self.wishes.gateway_port)
            # The sandbox's base image takes half a minute to build once; nobody has to watch that.
            self.stage.in_background(["run", "prepare", "--images", str(self.wishes.images)])
            step.notes.append(f"data in {self.stage.data}")
            step.look = self._page()

    def _people(self) -> None:
        with self.tell.step("people", "A developer and an agency, their people and tokens") as step:
            step.receipts += introduce(self.stage, self.cast)
            step.notes += [f"{p.what}: {p.email}  password {p.password}" for p in self.cast.people]
            step.look = self._page("accounts/login/")

    def _model(self) -> None:
        if self.wishes.model is not None:
            self.model = self.wishes.model
            return
        title = f"The reference model starts (a scripted solver of stated skill {self.wishes.skill})"
        with self.tell.step("model", title) as step:
            self.model = self.stage.reference_model(skill=self.wishes.skill, seed=self.wishes.seed)
            step.notes.append(f"OpenAI-compatible at {self.model.base_url}, reached by the gateway alone")

    def _offer(self) -> None:
        with self.tell.step("offer", "The developer drafts and offers the review") as step:
            answer = self._as(
                self.cast.ada, step, "review", "new", "--codename", "Aurora Next",
                "--model-name", "aurora-next-preview", "--pack", self.wishes.pack,
                "--summary", "A frontier model before its release, offered for a cyber capability review.",
            )  # fmt: skip
            self.review = str(answer["ref"])
            self._as(self.cast.ada, step, "review", "offer", self.review, "--agency", AGENCY[0])
            step.look = self._page(f"reviews/{self.review}/")

    def _agree(self) -> None:
        with self.tell.step("agree", "The agency reads the terms and agrees to exactly these") as step:
            terms = self._as(self.cast.ben, step, "review", "terms", self.review)
            digest = str(terms.get("digest") or terms.get("terms_digest"))
            self._as(self.cast.ben, step, "review", "agree", self.review, "--terms-digest", digest)
            step.notes.append(f"terms {digest}")
            step.look = self._page(f"reviews/{self.review}/terms/")

    def _open(self) -> None:
        model = self.model
        if model is None:
            raise StepFailed("there is no model to give access to", int(Exit.INTERNAL))
        with self.tell.step(
            "open", "The developer seals the endpoint for the gateway and opens the window"
        ) as step:
            self._as(
                self.cast.ada, step, "review", "endpoint", self.review, "--alias", ALIAS,
                "--base-url", model.base_url, "--model", model.name, "--api-key-env", model.api_key_env,
            )  # fmt: skip
            self._as(self.cast.ada, step, "review", "window", self.review, "open", "--days", "30")
            step.look = self._page(f"reviews/{self.review}/window/")

    def _grant(self) -> None:
        with self.tell.step(
            "grant", "Access by two parties: the agency proposes, the developer agrees"
        ) as step:
            answer = self._as(
                self.cast.ben, step, "review", "grant", "new", self.review, "--alias", ALIAS,
                "--purpose", "Measure cyber capability for the determination",
            )  # fmt: skip
            self.grant = str(answer["ref"])
            self._as(self.cast.ada, step, "review", "grant", "agree", self.grant)
            made = self._as(
                self.cast.ben, step, "review", "key", "new", self.grant, "--label", "evaluator's bench"
            )
            self.key = str(made["key"])
            step.notes.append(f"key …{self.key[-4:]} shown once, to the evaluator alone")
            step.look = self._page(f"grants/{self.grant}/")

    def _measure(self) -> None:
        title = f"The evaluator measures: suite {self.wishes.suite}, {self.wishes.epochs} attempts an item"
        with self.tell.step("measure", title) as step:
            folder = self.stage.data / "bench" / "runs" / "demo"
            answer = self._as(
                self.cast.ben, step, "run", "start", "--gateway", self.addresses["gateway"],
                "--review", self.review, "--grant", self.grant, "--suite", self.wishes.suite,
                "--epochs", str(self.wishes.epochs), "--seed", str(self.wishes.seed),
                "--run-dir", str(folder), "--images", str(self.wishes.images),
                extra={"SLIPWAY_KEY": self.key}, watch=True,
            )  # fmt: skip
            self.run = str(answer["ref"])
            step.notes.append(f"registered as {self.run} in the log before the first call")
            step.look = self._page(f"runs/{self.run}/")

    def _determine(self) -> None:
        title = "The authority determines; this one follows the proposal and says so"
        with self.tell.step("determine", title) as step:
            shown = self._as(self.cast.dana, step, "run", "show", self.run)
            proposal = shown.get("proposal") or {}
            self.verdict = str(proposal.get("verdict", "insufficient evidence"))
            reasons = "; ".join(str(reason) for reason in proposal.get("reasons") or ())
            reason = (
                "This is a demonstration: I follow the proposal that the rule recorded before the run makes. "
                f"{reasons}"
            ).strip()
            self._as(
                self.cast.dana, step, "review", "determine", self.review, "--run", self.run,
                "--verdict", self.verdict, "--reason-code", "follows-proposal", "--reason", reason,
            )  # fmt: skip
            step.notes.append(f"verdict: {self.verdict}")
            step.look = self._page(f"reviews/{self.review}/determination/")

    def _report(self) -> None:
        with self.tell.step(
            "report", "The report is built and signed; the page is the print is the PDF"
        ) as step:
            self.bundle = self.stage.data / f"{self.review}.slipway.zip"
            self._as(self.cast.dana, step, "review", "report", self.review, "--build")
            step.look = self._page(f"reviews/{self.review}/report/")

    def _release(self) -> None:
        title = "The developer releases to trusted partners: one act, nobody else's consent"
        with self.tell.step("release", title) as step:
            self._as(
                self.cast.ada, step, "review", "release", self.review, "--to", "partners",
                "--confirm", self.review,
            )  # fmt: skip
            step.look = self._page(f"reviews/{self.review}/timeline/")

    def _verify(self) -> None:
        with self.tell.step("verify", "Anybody verifies offline, with one file and one key") as step:
            self._as(self.cast.dana, step, "review", "report", self.review, "--bundle", str(self.bundle))
            desk = Desk(self.addresses["desk"], "")
            self.vkey = desk.request("GET", "/log/key")[1].decode().strip()
            verdict = self.stage.run(["verify", str(self.bundle), "--key", self.vkey])
            passed = sum(check["status"] == "pass" for check in verdict["checks"])
            step.notes.append(
                f"{passed} of {len(verdict['checks'])} checks pass, the others say why not checked"
            )
            step.notes.append(self._verify_plain())
            step.notes.append(f"bundle {self.bundle}")
            step.notes.append(f"key    {self.vkey}")

    def _verify_plain(self) -> str:
        """Run the verify.py that is inside the bundle with a plain Python, without slipway or packages."""
        folder = self.stage.data / "plain-verify"
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(self.bundle) as archive:
            (folder / "verify.py").write_bytes(archive.read("verify.py"))
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
        command = [python, "-I", "-S", "verify.py", str(self.bundle), "--key", self.vkey]
        self.tell.line(
            f"     $ {' '.join(command[:4])} {self.bundle.name} --key …    # standard library alone"
        )
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise StepFailed(f"verify.py of the bundle failed: {done.stdout}{done.stderr}", done.returncode)
        return "verify.py from inside the bundle, with plain python3: verified"
