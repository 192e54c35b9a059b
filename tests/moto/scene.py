"""Puts the resources of a scene into moto. server.py says what a scene is."""

from copies import Keys
from corrections import instant
from images import Images
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot, Volume
from moto.sns.models import sns_backends


class Scene:
    """Puts the resources of a scene into one region."""

    def __init__(self, region, account=DEFAULT_ACCOUNT_ID):
        self.region = region
        self.backend = ec2_backends[account][region]

    def seed(self, scene):
        # First, because others may be encrypted with them.
        for item in scene.get("keys", []):
            Keys.seed(self.backend, item)
        self.backend.ebs_encryption_by_default = scene.get("ebs_encryption_by_default", False)
        for item in scene.get("instances", []):
            self.instance(item)
        for item in scene.get("volumes", []):
            self.volume(item)
        for item in scene.get("snapshots", []):
            self.snapshot(item)
        for item in scene.get("images", []):
            self.image(item)
        for item in scene.get("launch_templates", []):
            self.launch_template(item)
        for name in scene.get("topics", []):
            sns_backends[DEFAULT_ACCOUNT_ID][self.region].create_topic(name)
        Images.other_references[self.region] = scene.get("references", [])

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
        instance.image_id = item.get("image", "ami-00000000")
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
            kms_key_id=self.key_of(item),
            volume_type=item.get("type", "gp3"),
        )

    def key_of(self, item):
        """What is encrypted always has a key."""
        if not item.get("encrypted", False):
            return None
        return Keys.arn(self.backend, item.get("key"))

    def snapshot(self, item):
        volume_id = item.get("volume", "vol-ffffffff")
        volume = self.backend.volumes.get(volume_id) or self.volume_of(volume_id, item)
        snapshot = Snapshot(
            self.backend,
            item["id"],
            volume,
            item.get("description", ""),
            encrypted=item.get("encrypted", False),
            kms_key_id=self.key_of(item),
            owner_id=item.get("owner"),
        )
        snapshot.status = item.get("state", "completed")
        snapshot.state_message = item.get("state_message")
        if "start_time" in item:
            snapshot.start_time = instant(item["start_time"])
        self.backend.snapshots[snapshot.id] = snapshot
        snapshot.add_tags(item.get("tags", {}))

    def image(self, item):
        image = Images.new(self.backend, item["id"], item.get("name", item["id"]))
        image.state = item.get("state", "available")
        image.description = item.get("description", "")
        if "state_message" in item:
            image.state_reason = {"Code": "Client.Error", "Message": item["state_message"]}
        if "creation_date" in item:
            image.creation_date = instant(item["creation_date"])
        if "deprecation_time" in item:
            image.deprecation_time = item["deprecation_time"]
        image.source_image_id = item.get("source_image")
        image.source_image_region = item.get("source_region")
        image.root_device_type = item.get("root_device_type", "ebs")
        image.product_codes = [
            {"ProductCodeId": code, "ProductCodeType": "marketplace"}
            for code in item.get("product_codes", [])
        ]
        image.deregistration_protection = item.get("protection", "disabled")
        image.owner_id = item.get("owner", image.owner_id)
        image.launch_permissions += [{"UserId": account} for account in item.get("shared_with", [])]
        if item.get("public", False):
            image.launch_permissions.append({"Group": "all"})
        for n, snapshot_id in enumerate(item.get("snapshots", [])):
            Images.back(image, f"/dev/sd{chr(ord('a') + n)}", self.backend.snapshots[snapshot_id])
        image.add_tags(item.get("tags", {}))

    def launch_template(self, item):
        template = self.backend.create_launch_template(
            item.get("name", item["id"]), "", {"ImageId": item["images"][0]}, {}
        )
        for image in item.get("images", [])[1:]:
            template.create_version({"ImageId": image}, "")
        templates = self.backend.launch_templates
        templates[item["id"]] = templates.pop(template.id)
        self.backend.launch_template_name_to_ids[template.name] = template.id = item["id"]

