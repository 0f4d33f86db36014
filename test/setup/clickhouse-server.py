"""Runs libchdb's own HTTP endpoint: LIBRARY FOLDER PORT [CONFIG]. Prints "ready" once it answers."""
import ctypes
import signal
import sys
import threading
import time
import urllib.request

library, folder, port, *config = sys.argv[1:]
# Linux: end when the parent ends, however it ends.
ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def tell_when_ready():
    """The engine keeps what it prints to itself for long, so this looks at the port."""
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1).read()
            return print("ready", flush=True)
        except OSError:
            time.sleep(0.02)


# The last statement never ends, and keeps the listener up.
statements = """
SYSTEM START LISTEN HTTP;
SELECT sleepEachRow(1) FROM system.numbers
SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0, max_threads = 1,
    max_execution_time = 0
FORMAT Null
"""
words = ["clickhouse", *(["--config-file", *config] if config else []), "--path", folder, "--listen_host", "127.0.0.1", "--http_port", port]
words += ["--query", statements]
main = ctypes.CDLL(library).chdb_query_cmdline
main.restype = ctypes.c_void_p
threading.Thread(target=tell_when_ready, daemon=True).start()
main(len(words), (ctypes.c_char_p * len(words))(*[word.encode() for word in words]))
sys.exit(1)
