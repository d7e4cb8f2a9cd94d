"""What Jupyter does with a kernel: starts it by its kernelspec, runs code, interrupts and restarts it. Usage: kernel.py NAME"""

import json
import sys

from jupyter_client.manager import start_new_kernel

WHERE = "import os, sys; print(sys.prefix, os.getpid())"


def printed(client, code):
    texts = []

    def note(message):
        if message["msg_type"] == "stream":
            texts.append(message["content"]["text"])

    client.execute_interactive(code, output_hook=note, timeout=60)
    return "".join(texts).strip()


def interrupted(manager, client):
    # By default, a kernel also drops what comes within a moment of an error.
    client.execute("import time; print('begun', flush=True); time.sleep(60)", stop_on_error=False)
    while client.get_iopub_msg(timeout=60)["msg_type"] != "stream":
        pass
    manager.interrupt_kernel()
    return client.get_shell_msg(timeout=60)["content"]["ename"]


manager, client = start_new_kernel(kernel_name=sys.argv[1], startup_timeout=120)
try:
    result = {"first": printed(client, WHERE), "interrupted": interrupted(manager, client)}
    result["same"] = printed(client, WHERE)
    manager.restart_kernel(now=False)
    client.wait_for_ready(timeout=120)
    result["restarted"] = printed(client, WHERE)
finally:
    client.stop_channels()
    manager.shutdown_kernel()
print(json.dumps(result))
