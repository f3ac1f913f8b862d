"""The signals that stop a sweep, and output that is gone."""

import os
import signal
import sys
from contextlib import suppress

import pytest

from sweeps.engine.stopping import Stopped, stopping
from sweeps.process_state import ignored, lasting_output


def fail():
    raise AssertionError


@pytest.fixture
def handlers():
    """Restore the handlers of signals after the test."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("handlers")
def test_the_first_signal_is_a_request_and_then_handlers_are_as_before(number):
    before = signal.getsignal(number)
    with suppress(Stopped), stopping(when_stuck=fail) as stop:
        os.kill(os.getpid(), number)
        assert stop.asked
        assert signal.getsignal(number) == before
        stop.check()
        fail()
    assert signal.getsignal(number) == before


@pytest.mark.usefixtures("handlers")
def test_a_sweep_under_nohup_does_not_stop():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stopping(when_stuck=fail) as stop:
        os.kill(os.getpid(), signal.SIGHUP)
    assert not stop.asked
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.usefixtures("handlers")
def test_a_signal_is_ignored_for_a_block():
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with ignored(signal.SIGHUP):
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


def of_a_closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def of_a_closed_terminal():
    terminal, ours = os.openpty()
    os.close(terminal)
    return ours


@pytest.mark.parametrize("broken", [of_a_closed_pipe, of_a_closed_terminal])
def test_output_that_is_gone_is_no_error(broken, monkeypatch):
    with open(broken(), "w", buffering=1, encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        with pytest.raises(OSError, match=r"Errno (5|32)"):
            print("lost", flush=True)
        with lasting_output():
            print("lost as well", flush=True)
            sys.stderr.write("and this\n")
        assert sys.stdout is stream
        # What the stream still holds would fail again when it is closed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "??\n"), ("latin-1", "?ü\n"), ("utf-8", "…ü\n")])
def test_characters_that_a_terminal_does_not_have_are_replaced(name, encoding, shown, tmp_path, monkeypatch):
    with open(tmp_path / "out", "w", encoding=encoding) as stream:
        monkeypatch.setattr(sys, name, stream)
        with lasting_output():
            print("…ü", file=getattr(sys, name))
    assert (tmp_path / "out").read_text(encoding) == shown
