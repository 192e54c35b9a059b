"""Makes every call that the sandbox answers with boto3, and prints what boto3 reads in the answers.

    python every_call.py

The endpoint and credentials come from the environment, as for any program of AWS. Prints one JSON
object a call; instants as boto3 parsed them.
"""

import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

EU, US = (
    {
        service: boto3.client(service, region_name=region, config=Config(retries={"total_max_attempts": 1}))
        for service in ["ec2", "kms", "sts", "sns"]
    }
    for region in ["eu-west-1", "us-east-1"]
)


def show(client, operation, **params):
    """Makes a call, prints what it brought, and returns it."""
    try:
        res = getattr(client, operation)(**params)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        print(f"{operation}: HTTP {status} {json.dumps(error.response['Error'])}")
        return None
    del res["ResponseMetadata"]
    text = json.dumps(res, indent=1, sort_keys=True, default=lambda value: value.isoformat(), ensure_ascii=False)
    print(f"{operation}: {text}")
    return res


def paged(client, operation, **params):
    """Follows a listing with boto3's own paginator; prints how many items each page has."""
    pages = client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 5}, **params)
    sizes = [len(next(value for value in page.values() if isinstance(value, list))) for page in pages]
    print(f"{operation} in pages: {sizes}")


def main():
    eu, us = EU["ec2"], US["ec2"]
    image_tags = [
        {"ResourceType": kind, "Tags": [{"Key": "Team", "Value": "web"}]} for kind in ["image", "snapshot"]
    ]
    snapshot_tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "<a> & \"b'", "Value": "서울\r\n\t–"}]}]

    show(eu, "describe_regions")
    show(eu, "describe_instances")
    show(eu, "describe_volumes", Filters=[{"Name": "tag:Name", "Values": ["ro?t*"]}])
    show(eu, "describe_snapshots", OwnerIds=["self"], SnapshotIds=["snap-00000001"])
    show(eu, "describe_snapshots", SnapshotIds=["snap-0000dead"])
    show(eu, "describe_locked_snapshots")
    show(eu, "get_ebs_encryption_by_default")
    show(us, "get_ebs_default_kms_key_id")
    show(US["kms"], "describe_key", KeyId="alias/backup")
    show(US["kms"], "describe_key", KeyId="alias/none")

    made = show(
        eu,
        "create_snapshots",
        InstanceSpecification={"InstanceId": "i-00000001", "ExcludeDataVolumeIds": ["vol-00000002"]},
        Description="a set",
        CopyTagsFromSource="volume",
        TagSpecifications=snapshot_tags,
    )
    show(eu, "create_snapshots", InstanceSpecification={"InstanceId": "i-00000001"}, DryRun=True)
    show(eu, "create_snapshot", VolumeId="vol-00000004", Description="one", TagSpecifications=snapshot_tags)
    # EC2 wants fifteen seconds between two snapshots of a volume.
    show(eu, "create_snapshot", VolumeId="vol-00000004")
    set_of = [snapshot["SnapshotId"] for snapshot in made["Snapshots"]]
    show(eu, "describe_snapshots", OwnerIds=["self"], Filters=[{"Name": "snapshot-id", "Values": set_of}])
    paged(eu, "describe_snapshots", OwnerIds=["self"])
    show(eu, "create_tags", Resources=["snap-00000001"], Tags=[{"Key": "hold", "Value": ""}])
    show(eu, "modify_snapshot_attribute", SnapshotId="snap-00000001", CreateVolumePermission={"Add": [{"UserId": "210987654321"}]})
    # boto3 signs the URL that the copy of an encrypted snapshot needs.
    show(
        us,
        "copy_snapshot",
        SourceRegion="eu-west-1",
        SourceSnapshotId="snap-00000002",
        Encrypted=True,
        KmsKeyId="alias/backup",
        TagSpecifications=snapshot_tags,
    )
    show(us, "describe_snapshots", OwnerIds=["self"])

    image = show(
        eu,
        "create_image",
        InstanceId="i-00000002",
        Name="web",
        NoReboot=True,
        BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "NoDevice": ""}],
        TagSpecifications=image_tags,
    )
    show(eu, "create_image", InstanceId="i-00000003", Name="other")
    show(eu, "describe_images", Owners=["self"])
    show(eu, "describe_images", Owners=["self"], IncludeDisabled=True, Filters=[{"Name": "state", "Values": ["disabled"]}])
    show(us, "copy_image", SourceRegion="eu-west-1", SourceImageId="ami-00000001", Name="copy", ClientToken="one", TagSpecifications=image_tags)
    show(us, "copy_image", SourceRegion="eu-west-1", SourceImageId="ami-00000001", Name="copy", ClientToken="one", TagSpecifications=image_tags)
    show(us, "describe_images", Owners=["self"])
    show(eu, "enable_image_deprecation", ImageId="ami-00000001", DeprecateAt="2027-01-01T00:00:00Z")
    show(eu, "modify_image_attribute", ImageId="ami-00000001", LaunchPermission={"Add": [{"UserId": "210987654321"}]})
    show(eu, "describe_image_attribute", ImageId="ami-00000001", Attribute="launchPermission")
    show(eu, "describe_image_references", ImageIds=["ami-00000001"], IncludeAllResourceTypes=True)
    show(eu, "describe_launch_template_versions", Versions=["$Latest", "$Default"])
    show(eu, "delete_snapshot", SnapshotId="snap-00000003")
    # One that is pending cannot be deregistered.
    show(eu, "deregister_image", ImageId=image["ImageId"])
    show(eu, "deregister_image", ImageId="ami-00000001")
    show(eu, "delete_snapshot", SnapshotId="snap-00000003")
    show(eu, "delete_snapshot", SnapshotId="snap-00000003")

    show(EU["sts"], "get_caller_identity")
    role = show(EU["sts"], "assume_role", RoleArn="arn:aws:iam::210987654321:role/backup", RoleSessionName="test")
    keys = role["Credentials"]
    other = boto3.client(
        "sts",
        region_name="eu-west-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    show(other, "get_caller_identity")
    show(EU["sts"], "assume_role", RoleArn="arn:aws:iam::999999999999:role/backup", RoleSessionName="test")
    show(EU["sns"], "publish", TopicArn="arn:aws:sns:eu-west-1:123456789012:ops", Message="<hello>", Subject="x")
    # What the sandbox does not play is refused, not passed over.
    show(eu, "run_instances", MinCount=1, MaxCount=1)
    show(eu, "describe_snapshots", RestorableByUserIds=["self"])
    show(eu, "deregister_image", ImageId="ami-00000001", DeleteAssociatedSnapshots=True)


if __name__ == "__main__":
    main()
