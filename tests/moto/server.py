"""moto as an EC2 for tests: seeded from a scene, corrected where our tests rely on AWS.

    python server.py SCENE.json

Prints one line of JSON with the port of 127.0.0.1 it listens on, and ends when its standard
input does, so that it cannot outlive the test. `GET /_calls` returns every call so far.

The scene: {"page_items_max": 3, "now": "2026-11-20T03:00:02Z", "clock_ahead_seconds": 600,
"enabled_regions": ["us-east-1"], "refuse": [{"region", "action", "code"}],
"regions": {"us-east-1": {
    "instances": [{"id", "state", "tags", "volumes": [{"id", "device", "size", "type", "tags"}]}],
    "volumes":   [{"id", "size", "type", "encrypted", "tags"}],
    "snapshots": [{"id", "volume", "start_time", "state", "state_message", "description",
                   "encrypted", "size", "owner", "tags"}],
    "images":    [{"id", "name", "snapshots": ["snap-..."], "state", "tags"}]}}}

Only ids are required. An instance's first volume is its root volume. A snapshot's volume need
not exist any more. `page_items_max` makes listings span pages: EC2 may always return fewer items
than MaxResults asks for. `now` is when created snapshots start. `clock_ahead_seconds` shifts the
Date of every reply. `enabled_regions` is what DescribeRegions lists. A call that `refuse` names is
answered with that error code.
"""

import base64
import fnmatch
import io
import json
import logging
import os
import re
import sys
import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

# Otherwise every region is born with 1300 public snapshots.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import moto.ec2.utils
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot, Volume
from moto.ec2.responses import EC2Response
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

PAGE_ITEMS_MAX = 1000


def instant(text):
    """moto reckons in UTC without saying so."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at.astimezone(timezone.utc).replace(tzinfo=None)


class Corrections:
    """What moto 5.2.5 does otherwise than AWS documents, and tests of ours rely on.

    The quotations are from the Amazon EC2 API reference, of the action that the method names.
    """

    page_items_max = PAGE_ITEMS_MAX
    now = None
    enabled_regions = None

    def page(response, items, key, ids_key):
        """moto ignores MaxResults and NextToken and returns everything.

        "If the number of results exceeds MaxResults, NextToken is returned"; "you cannot specify
        this parameter and the [ids] parameter in the same request"; between 5 and 1000, "if the
        value is larger than 1000, only 1000 results are returned".
        """
        asked = response._get_param("MaxResults")
        if asked is None:
            return ActionResult({key: items})
        if ids_key and response._get_param(ids_key):
            raise EC2ClientError(
                "InvalidParameterCombination",
                f"The parameter {ids_key} cannot be used with the parameter maxResults",
            )
        token = response._get_param("NextToken")
        start = int(base64.b64decode(token)) if token else 0
        end = start + min(int(asked), PAGE_ITEMS_MAX, Corrections.page_items_max)
        result = {key: items[start:end]}
        if end < len(items):
            result["NextToken"] = base64.b64encode(str(end).encode()).decode()
        return ActionResult(result)

    def describe_snapshots(self):
        """moto ignores OwnerIds. "Scopes the results to snapshots with the specified owners. You
        can specify a combination of Amazon Web Services account IDs, self, and amazon."
        """
        snapshots = self.ec2_backend.describe_snapshots(
            snapshot_ids=self._get_param("SnapshotIds", []),
            filters=self._filters_from_querystring(),
        )
        owners = self._get_param("OwnerIds", [])
        if owners:
            account = self.ec2_backend.account_id
            owners = {account if owner == "self" else owner for owner in owners}
            snapshots = [s for s in snapshots if s.owner_id in owners]
        return Corrections.page(self, snapshots, "Snapshots", "SnapshotIds")

    def describe_volumes(self):
        volumes = self.ec2_backend.describe_volumes(
            volume_ids=self._get_param("VolumeIds", []),
            filters=self._filters_from_querystring(),
        )
        return Corrections.page(self, volumes, "Volumes", "VolumeIds")

    def describe_images(self):
        """moto lists disabled images always. IncludeDisabled: "Specifies whether to include
        disabled AMIs. Default: No disabled AMIs are included in the response."
        """
        images = self.ec2_backend.describe_images(
            ami_ids=self._get_param("ImageIds", []),
            filters=self._filters_from_querystring(),
            exec_users=self._get_param("ExecutableUsers", []),
            owners=self._get_param("Owners", []),
        )
        if str(self._get_param("IncludeDisabled", False)).lower() != "true":
            images = [image for image in images if image.state != "disabled"]
        return Corrections.page(self, images, "Images", "ImageIds")

    def describe_locked_snapshots(self):
        """moto answers HTTP 500. There are no locks here; "describes the lock status for a
        snapshot" is then an empty list.
        """
        return ActionResult({"Snapshots": []})

    def create_snapshots(self):
        """moto ignores CopyTagsFromSource ("copies the tags from the specified volume to
        corresponding snapshot") and ExcludeDataVolumeIds ("the IDs of the data (non-root) volumes
        to exclude […]. If you specify the ID of the root volume, the request fails").
        """
        spec = self._get_param("InstanceSpecification", {})
        tags = self._parse_tag_specification().get("snapshot", {})
        self.error_on_dryrun()
        backend = self.ec2_backend
        instance = backend.get_instance(spec["InstanceId"])
        excluded = set(spec.get("ExcludeDataVolumeIds", []))
        without_boot = str(spec.get("ExcludeBootVolume", False)).lower() == "true"
        snapshots = []
        mappings = instance.get_block_device_mapping
        for device, mapping in mappings:
            if device == instance.root_device_name and mapping.volume_id in excluded:
                raise EC2ClientError(
                    "InvalidParameterValue",
                    f"The root volume {mapping.volume_id} cannot be excluded as a data volume",
                )
        for device, mapping in mappings:
            is_boot = device == instance.root_device_name
            if (is_boot and without_boot) or mapping.volume_id in excluded:
                continue
            snapshot = backend.create_snapshot(
                mapping.volume_id, self._get_param("Description", "")
            )
            if self._get_param("CopyTagsFromSource") == "volume":
                copied = backend.tags.get(mapping.volume_id, {})
                # "aws: is reserved": such tags are never copied.
                snapshot.add_tags({k: v for k, v in copied.items() if not k.startswith("aws:")})
            snapshot.add_tags(tags)
            snapshots.append(snapshot)
        return ActionResult({"Snapshots": snapshots})

    def delete_snapshot(self):
        """moto's message for a missing snapshot is empty."""
        snapshot_id = self._get_param("SnapshotId")
        self.error_on_dryrun()
        if snapshot_id not in self.ec2_backend.snapshots:
            raise EC2ClientError(
                "InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist."
            )
        self.ec2_backend.delete_snapshot(snapshot_id)
        return ActionResult({})

    describe_instances_of_moto = EC2Response.describe_instances

    def describe_instances(self):
        """moto pages, but by reservations; only the size of a page is ours."""
        asked = int(self._get_param("MaxResults", PAGE_ITEMS_MAX))
        self.params["MaxResults"] = min(asked, PAGE_ITEMS_MAX, Corrections.page_items_max)
        return Corrections.describe_instances_of_moto(self)

    describe_regions_of_moto = EC2Response.describe_regions

    def describe_regions(self):
        """moto lists every region that it knows. "Describes the Regions that are enabled for your
        account, or all Regions"; the scene says which are enabled.
        """
        enabled = Corrections.enabled_regions
        if enabled is None:
            return Corrections.describe_regions_of_moto(self)
        regions = [r for r in self.ec2_backend.describe_regions() if r.name in enabled]
        return ActionResult({"Regions": regions})

    create_snapshot_of_moto = EBSBackend.create_snapshot

    def create_snapshot_now(self, *args, **kwargs):
        """Not a difference from AWS: a scene of another day needs snapshots of that day."""
        snapshot = Corrections.create_snapshot_of_moto(self, *args, **kwargs)
        if Corrections.now is not None:
            snapshot.start_time = Corrections.now
        return snapshot

    class FilterPatterns:
        """moto knows no escape in filter values and reads `[...]` as a set of characters.

        EC2 user guide, "List and filter your resources": "An asterisk (*) matches zero or more
        characters, and a question mark (?) matches zero or one character"; for the characters
        themselves, "use a backslash (\\) before each character".
        """

        translate = staticmethod(fnmatch.translate)

        @staticmethod
        def fnmatch(value, pattern):
            regex, rest = "", iter(pattern)
            for c in rest:
                if c == "\\":
                    regex += re.escape(next(rest, c))
                else:
                    regex += {"*": ".*", "?": ".?"}.get(c) or re.escape(c)
            return re.fullmatch(regex, value, re.DOTALL) is not None

    def get_tags(self):
        """Not a difference from AWS: moto looks through all tags of the region for each
        resource, which makes a listing of 2500 snapshots take 11 seconds.
        """
        tags = self.ec2_backend.tags.get(self.id, {})
        return [{"resource_id": self.id, "key": k, "value": v} for k, v in tags.items()]

    block_device_mappings_of_moto = Ami.block_device_mappings

    def block_device_mappings(self):
        """moto gives each image one snapshot of its own making; a scene says which back it."""
        if not hasattr(self, "scene_snapshots"):
            return Corrections.block_device_mappings_of_moto.fget(self)
        return [
            {"DeviceName": f"/dev/sd{chr(ord('a') + n)}", "Ebs": {"SnapshotId": snapshot_id}}
            for n, snapshot_id in enumerate(self.scene_snapshots)
        ]

    @classmethod
    def apply(cls):
        for name in [
            "describe_snapshots",
            "describe_volumes",
            "describe_images",
            "describe_instances",
            "describe_locked_snapshots",
            "describe_regions",
            "create_snapshots",
            "delete_snapshot",
        ]:
            setattr(EC2Response, name, getattr(cls, name))
        EBSBackend.create_snapshot = cls.create_snapshot_now
        moto.ec2.utils.fnmatch = cls.FilterPatterns
        TaggedEC2Resource.get_tags = cls.get_tags
        Ami.block_device_mappings = property(cls.block_device_mappings)


class Scene:
    """Puts the resources of a scene into one region."""

    def __init__(self, region):
        self.region = region
        self.backend = ec2_backends[DEFAULT_ACCOUNT_ID][region]

    def seed(self, scene):
        for item in scene.get("instances", []):
            self.instance(item)
        for item in scene.get("volumes", []):
            self.volume(item)
        for item in scene.get("snapshots", []):
            self.snapshot(item)
        for item in scene.get("images", []):
            self.image(item)

    def instance(self, item):
        reservation = self.backend.run_instances(
            "ami-00000000",
            1,
            None,
            [],
            instance_type="t3.micro",
            is_instance_type_default=True,
            region_name=self.region,
            block_device_mappings=[],
        )
        instance = reservation.instances[0]
        instance.id = item["id"]
        instance.add_tags(item.get("tags", {}))
        for n, volume in enumerate(item.get("volumes", [])):
            self.volume(volume)
            device = volume.get("device", f"/dev/sd{chr(ord('a') + n)}")
            self.backend.attach_volume(volume["id"], instance.id, device)
            if n == 0:
                instance.root_device_name = device
        state = item.get("state", "running")
        if state == "stopped":
            self.backend.stop_instances([instance.id])
        elif state == "terminated":
            self.backend.terminate_instances([instance.id])

    def volume(self, item):
        volume = self.volume_of(item["id"], item)
        self.backend.volumes[volume.id] = volume
        volume.add_tags(item.get("tags", {}))

    def volume_of(self, volume_id, item):
        return Volume(
            self.backend,
            volume_id=volume_id,
            size=item.get("size", 8),
            zone=self.backend.get_zone_by_name(f"{self.region}a"),
            encrypted=item.get("encrypted", False),
            volume_type=item.get("type", "gp3"),
        )

    def snapshot(self, item):
        volume_id = item.get("volume", "vol-ffffffff")
        volume = self.backend.volumes.get(volume_id) or self.volume_of(volume_id, item)
        snapshot = Snapshot(
            self.backend,
            item["id"],
            volume,
            item.get("description", ""),
            encrypted=item.get("encrypted", False),
            owner_id=item.get("owner"),
        )
        snapshot.status = item.get("state", "completed")
        snapshot.state_message = item.get("state_message")
        if "start_time" in item:
            snapshot.start_time = instant(item["start_time"])
        self.backend.snapshots[snapshot.id] = snapshot
        snapshot.add_tags(item.get("tags", {}))

    def image(self, item):
        image = Ami(
            self.backend,
            item["id"],
            name=item.get("name", item["id"]),
            region_name=f"{self.region}a",
            state=item.get("state", "available"),
        )
        # What moto has just made to back the image.
        del self.backend.snapshots[image.ebs_snapshot.id]
        image.scene_snapshots = item.get("snapshots", [])
        for snapshot_id in image.scene_snapshots:
            self.backend.snapshots[snapshot_id].from_ami = image.id
        self.backend.amis[image.id] = image
        image.add_tags(item.get("tags", {}))


class Front:
    """Stands in front of moto: notes every call, and answers those that the scene refuses."""

    def __init__(self, application, refuse):
        self.application = application
        self.refuse = {(item["region"], item["action"]): item["code"] for item in refuse}
        self.calls = []
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/_calls":
            with self.lock:
                body = json.dumps(self.calls).encode()
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            start_response("200 OK", headers)
            return [body]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
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
        code = self.refuse.get((call["region"], call["action"]))
        if code is not None:
            return self.refusal(code, call["action"], start_response)
        return self.application(environ, start_response)

    def refusal(self, code, action, start_response):
        """In EC2's words, which name the call where a right is missing."""
        message = {
            "AuthFailure": "AWS was not able to validate the provided access credentials",
            "UnauthorizedOperation": "You are not authorized to perform this operation. User: "
            "arn:aws:iam::123456789012:user/backup is not authorized to perform: "
            f"ec2:{action} because no identity-based policy allows the ec2:{action} action",
        }[code]
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
            f"<Code>{code}</Code><Message>{escape(message)}</Message>"
            "</Error></Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
        ).encode()
        status = "401 Unauthorized" if code == "AuthFailure" else "403 Forbidden"
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
    Corrections.apply()
    for region, resources in scene.get("regions", {}).items():
        Scene(region).seed(resources)
    application = Front(DomainDispatcherApplication(create_backend_app), scene.get("refuse", []))
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
