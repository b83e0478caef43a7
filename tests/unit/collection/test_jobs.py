import threading
import weakref

import pytest

from elanus.collection.jobs import Jobs


@pytest.fixture
def jobs():
    pool = Jobs(1)
    yield pool
    pool.close()


def test_a_short_job_runs_while_a_long_one_does(jobs):
    begun, may_end = threading.Event(), threading.Event()

    def build() -> None:
        begun.set()
        may_end.wait()

    jobs.submit("build", build, long=True)
    begun.wait()
    flushed = threading.Event()
    jobs.submit("flush", flushed.set)
    try:
        assert flushed.wait(30)
    finally:
        may_end.set()


def test_no_more_long_jobs_run_at_once_than_there_are_builders(jobs):
    may_end, running, most = threading.Event(), [], []

    def build() -> None:
        running.append(1)
        most.append(len(running))
        may_end.wait()
        running.pop()

    for number in range(3):
        jobs.submit(number, build, long=True)
    jobs.submit("flush", may_end.set)
    jobs.wait_idle()
    assert most == [1, 1, 1]


def test_a_job_submitted_while_it_runs_runs_once_more(jobs):
    begun, may_end, runs = threading.Event(), threading.Event(), []

    def look() -> None:
        runs.append(1)
        begun.set()
        may_end.wait()

    jobs.submit("look", look)
    begun.wait()
    jobs.submit("look", look)
    jobs.submit("look", look)
    may_end.set()
    jobs.wait("look")
    assert len(runs) == 2


def test_a_failed_job_leaves_its_thread_to_the_next(jobs):
    def fail() -> None:
        raise ValueError("no")

    jobs.submit("bad", fail)
    jobs.submit("worse", fail)
    done = threading.Event()
    jobs.submit("good", done.set)
    assert done.wait(30)


def test_a_thread_that_waits_keeps_nothing_of_its_last_job(jobs):
    class Rows:
        def write(self) -> None:
            """Do what a job does with what it holds."""

    rows = Rows()
    gone = weakref.ref(rows)
    jobs.submit("write", rows.write)
    del rows
    jobs.wait_idle()
    assert gone() is None
