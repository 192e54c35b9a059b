"""How long the function takes from its start to its first call, and how much memory.

    tests/bench/cold_start.py PROGRAM [N]

Starts PROGRAM N times (default 20) as Lambda does, with a Runtime API that hands out one dry run,
and with the shipped configuration on an account that is empty. Prints the median and the worst of
the time to the first call to EC2, of the time to the answer, and of the memory that was resident.
Run by the Python that the tests install (target/tmp/moto-venv/bin/python) the account is moto's;
otherwise every listing is answered with an empty one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Start:
    """What is seen of one process, in seconds since its start."""

    def __init__(self):
        self.begun_at = time.monotonic()
        self.first_call = None
        self.answered = threading.Event()
        self.answered_at = None
        self.answer = None

    def since(self):
        return time.monotonic() - self.begun_at


def runtime_api(start):
    handed_out = threading.Event()

    class Api(Quiet):
        def do_GET(self):
            if handed_out.is_set():
                # There is no second event; the process is killed meanwhile.
                start.answered.wait()
                return
            handed_out.set()
            headers = [
                ("Lambda-Runtime-Aws-Request-Id", "1"),
                ("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 900) * 1000))),
                ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x"),
            ]
            self.reply(200, b'{"dry_run": true}', headers)

        def do_POST(self):
            start.answer = (self.path, self.body())
            start.answered_at = start.since()
            self.reply(202, b"")
            start.answered.set()

    return Api


def ec2(start, moto):
    """Notes the first call and passes it on to moto, or answers that there is nothing."""
    import urllib.request

    class Ec2(Quiet):
        def do_POST(self):
            if start.first_call is None:
                start.first_call = start.since()
            body = self.body()
            if moto is None:
                action = body.decode().split("Action=")[1].split("&")[0]
                self.reply(200, f"<{action}Response></{action}Response>".encode())
                return
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            request = urllib.request.Request(moto + self.path, body, headers)
            with urllib.request.urlopen(request) as reply:
                self.reply(reply.status, reply.read(), [("Content-Type", "text/xml")])

    return Ec2


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """The process is killed with its connections open."""


def serve(handler):
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def resident_most(pid):
    """In MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(program, config, moto):
    start = Start()
    servers = [serve(runtime_api(start)), serve(ec2(start, moto))]
    api, endpoint = (f"127.0.0.1:{server.server_port}" for server in servers)
    env = {
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_LAMBDA_FUNCTION_NAME": "snapkeep",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_ENDPOINT_URL": f"http://{endpoint}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "NO_PROXY": "127.0.0.1",
        "SNAPKEEP_CONFIG": str(config),
    }
    with tempfile.TemporaryDirectory() as root:
        start.begun_at = time.monotonic()
        process = subprocess.Popen([program], env=env, cwd=root, stdout=subprocess.DEVNULL)
        try:
            if not start.answered.wait(60):
                sys.exit("no answer within a minute")
            memory = resident_most(process.pid)
        finally:
            process.kill()
            process.wait()
    for server in servers:
        server.shutdown()
    path, answer = start.answer
    codes = json.loads(answer).get("exit_codes")
    if not path.endswith("/response") or codes != [0]:
        sys.exit(f"not an answer: {path} {answer[:500]}")
    return start.first_call * 1000, start.answered_at * 1000, memory


def start_moto():
    """Returns moto's URL and process; none where it is not installed."""
    try:
        import moto  # noqa: F401
    except ImportError:
        return None, None
    with tempfile.NamedTemporaryFile("w", suffix=".json") as scene:
        scene.write("{}")
        scene.flush()
        server = subprocess.Popen(
            [sys.executable, ROOT / "tests/moto/server.py", scene.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        port = json.loads(server.stdout.readline())["port"]
    return f"http://127.0.0.1:{port}", server


def main():
    program = os.path.abspath(sys.argv[1])
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    moto, server = start_moto()
    # The first one reads the program from the disk, as Lambda does once for each environment.
    measure(program, ROOT / "config/snapkeep.toml", moto)
    runs = [measure(program, ROOT / "config/snapkeep.toml", moto) for _ in range(n)]
    print(f"{n} starts, against {'moto' if moto else 'an empty endpoint'}")
    for name, unit, values in zip(
        ["to the first call", "to the answer", "resident at most"],
        ["ms", "ms", "MiB"],
        zip(*runs),
    ):
        print(f"{name:18} median {statistics.median(values):6.1f} {unit}, most {max(values):6.1f}")
    if server:
        server.kill()


if __name__ == "__main__":
    main()
