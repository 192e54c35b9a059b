"""What moto 5.2.5 does otherwise than AWS documents with copies and their keys, and tests of ours
rely on.

The quotations are from the Amazon EC2 API reference, of the action that the method names.
"""

from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from corrections import Corrections
from images import Images
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot, Volume
from moto.ec2.responses import EC2Response
from moto.kms import kms_backends

# The secret key that tests sign with.
SECRET = "testing"
EBS_KEY = "alias/aws/ebs"


class Keys:
    """The keys that EBS encrypts with."""

    def seed(backend, item):
        kms = kms_backends[backend.account_id][backend.region_name]
        usage, spec = item.get("usage", "ENCRYPT_DECRYPT"), item.get("spec", "SYMMETRIC_DEFAULT")
        key = kms.create_key(None, usage, spec, "", None)
        if "id" in item:
            kms.keys[item["id"]] = kms.keys.pop(key.id)
            key.arn = key.arn.replace(key.id, item["id"])
            key.id = item["id"]
        if "alias" in item:
            kms.create_alias(key.id, item["alias"])
        if not item.get("enabled", True):
            kms.disable_key(key.id)
        if item.get("is_ebs_default", False):
            backend.default_kms_key_id = key.arn

    def arn(backend, name):
        """Returns the ARN of a key by id, ARN or alias, or of the default key; none if no enabled
        key is called that.
        """
        kms = kms_backends[backend.account_id][backend.region_name]
        if name is None:
            return backend.default_kms_key_id or kms.describe_key(EBS_KEY).arn
        if name.startswith("arn:") and name.split(":")[3] != backend.region_name:
            return None
        alias = kms.get_alias_name(name)
        if alias.startswith("alias/") and not kms.alias_exists(alias) and alias != EBS_KEY:
            return None
        key = kms.keys.get(kms.any_id_to_key_id(name))
        return key.arn if key is not None and key.enabled else None

    def get_ebs_default_kms_key_id(self):
        """moto does not know the call. "Describes the default KMS key for EBS encryption by default
        for your account in this Region"; an account that chose none has `alias/aws/ebs` (AWS CLI
        reference, example).
        """
        return ActionResult({"KmsKeyId": self.ec2_backend.default_kms_key_id or EBS_KEY})

    @classmethod
    def apply(cls):
        EC2Response.get_ebs_default_kms_key_id = cls.get_ebs_default_kms_key_id


class Copies:
    """Methods that take the place of moto's, and what they share."""

    # What ClientTokens of CopyImage have made, and for what request.
    tokens = {}

    def copied(backend, source, description, encrypted, key):
        """Makes the copy of a snapshot, and returns it.

        "Snapshots created by a copy snapshot operation have an arbitrary volume ID that you should
        not use for any purpose" (`Snapshot`); moto shows the source's. KmsKeyId: "If this parameter is
        not specified, your KMS key for Amazon EBS is used"; moto reports none.
        """
        is_encrypted = source.encrypted or encrypted or backend.ebs_encryption_by_default
        arn = Keys.arn(backend, key) if is_encrypted else None
        snapshot = Snapshot(
            backend,
            Corrections.new_id(backend, "snap", source.id, description),
            Volume(backend, "vol-ffffffff", source.volume_size, zone=None, encrypted=is_encrypted),
            description,
            encrypted=is_encrypted,
            kms_key_id=arn,
        )
        snapshot.start_time = Corrections.clock()
        if is_encrypted and arn is None:
            # "Amazon Web Services authenticates the KMS key asynchronously. Therefore, if you
            # specify an ID, alias, or ARN that is not valid, the action can appear to complete, but
            # eventually fails."
            Copies.fail(snapshot, "Given key ID is not accessible")
        backend.snapshots[snapshot.id] = snapshot
        return snapshot

    def fail(snapshot, why):
        snapshot.status, snapshot.state_message = "error", why

    def copy_snapshot(self):
        """moto ignores Encrypted and PresignedUrl. Encrypted: "You cannot set this parameter to
        false"; KmsKeyId: "If KmsKeyId is specified, the encrypted state must be true".
        """
        tags = self._parse_tag_specification().get("snapshot", {})
        encrypted, key = self._get_param("Encrypted"), self._get_param("KmsKeyId")
        source_region = self._get_param("SourceRegion")
        source_id = self._get_param("SourceSnapshotId")
        backend = self.ec2_backend
        self.error_on_dryrun()
        source = ec2_backends[backend.account_id][source_region].snapshots.get(source_id)
        if source is None:
            raise EC2ClientError(
                "InvalidSnapshot.NotFound", f"The snapshot '{source_id}' does not exist."
            )
        if source.status != "completed":
            raise EC2ClientError("IncorrectState", f"The snapshot {source_id} is not completed.")
        if encrypted is False:
            raise EC2ClientError("InvalidParameterValue", "Encrypted cannot be false")
        if key and not encrypted and not source.encrypted:
            raise EC2ClientError(
                "InvalidParameterDependency",
                "The parameter KmsKeyId requires the parameter Encrypted to be set.",
            )
        description = self._get_param("Description", "")
        snapshot = Copies.copied(backend, source, description, encrypted, key)
        if source.encrypted:
            wrong = Copies.wrong_with_url(
                self._get_param("PresignedUrl"), source_region, source_id, backend.region_name
            )
            if wrong:
                Copies.fail(snapshot, wrong)
        snapshot.add_tags(tags)
        return ActionResult({"SnapshotId": snapshot.id, "Tags": snapshot.tag_set})

    def wrong_with_url(url, source_region, source_id, destination_region):
        """Returns what is wrong with a presigned URL, or None.

        "The PresignedUrl should use the snapshot source endpoint, the CopySnapshot action, and
        include the SourceRegion, SourceSnapshotId, and DestinationRegion parameters. […] An invalid
        or improperly signed PresignedUrl will cause the copy operation to fail asynchronously, and
        the snapshot will move to an error state." The signature is computed with botocore.
        """
        if not url:
            return "Given key ID is not accessible"
        params = dict(parse_qsl(urlsplit(url).query))
        for name, value in {
            "Action": "CopySnapshot",
            "SourceRegion": source_region,
            "SourceSnapshotId": source_id,
            "DestinationRegion": destination_region,
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-SignedHeaders": "host",
        }.items():
            if params.get(name) != value:
                return f"PresignedUrl: {name} is {params.get(name)} and not {value}"
        for name in ["X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature"]:
            if name not in params:
                return f"PresignedUrl: it has no {name}"
        key_id, date, *scope = params["X-Amz-Credential"].split("/")
        if scope != [source_region, "ec2", "aws4_request"] or date != params["X-Amz-Date"][:8]:
            return f"PresignedUrl: it is signed for {scope} on {date}"
        unsigned = url.split("&X-Amz-Signature=")[0]
        request = AWSRequest(method="GET", url=unsigned)
        request.context["timestamp"] = params["X-Amz-Date"]
        auth = SigV4QueryAuth(Credentials(key_id, SECRET), "ec2", source_region)
        to_sign = auth.string_to_sign(request, auth.canonical_request(request))
        if auth.signature(to_sign, request) != params["X-Amz-Signature"]:
            return "PresignedUrl: the signature does not match"
        return None

    def copy_image(self):
        """moto makes one snapshot of its own for the copy and ignores everything but the name.
        ClientToken: "Unique, case-sensitive identifier you provide to ensure idempotency of the
        request"; SourceImageId: "The ID of the source AMI from which the AMI was created" (`Image`);
        "If you specify a KMS key, you must also set the encrypted state to true".
        """
        tags = self._parse_tag_specification()
        name, token = self._get_param("Name"), self._get_param("ClientToken")
        source_region = self._get_param("SourceRegion")
        source_id = self._get_param("SourceImageId")
        encrypted, key = self._get_param("Encrypted"), self._get_param("KmsKeyId")
        backend = self.ec2_backend
        self.error_on_dryrun()
        asked = [source_region, source_id, name, encrypted, key]
        made = Copies.tokens.get((backend.region_name, token)) if token else None
        if made is not None:
            if made["asked"] != asked:
                raise EC2ClientError(
                    "IdempotentParameterMismatch",
                    f"The client token {token} was used with other parameters.",
                )
            return ActionResult({"ImageId": made["image_id"]})
        source = ec2_backends[backend.account_id][source_region].describe_images([source_id])[0]
        if source.state != "available":
            raise EC2ClientError(
                "InvalidAMIID.Unavailable", f"The image ID '{source_id}' is no longer available"
            )
        if key and not encrypted:
            raise EC2ClientError(
                "InvalidParameterDependency",
                "The parameter KmsKeyId requires the parameter Encrypted to be set.",
            )
        Images.refuse_bad_name(backend, name)
        image = Images.new(backend, Corrections.new_id(backend, "ami", source_id, name), name)
        image.description = self._get_param("Description") or source.description
        image.root_device_name = source.root_device_name
        image.source_image_id, image.source_image_region = source_id, source_region
        Copies.back(image, source, encrypted, key, tags.get("snapshot", {}))
        image.add_tags(tags.get("image", {}))
        if token:
            made = {"image_id": image.id, "asked": asked}
            Copies.tokens[(backend.region_name, token)] = made
        return ActionResult({"ImageId": image.id})

    def back(image, source, encrypted, key, tags):
        """Copies the snapshots of an image. It fails as a whole, later: "if you specify an
        identifier that is not valid, the action can appear to complete, but eventually fails".
        """
        backend = image.ec2_backend
        for mapping in source.block_device_mappings:
            snapshot_id = mapping["Ebs"]["SnapshotId"]
            snapshot = Copies.copied(
                backend,
                source.ec2_backend.snapshots[snapshot_id],
                f"Copied for DestinationAmi {image.id} from SourceAmi {source.id} "
                f"for SourceSnapshot {snapshot_id}.",
                encrypted,
                key,
            )
            snapshot.add_tags(tags)
            Images.back(image, mapping["DeviceName"], snapshot)
            if snapshot.status == "error":
                image.state = "failed"
                reason = {"Code": "Client.InvalidKey", "Message": snapshot.state_message}
                image.state_reason = reason

    @classmethod
    def apply(cls):
        for name in ["copy_image", "copy_snapshot"]:
            setattr(EC2Response, name, getattr(cls, name))
