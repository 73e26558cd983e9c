# Time that passes, on a board and under CPython. Not all firmware has a clock.
def sleep(milliseconds):
    import time

    if hasattr(time, "sleep_ms"):
        time.sleep_ms(milliseconds)
    else:
        time.sleep(milliseconds / 1000)
