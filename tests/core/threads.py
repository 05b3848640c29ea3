"""Calls that are made at once."""

import threading


def at_once(count, call):
    """What each of so many threads got from one call, made at once."""
    start, got = threading.Barrier(count), []

    def run(number):
        start.wait()
        got.append(call(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == count, "a thread failed"
    return got
