"""What moto 5.2.5 does otherwise than AWS documents, and tests of ours rely on: listings, snapshots
and the general ways of EC2. Images are in images.py, copies and keys in copies.py.

The quotations are from the Amazon EC2 API reference, of the action that the method names.
"""

import base64
import fnmatch
import hashlib
import re
from collections import Counter
from datetime import datetime, timezone

import moto.ec2.utils
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses import EC2Response

PAGE_ITEMS_MAX = 1000


def instant(text):
    """moto reckons in UTC without saying so."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at.astimezone(timezone.utc).replace(tzinfo=None)


class Corrections:
    """Methods that take the place of moto's, and the settings of the scene that they obey."""

    page_items_max = PAGE_ITEMS_MAX
    now = None
    enabled_regions = None

    # How often something was made of the same.
    made = Counter()

    @classmethod
    def clock(cls):
        return cls.now or utcnow()

    @classmethod
    def new_id(cls, backend, prefix, *of):
        """Returns an id for what is made of something, the same in each run: moto's are random, and
        what a test expects could not name them, nor be in their order.
        """
        of = f"{backend.region_name} {prefix} {' '.join(of)}"
        cls.made[of] += 1
        return f"{prefix}-{hashlib.sha256(f'{of} {cls.made[of]}'.encode()).hexdigest()[:17]}"

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
        """Not a difference from AWS: a scene of another day needs snapshots of that day.

        moto forgets the key. KmsKeyId: "The Amazon Resource Name (ARN) of the KMS key that was used
        to protect the volume encryption key for the parent volume" (`Snapshot`).
        """
        snapshot = Corrections.create_snapshot_of_moto(self, *args, **kwargs)
        del self.snapshots[snapshot.id]
        of = [snapshot.volume.id, snapshot.description]
        snapshot.id = Corrections.new_id(self, "snap", *of)
        self.snapshots[snapshot.id] = snapshot
        snapshot.kms_key_id = snapshot.volume.kms_key_id
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

    @classmethod
    def apply(cls):
        for name in [
            "describe_snapshots",
            "describe_volumes",
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
