"""What a user's browser does: logs in, starts a kernel, runs code there, and stops the server. Usage: hub_user.py URL NAME

Prints as JSON what the kernel says of itself and of its server. A line on standard input lets it go on, and stop the server.
"""

import asyncio
import json
import sys
import time
import uuid

import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

CODE = """
import json, os, sys
print(json.dumps([sys.prefix, sys.executable, os.readlink(f"/proc/{os.getppid()}/exe")]))
"""


class Browser(requests.Session):
    def __init__(self, url, name):
        super().__init__()
        self.name = name
        self.hub, self.server = f"{url}/hub", f"{url}/user/{name}"
        self.model = f"{self.hub}/api/users/{name}"

    def xsrf(self, path):
        """The hub and each server have one of their own."""
        return next(each.value for each in self.cookies if (each.name, each.path) == ("_xsrf", path))

    def until(self, what, holds):
        for _ in range(1200):
            model = self.get(self.model).json()
            if holds(model["servers"].get("", {})):
                return
            time.sleep(0.1)
        raise SystemExit(f"{what}: {model}")

    def log_in(self):
        self.get(f"{self.hub}/login").raise_for_status()
        data = {"username": self.name, "password": "any", "_xsrf": self.xsrf("/hub/")}
        self.post(f"{self.hub}/login", data=data).raise_for_status()
        # The hub starts a server for whoever logs in.
        self.until("no server", lambda server: server.get("ready"))
        # There is no such file, but the server asks the hub whose request this is.
        assert self.get(f"{self.server}/files/none").status_code == 404

    def kernel(self):
        headers = {"X-XSRFToken": self.xsrf(f"/user/{self.name}/")}
        answer = self.post(f"{self.server}/api/kernels", json={"name": "python3"}, headers=headers)
        answer.raise_for_status()
        address = f"{self.server.replace('http', 'ws', 1)}/api/kernels/{answer.json()['id']}/channels"
        cookies = "; ".join(f"{each.name}={each.value}" for each in self.cookies)
        return asyncio.run(printed(HTTPRequest(address, headers={"Cookie": cookies}), CODE))

    def stop(self):
        self.delete(f"{self.model}/server", headers={"X-XSRFToken": self.xsrf("/hub/")}).raise_for_status()
        self.until("the server does not stop", lambda server: server == {})


async def printed(request, code):
    socket = await websocket_connect(request)
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": "", "version": "5.3"}
    await socket.write_message(
        json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": {"code": code}, "channel": "shell"})
    )
    while True:
        answer = json.loads(await asyncio.wait_for(socket.read_message(), 60))
        if answer["msg_type"] == "stream":
            return json.loads(answer["content"]["text"])


browser = Browser(*sys.argv[1:])
browser.log_in()
print(json.dumps(browser.kernel()), flush=True)
sys.stdin.readline()
browser.stop()
