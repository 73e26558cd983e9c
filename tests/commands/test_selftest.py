"""`insitu selftest`: what is right passes, and every check fails where what it is about is wrong."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from insitu.board.boards import load_board
from insitu.cli.desk import selftest_command
from insitu.commands import selftest
from insitu.errors import InsituError
from insitu.flash import write
from insitu.flash.writer import Over, Target, Writer
from insitu.link.raw_repl import Link
from insitu.selftest import CHECKS, arithmetic, calls, flash, image, interrupts, memory
from insitu.selftest.bench import IMPORTS, PRELUDE, Bench, Failed, Sample, Skipped
from insitu.session.session import Session

BOARD = load_board("qemu_stm32f405")
BOARDS = ("qemu_stm32f405", "qemu_mps2_an385", "qemu_rv32")


def states(report: selftest.Report) -> dict[str, str]:
    return {outcome.name: outcome.state for outcome in report.outcomes}


def test_everything_that_the_simulated_cpu_has_passes() -> None:
    said: list[str] = []
    report = selftest.selftest(BOARD, sim=True, say=said.append)
    assert report.passed
    skipped = {"image", "calls", "interrupts", "flash"}
    assert states(report) == {name: "skipped" if name in skipped else "passed" for name in CHECKS}
    assert len(said) == 2 + len(CHECKS)
    assert said[-1].startswith("6 passed, 0 failed, 4 skipped in ")
    assert all(outcome.why for outcome in report.outcomes if outcome.state == "skipped")


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("name", BOARDS)
def test_everything_passes_on_real_firmware(name: str) -> None:
    report = selftest.selftest(load_board(name))
    assert report.passed, report.as_json()
    assert states(report) == {check: "skipped" if check in ("interrupts", "flash") else "passed" for check in CHECKS}
    assert report.seconds < 120
    assert report.about["firmware"]["name"] == "micropython" and report.about["firmware"]["version"].startswith("1.")
    assert report.about["board"]["runs on"] == "an emulator, qemu"


def test_report(tmp_path: Path) -> None:
    made = tmp_path / "report.json"
    done = CliRunner().invoke(selftest_command, ["-b", BOARD.name, "--sim", "--to", str(made)])
    assert done.exit_code == 0, done.output
    report = json.loads(made.read_text())
    assert report["passed"] and [check["name"] for check in report["checks"]] == list(CHECKS)
    for text in (
        report["board"]["chip"],
        report["host"]["insitu"],
        report["firmware"]["version"],
        "6 passed, 0 failed",
    ):
        assert text in done.stdout


# Of each check that compiled code can fail: what is put in the place of what in module.c, and what is said then.
SABOTAGE = {
    "arithmetic": ("return a - b;", "return a - b - 1;", "i32.sub("),
    "floats": ("__builtin_rint##suffix", "__builtin_floor##suffix", "f32.nearest("),
    "traps": ("__builtin_trap();", "", 'unreachable() gave [], not a trap "unreachable"'),
    "stack overflow": ("return below + 1;", "return below + 2;", "hold only 0 calls"),
    "garbage collections": ("sum * 31", "sum * 30", "churn(0x14) gave "),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_wrong_code_fails(name: str) -> None:
    old, new, said = SABOTAGE[name]
    text = selftest.source()
    assert old in text
    checks = {name: CHECKS[name], "memory": CHECKS["memory"]}
    report = selftest.selftest(BOARD, sim=True, text=text.replace(old, new), checks=checks)
    assert states(report) == {name: "failed", "memory": "passed"}
    assert said in report.outcomes[0].why


def test_integers_that_python_gets_wrong_fail() -> None:
    """As the bits they are right: what fails is the way between them and Python's integers."""

    def unsigned(expression: str) -> list[int]:
        return [value % (1 << 32) for value in ast.literal_eval(expression.partition(" in ")[2][:-1])]

    with pytest.raises(Failed, match=r"i32\.xor\(2147483648, 0\) gave Python 2147483648"):
        arithmetic._through_python(Told({"[getattr(inst.exports, 'i32.xor')": unsigned}))


def test_exit_status_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    text = selftest.source().replace("return a - b;", "return b;")
    monkeypatch.setattr(selftest, "source", lambda: text)
    done = CliRunner().invoke(selftest_command, ["-b", BOARD.name, "--sim", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["passed"] is False
    assert "failed  arithmetic: i32.sub(" in done.stderr


def test_memory_that_is_not_given_back_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SECOND", memory._SECOND.replace("other.deinstantiate()", "pass"))
    report = selftest.selftest(BOARD, sim=True, checks={"memory": memory.check})
    assert not report.passed
    assert "a second instance came and went" in report.outcomes[0].why


def test_a_link_that_is_lost_ends_the_rest() -> None:
    def lost(bench: Bench) -> dict[str, Any]:
        raise InsituError("the port is gone")

    report = selftest.selftest(BOARD, sim=True, checks={"lost": lost, "memory": memory.check})
    assert [(o.state, o.why) for o in report.outcomes] == [("failed", "the port is gone"), ("failed", "not reached")]


@pytest.fixture(scope="module")
def simulated() -> Iterator[Bench]:
    data = selftest.build(BOARD.target, selftest.source())
    with Session(
        BOARD, data, imports=IMPORTS, heap=selftest.HEAP, stack=selftest.STACK, prelude=PRELUDE, sim=True
    ) as s:
        yield Bench(BOARD, s)


@pytest.mark.parametrize(("rounds", "every"), [(0, 0), (1, 1), (1000, 0), (1000, 64)])
def test_spin_gives_what_is_expected(simulated: Bench, rounds: int, every: int) -> None:
    simulated.compare([Sample("spin", (rounds, every), interrupts.expected(rounds, every), 64)])


class Told(Bench):
    """A board that answers questions with what a test wants it to."""

    __slots__ = ("answers",)

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(BOARD, SimpleNamespace(sim=False, run=lambda code: b"", link=None, data=b"image"))  # type: ignore
        object.__setattr__(self, "answers", answers)

    def value(self, expression: str, timeout: float = 60.0) -> Any:
        (answer,) = [found for start, found in self.answers.items() if expression.startswith(start)]
        return answer(expression) if callable(answer) else answer


def timer(result: int, count: int) -> Told:
    """A board whose timer rang so often in 40 ms, and whose loop gave a result that is off by so much."""

    def spin(expression: str) -> tuple[int, int, int]:
        _, rounds, every = expression.removeprefix("_spin(").rstrip(")").split(", ")
        return interrupts.expected(int(rounds), int(every)) + result, 40, count

    return Told({"hasattr": True, "_takes_hard": True, "_spin": spin})


def test_interrupts() -> None:
    facts = interrupts.check(timer(0, 40))
    assert facts["hard, without imports"] == {"ms": 40, "interrupts": 40}
    with pytest.raises(Failed, match="not 0x"):
        interrupts.check(timer(1, 40))
    with pytest.raises(Failed, match="soft, with imports: 9 interrupts"):
        interrupts.check(timer(0, 9))
    with pytest.raises(Skipped, match=r"no machine\.Timer"):
        interrupts.check(Told({"hasattr": False}))


def clock(export: int) -> Told:
    """A board whose Python calls take 10 us, and its exports so many."""

    def repeat(expression: str) -> int:
        count = int(expression.removeprefix("_least(").split(",")[1])
        return count * (10 if "_python" in expression else export)

    return Told({"_least": repeat, "ticks_us": True})


def test_calls() -> None:
    facts = calls.check(clock(30))
    assert facts == {"clock": "device", "python_call_us": 10, "export_call_us": 30, "import_call_us": round(30 / 64, 2)}
    with pytest.raises(Failed, match="calling an export takes 600 us, a Python function 10"):
        calls.check(clock(600))


def test_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "device_crc", lambda link, address, size: 1)
    with pytest.raises(Failed, match="the board reads CRC 0x00000001, not 0x"):
        image.check(Told({}))


def memory_writer(wrong: bool) -> Writer:
    """The SSRAM that stands for flash on this board is written as memory is."""

    def write_bytes(target: Target, address: int, data: bytes, progress: Any) -> None:
        assert target.link is not None
        for at in range(0, len(data), 256):
            piece = data[at : at + 256]
            target.link.run(f"import uctypes\nuctypes.bytearray_at({address + at}, {len(piece)})[:] = {piece!r}\n")
        if wrong:
            target.link.run(f"uctypes.bytearray_at({address}, 1)[0] ^= 1\n")

    return Writer(Over.LINK, write_bytes, "")


@pytest.mark.slow
@pytest.mark.qemu
def test_flash(monkeypatch: pytest.MonkeyPatch) -> None:
    board = replace(load_board("qemu_mps2_an385"), writers=("memory",))
    for wrong, state in ((False, "passed"), (True, "failed")):
        monkeypatch.setattr(flash, "WRITERS", {"memory": memory_writer(wrong)})
        report = selftest.selftest(board, checks={"flash": flash.check})
        assert states(report) == {"flash": state}
    assert "written by memory: qemu_mps2_an385 reads back CRC" in report.outcomes[0].why
    assert write.WRITERS is not flash.WRITERS


def test_a_sector_that_holds_more_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is erased as a whole: here one of 8 KiB, in which the package begins."""
    board = load_board("qemu_mps2_an385")
    assert board.package is not None
    chip = replace(board.chip, sectors=((board.chip.flash.size // 0x2000, 0x2000),))
    image = replace(board.image, size=board.image.size + 0x2000)
    monkeypatch.setattr(flash, "WRITERS", {"memory": memory_writer(False)})
    report = selftest.selftest(
        replace(board, chip=chip, image=image, writers=("memory",)), checks={"flash": flash.check}
    )
    assert [(outcome.state, outcome.why) for outcome in report.outcomes] == [
        ("skipped", f"something lies in the sector at {board.package.address:#010x}")
    ]


def test_what_is_only_written_whole_is_not_written_in_part() -> None:
    board = replace(BOARD, writers=("romfs",))
    link = object.__new__(Link)  # none is needed to know
    bench = Bench(board, SimpleNamespace(link=link))  # type: ignore[arg-type]
    with pytest.raises(Skipped, match="romfs writes all of it at once"):
        flash.check(bench)


def test_usage() -> None:
    assert CliRunner().invoke(selftest_command, []).exit_code == 2
    assert CliRunner().invoke(selftest_command, ["-b", BOARD.name, "--port", "x", "--sim"]).exit_code == 2
