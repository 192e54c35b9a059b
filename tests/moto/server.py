"""moto as an EC2 for tests: seeded from a scene, corrected where our tests rely on AWS.

    python server.py SCENE.json

corrections.py, images.py and copies.py are what is corrected, scene.py is the seed.

Prints one line of JSON with the port of 127.0.0.1 it listens on, and ends when its standard
input does, so that it cannot outlive the test. `GET /_calls` returns every call so far, `GET
/_now/INSTANT` sets `now`.

The scene: {"page_items_max": 3, "now": "2026-11-20T03:00:02Z", "clock_ahead_seconds": 600,
"enabled_regions": ["us-east-1"], "refuse": [{"region", "action", "code", "message", "times",
                                                    "after": 2,
                                                    "where": {"PARAMETER": "VALUE"}}],
"accounts": {"111111111111": {"us-east-1": {... as below ...}}},
"lose": [{"region", "action", "how": "drop|hang|error", "times"}],
"meet": [{"region", "action", "n": 2, "by": "PARAMETER"}],
"regions": {"us-east-1": {
    "keys":      [{"id", "alias": "alias/...", "enabled": true, "spec", "usage",
                   "is_ebs_default": false}],
    "ebs_encryption_by_default": false,
    "instances": [{"id", "image", "state", "tags",
                   "volumes": [{"id", "device", "size", "type", "encrypted", "key", "tags"}]}],
    "volumes":   [{"id", "size", "type", "encrypted", "key", "tags"}],
    "snapshots": [{"id", "volume", "start_time", "state", "state_message", "description",
                   "encrypted", "key", "size", "owner", "tags"}],
    "images":    [{"id", "name", "description", "snapshots": ["snap-..."], "state",
                   "state_message", "creation_date", "deprecation_time", "source_image",
                   "source_region", "root_device_type", "product_codes": ["..."], "protection",
                   "public", "shared_with": ["account"], "owner", "tags"}],
    "launch_templates": [{"id", "name", "images": ["of version 1, the default one", "of 2"]}],
    "references": [{"image", "type": "ssm:Parameter", "arn"}],
    "topics": ["name of an SNS topic"]}}}

Only ids are required (`images` of launch templates, nothing of keys). A `key` is an id, ARN or
alias of its region; what is `encrypted` without one has the region's default key. An instance's
first volume is its root volume. A snapshot's volume need not exist any more. `references` are of
the kinds that moto does not know. `page_items_max` makes listings span pages: EC2 may always return
fewer items than MaxResults asks for. `now` is when created snapshots and images start.
`clock_ahead_seconds` shifts the Date of every reply. `enabled_regions` is what DescribeRegions
lists. A call that `refuse` names is answered with that error code, and with `message` if it has
one; it may be KMS's or STS's. With `where`, only calls with these parameters; with `after`,
not the first so many. `accounts` are others
than the own one, 123456789012: a role of theirs can be assumed. One that `lose` names is carried out, but its reply never comes: the connection
breaks, stays open without a word, or an InternalError comes instead. Both hold for the first
`times` calls, or for all. A call that `meet` names waits until there are `n` of it with the same
value of the parameter `by`, so that programs that run at once have all decided before any acts.

Presigned URLs of CopySnapshot are checked with the secret key `testing`. What takes time in EC2 is
done at once here: what is pending there is completed, available, or failed.
"""

import io
import json
import logging
import os
import socket
import sys
import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

# The directory is the repository's.
sys.dont_write_bytecode = True
# Otherwise every region is born with 1300 public snapshots.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

from copies import Copies, Keys
from corrections import PAGE_ITEMS_MAX, Corrections, instant
from images import Images
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from scene import Scene
from werkzeug.serving import make_server


class Front:
    """Stands in front of moto: notes every call, and answers those that the scene refuses."""

    def __init__(self, application, scene):
        self.application = application
        self.refuse, self.lose = (
            {(item["region"], item["action"]): dict(item) for item in scene.get(key, [])}
            for key in ["refuse", "lose"]
        )
        self.meet = {(item["region"], item["action"]): item for item in scene.get("meet", [])}
        self.barriers = {}
        self.calls = []
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith("/_"):
            return self.of_test(environ["PATH_INFO"], start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        # KMS speaks JSON and names the call in a header.
        _, _, target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")
        if target:
            params = {name: str(value) for name, value in json.loads(body).items()}
            params["Action"] = target
        else:
            params = dict(parse_qsl(body.decode(), keep_blank_values=True))
        params.pop("Version", None)
        # Credential=KEY/DATE/REGION/SERVICE/aws4_request
        scope = environ.get("HTTP_AUTHORIZATION", "").split("Credential=")[-1].split("/")
        call = {
            "region": scope[2] if len(scope) > 2 else "",
            "action": params.pop("Action", ""),
            "params": params,
        }
        with self.lock:
            self.calls.append(call)
        refused = self.taken(self.refuse, call)
        if refused is not None and target:
            return self.refusal_of_kms(refused, start_response)
        if refused is not None and call["action"] == "AssumeRole":
            return self.refusal_of_sts(refused, start_response)
        if refused is not None:
            return self.refusal(refused, call["action"], start_response)
        self.wait_for_others(call)
        lost = self.taken(self.lose, call)
        if lost is None:
            return self.application(environ, start_response)
        list(self.application(environ, lambda *args: None))
        if lost["how"] == "error":
            return self.refusal({"code": "InternalError"}, call["action"], start_response)
        if lost["how"] == "hang":
            threading.Event().wait()
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return []

    def of_test(self, path, start_response):
        """What is asked by the test and not by EC2's client."""
        with self.lock:
            if path.startswith("/_now/"):
                Corrections.now = instant(path.removeprefix("/_now/"))
            body = json.dumps(self.calls).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    def wait_for_others(self, call):
        """Waits for the other calls that this one is to meet; not for ever, so that a test ends."""
        rule = self.meet.get((call["region"], call["action"]))
        if rule is None:
            return
        key = (call["region"], call["action"], call["params"].get(rule.get("by")))
        with self.lock:
            barrier = self.barriers.setdefault(key, threading.Barrier(rule["n"], timeout=30))
        try:
            barrier.wait()
        except threading.BrokenBarrierError:
            logging.error("the calls of %s did not meet", key)

    def taken(self, rules, call):
        """Returns the rule that holds for a call, and counts that it did."""
        with self.lock:
            rule = rules.get((call["region"], call["action"]))
            if rule is None or rule.get("times", 1) == 0:
                return None
            if any(call["params"].get(name) != value for name, value in rule.get("where", {}).items()):
                return None
            if rule.get("after", 0):
                rule["after"] -= 1
                return None
            if "times" in rule:
                rule["times"] -= 1
            return rule

    def refusal_of_kms(self, refused, start_response):
        body = json.dumps({"__type": refused["code"], "message": refused.get("message", "")})
        kind = "application/x-amz-json-1.1"
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start_response("400 Bad Request", headers)
        return [body.encode()]

    def refusal_of_sts(self, refused, start_response):
        body = (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
            f"<Type>Sender</Type><Code>{refused['code']}</Code>"
            f"<Message>{escape(refused.get('message', ''))}</Message></Error>"
            "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
        ).encode()
        headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", headers)
        return [body]

    def refusal(self, refused, action, start_response):
        """In EC2's words, which name the call where a right is missing."""
        code = refused["code"]
        message = refused.get("message") or {
            "AuthFailure": "AWS was not able to validate the provided access credentials",
            "UnauthorizedOperation": "You are not authorized to perform this operation. User: "
            "arn:aws:iam::123456789012:user/backup is not authorized to perform: "
            f"ec2:{action} because no identity-based policy allows the ec2:{action} action",
        }.get(code, "")
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
            f"<Code>{code}</Code><Message>{escape(message)}</Message>"
            "</Error></Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
        ).encode()
        statuses = {
            "AuthFailure": "401 Unauthorized",
            "InternalError": "500 Internal Server Error",
            "UnauthorizedOperation": "403 Forbidden",
        }
        status = statuses.get(code, "400 Bad Request")
        headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]


def handler(clock_ahead):
    """Returns a request handler whose clock is ahead of the machine's."""

    class Handler(MotoRequestHandler):
        def date_time_string(self, timestamp=None):
            at = datetime.now(timezone.utc) + clock_ahead
            return super().date_time_string(at.timestamp() if timestamp is None else timestamp)

    return Handler


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        scene = json.load(file)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    Corrections.page_items_max = scene.get("page_items_max", PAGE_ITEMS_MAX)
    Corrections.enabled_regions = scene.get("enabled_regions")
    if "now" in scene:
        Corrections.now = instant(scene["now"])
    for corrections in [Corrections, Images, Keys, Copies]:
        corrections.apply()
    for region, resources in scene.get("regions", {}).items():
        Scene(region).seed(resources)
    for account, regions in scene.get("accounts", {}).items():
        for region, resources in regions.items():
            Scene(region, account).seed(resources)
    application = Front(DomainDispatcherApplication(create_backend_app), scene)
    clock_ahead = timedelta(seconds=scene.get("clock_ahead_seconds", 0))
    server = make_server(
        "127.0.0.1", 0, application, threaded=True, request_handler=handler(clock_ahead)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_port}), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
