from __future__ import annotations

import threading

import pytest

from ml4a._core.errors import Cancelled
from ml4a._core.progress import Cancel, Interrupted, interrupted, interruptible, listening, report


def test_a_listener_hears_what_is_called_inside_and_nothing_after():
    heard = []
    with listening(heard.append):
        report("tiles", 1, 4, "tiles")
    report("tiles", 2, 4, "tiles")
    assert [(event.stage, event.done, event.total) for event in heard] == [("tiles", 1, 4)]


def test_an_inner_listener_leaves_the_outer_cancel_in_force():
    cancel = Cancel()
    with listening(cancel=cancel), listening(lambda event: None):
        report("a", 0)
        cancel.cancel()
        with pytest.raises(Cancelled):
            report("a", 1)


def test_two_threads_do_not_hear_each_other():
    heard = []
    with listening(heard.append):
        thread = threading.Thread(target=report, args=("elsewhere", 1))
        thread.start()
        thread.join()
    assert heard == []


def test_who_saves_results_hears_that_the_user_wants_to_stop():
    interrupted()  # which nobody hears
    with interruptible() as outer:
        assert not outer.cancelled
        with interruptible() as inner:
            interrupted()
            assert inner.cancelled
            assert not outer.cancelled
            report("saving", 1)  # goes on
        interrupted()
        assert outer.cancelled
    interrupted()


def test_an_interruption_in_another_thread_is_another_ones():
    with interruptible() as interruption:
        thread = threading.Thread(target=interrupted)
        thread.start()
        thread.join()
    assert not interruption.cancelled


def test_an_interruption_says_where_the_best_is():
    with pytest.raises(KeyboardInterrupt, match=r"^stopped; the best so far was written to out\.png$"):
        raise Interrupted("out.png")
