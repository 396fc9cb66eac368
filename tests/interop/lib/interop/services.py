"""The services of AWS that batond calls."""

# what botocore calls them, by the prefix of their actions
SERVICES = {
    "sts": "sts",
    "iam": "iam",
    "organizations": "organizations",
    "identitystore": "identitystore",
    "sso": "sso-admin",
    "cloudtrail": "cloudtrail",
}
