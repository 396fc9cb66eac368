//! Settings of the access to AWS.

use super::{Export, Field, Kind, number, path, section, switch, text};

section! { "AWS access";
    EXTERNAL_ID = Field::new("external-id", Kind::RandomText, "External id that the trust policy of the role demands")
        .redacted().export(Export::Form("External ID",
            "The external id for the aws account"));
    GLOBAL_ACCESS_KEY_ID = text("global-access-key-id",
        "Access key id of static base credentials, in place of the ambient ones")
        .export(Export::Operator("Global Access Key",
            "The global-access-key-id for the aws account"));
    GLOBAL_SECRET_ACCESS_KEY = text("global-secret-access-key", "Secret access key of static base credentials")
        .secret().export(Export::Operator("Global Secret Access Key",
            "The global-secret-access-key for the aws account"));
    GLOBAL_BINDING_EXTERNAL_ID = text("global-binding-external-id",
        "External id that the trust policy of the binding role demands")
        .redacted().export(Export::Operator("Global Binding External ID",
            "The global external id for the aws account"));
    GLOBAL_REGION = text("global-region", "Region of STS, IAM and Organizations; the ambient one if unset")
        .export(Export::Operator("Global Region",
            "The region for the aws account"));
    GLOBAL_ROLE_ARN = text("global-role-arn", "ARN of the binding role, the first of two hops")
        .export(Export::Operator("Global Role ARN",
            "The role arn for the aws account"));
    ROLE_ARN = text("role-arn", "ARN of the role to work as").export(Export::Form("Role ARN",
            "The role arn for the aws account"));
    USE_ASSUME = switch("use-assume", "Assume the role: true always, false never; unset, unless the caller already is \
        that role").default("").export(Export::Operator("Use Assume",
            "Enable support for assume role"));
    SSO_INSTANCE_ARN = text("sso-instance-arn", "ARN of the Identity Center instance to use when several are visible");
    AWS_QUOTAS = text("aws-quotas", "Call rates to keep: documented (AWS's published ones), off, or the path of a file")
        .default("documented");
    WORKERS = number("workers", "0", "Most AWS calls in flight at once; 0 and -1 set no bound");
    HTTP_TIMEOUT_SECONDS = number("http-timeout-seconds", "300", "Longest time for one HTTP exchange, 1 to 1800 seconds")
        .within(1, 1800)
        .export(Export::Common("HTTP client timeout in seconds (max 1800)"));
    CA_BUNDLE = path("aws-ca-bundle", "Certificates (PEM) to trust for AWS besides the system's")
        .foreign("AWS_CA_BUNDLE");
    IAM_ASSUME_ROLE_NAME = text("iam-assume-role-name", "Name of the role to assume in each member account")
        .default("OrganizationAccountAccessRole").export(Export::Form("IAM assume role name (child IAM accounts)",
            "Role name for the IAM role to assume when using the AWS connector"));
    IAM_ASSUME_ROLE_EXTERNAL_ID = text("iam-assume-role-external-id",
        "External id that the trust policies of the roles in member accounts demand; none is sent if unset")
        .redacted();
}
