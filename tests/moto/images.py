"""What moto 5.2.5 does otherwise than AWS documents with images, and tests of ours rely on.

The quotations are from the Amazon EC2 API reference, of the action that the method names.
"""

import re

from corrections import Corrections, instant
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.amis import Ami
from moto.ec2.responses import EC2Response


class Images:
    """Methods that take the place of moto's, and what they share."""

    # References of kinds that moto knows nothing of, by region.
    other_references = {}

    def new(backend, image_id, name):
        """Registers an image that nothing backs yet. moto gives each a snapshot of its own making,
        of 15 GiB, instead of one for each volume.
        """
        image = Ami(
            backend,
            image_id,
            name=name,
            region_name=f"{backend.region_name}a",
            creation_date=Corrections.clock(),
            root_device_type="ebs",
        )
        del backend.snapshots[image.ebs_snapshot.id]
        image.devices = []
        image.source_image_id = image.source_image_region = None
        image.deregistration_protection = "disabled"
        backend.amis[image.id] = image
        return image

    def back(image, device, snapshot):
        """Makes a snapshot back a device of an image."""
        ebs = {
            "SnapshotId": snapshot.id,
            "VolumeSize": snapshot.volume_size,
            "Encrypted": snapshot.encrypted,
            "DeleteOnTermination": True,
            "VolumeType": "gp3",
        }
        image.devices.append({"DeviceName": device, "Ebs": ebs})
        snapshot.from_ami = image.id

    def refuse_bad_name(backend, name):
        """moto registers the same name twice, and any. "InvalidAMIName.Duplicate: The specified AMI
        name is already in use by another AMI" ("Error codes"); "Constraints: 3-128 alphanumeric
        characters, parentheses (()), square brackets ([]), spaces ( ), periods (.), slashes (/),
        dashes (-), single quotes ('), at-signs (@), or underscores(_)" (CreateImage).
        """
        if re.fullmatch(r"[a-zA-Z0-9()\[\] ./'@_-]{3,128}", name) is None:
            raise EC2ClientError("InvalidAMIName.Malformed", f"AMI name is invalid: {name}")
        for image in backend.amis.values():
            if image.name == name and image.owner_id == backend.account_id:
                raise EC2ClientError(
                    "InvalidAMIName.Duplicate",
                    f"AMI name {name} is already in use by AMI {image.id}",
                )

    block_device_mappings_of_moto = Ami.block_device_mappings

    def block_device_mappings(self):
        if not hasattr(self, "devices"):
            return Images.block_device_mappings_of_moto.fget(self)
        return self.devices

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

    def create_image(self):
        """moto answers HTTP 500 to tags for the snapshots, ignores BlockDeviceMappings and the
        instance's volumes, and does not say what the image was made of. "To tag the snapshots that
        are created of the root volume and of other Amazon EBS volumes that are attached to the
        instance, the value for ResourceType must be snapshot"; NoDevice: "To omit the device from
        the block device mapping, specify an empty string" (`BlockDeviceMapping`). SourceInstanceId:
        "The ID of the instance that the AMI was created from if the AMI was created using
        CreateImage" (`Image`). SourceImageId is then the image that the instance was launched from
        (EC2 user guide, "Identify the source AMI").
        """
        name, instance_id = self._get_param("Name"), self._get_param("InstanceId")
        tags = self._parse_tag_specification()
        mappings = self._get_param("BlockDeviceMappings", [])
        left_out = {m["DeviceName"] for m in mappings if "NoDevice" in m}
        self.error_on_dryrun()
        backend = self.ec2_backend
        instance = backend.get_instance(instance_id)
        Images.refuse_bad_name(backend, name)
        image = Images.new(backend, Corrections.new_id(backend, "ami", instance_id, name), name)
        image.instance_id = instance_id
        image.source_image_id, image.source_image_region = instance.image_id, backend.region_name
        image.description = self._get_param("Description", "")
        image.root_device_name = instance.root_device_name
        description = f"Created by CreateImage({instance_id}) for {image.id}"
        for device, mapping in instance.get_block_device_mapping:
            if device in left_out:
                continue
            snapshot = backend.create_snapshot(mapping.volume_id, description)
            snapshot.add_tags(tags.get("snapshot", {}))
            Images.back(image, device, snapshot)
        image.add_tags(tags.get("image", {}))
        return ActionResult({"ImageId": image.id})

    deregister_image_of_moto = EC2Response.deregister_image

    def deregister_image(self):
        """moto knows no protection. "When deregistration protection is enabled, the AMI can't be
        deregistered" (EnableImageDeregistrationProtection).
        """
        image = self.ec2_backend.amis.get(self._get_param("ImageId"))
        self.error_on_dryrun()
        if getattr(image, "deregistration_protection", "disabled") != "disabled":
            raise EC2ClientError(
                "OperationNotPermitted", f"Deregistration protection is enabled for {image.id}."
            )
        return Images.deregister_image_of_moto(self)

    def enable_image_deprecation(self):
        """moto does not know the call. "You can’t specify a date in the past"."""
        image = self.ec2_backend.describe_images(ami_ids=[self._get_param("ImageId")])[0]
        asked = self._get_param("DeprecateAt")
        at = instant(asked) if isinstance(asked, str) else asked.replace(tzinfo=None)
        self.error_on_dryrun()
        if at < Corrections.clock():
            raise EC2ClientError(
                "InvalidParameterValue", f"The deprecation time {at}Z is in the past."
            )
        image.deprecation_time = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return ActionResult({"Return": True})

    def describe_image_references(self):
        """moto does not know the call. "Either IncludeAllResourceTypes or ResourceTypes must be
        specified"; at most ten ImageIds.
        """
        wanted = self._get_param("ImageIds", [])
        if not self._get_param("IncludeAllResourceTypes", False):
            raise EC2ClientError(
                "MissingParameter",
                "The request must contain IncludeAllResourceTypes or ResourceTypes",
            )
        if not 1 <= len(wanted) <= 10:
            raise EC2ClientError("InvalidParameterValue", f"{len(wanted)} images are not 1 to 10")
        backend = self.ec2_backend
        arn = f"arn:aws:ec2:{backend.region_name}:{backend.account_id}"
        found = []
        for reservation in backend.describe_instances():
            for i in reservation.instances:
                found.append((i.image_id, "ec2:Instance", f"{arn}:instance/{i.id}"))
        for template in backend.launch_templates.values():
            # "version-depth - The number of launch template versions to check, starting from the
            # most recent version", default 10; of instances, all states (`ResourceTypeOption`).
            for image in dict.fromkeys(version.image_id for version in template.versions[-10:]):
                by = f"{arn}:launch-template/{template.id}"
                found.append((image, "ec2:LaunchTemplate", by))
        for other in Images.other_references.get(backend.region_name, []):
            found.append((other["image"], other["type"], other["arn"]))
        references = [
            {"ImageId": image, "ResourceType": kind, "Arn": by}
            for image, kind, by in found
            if image in wanted
        ]
        return Corrections.page(self, references, "ImageReferences", None)

    describe_launch_template_versions_of_moto = EC2Response.describe_launch_template_versions

    def describe_launch_template_versions(self):
        """moto cuts the list at MaxResults and gives no NextToken."""
        asked = self.params.pop("MaxResults", None)
        self.params["MaxResults"] = 1_000_000
        result = Images.describe_launch_template_versions_of_moto(self).result
        self.params["MaxResults"] = asked
        versions = result["LaunchTemplateVersions"]
        return Corrections.page(self, versions, "LaunchTemplateVersions", None)

    def modify_snapshot_attribute(self):
        """moto reads only OperationType with UserIds. CreateVolumePermission: "A JSON
        representation of the snapshot attribute modification", with Add and Remove.
        """
        snapshot_id = self._get_param("SnapshotId")
        changes = self._get_param("CreateVolumePermission", {})
        self.error_on_dryrun()
        for kind, change in [
            ("Add", self.ec2_backend.add_create_volume_permission),
            ("Remove", self.ec2_backend.remove_create_volume_permission),
        ]:
            accounts = [item["UserId"] for item in changes.get(kind, [])]
            change(snapshot_id, user_ids=accounts, groups=[])
        return ActionResult({})

    @classmethod
    def apply(cls):
        for name in [
            "create_image",
            "deregister_image",
            "describe_image_references",
            "describe_images",
            "describe_launch_template_versions",
            "enable_image_deprecation",
            "modify_snapshot_attribute",
        ]:
            setattr(EC2Response, name, getattr(cls, name))
        Ami.block_device_mappings = property(cls.block_device_mappings)
