//! Settings of what a sync contains.

use super::{Export, Field, Kind, Mode, Support, duration, list, path, section, switch, text};

section! { "What to sync";
    FILE = path("file", "The .c1z file to write (sync) or to read (grant, revoke)")
        .short('f').default("sync.c1z").mode(Mode::OneShot);
    GLOBAL_AWS_ORGS_ENABLED = switch("global-aws-orgs-enabled", "Read AWS Organizations")
        .export(Export::Form("Enable support for AWS Organizations",
            "Enable support for AWS Organizations"));
    GLOBAL_AWS_SSO_ENABLED = switch("global-aws-sso-enabled", "Read IAM Identity Center; needs Organizations")
        .export(Export::Form("Enable support for AWS IAM Identity Center (successor to AWS Single Sign-On)",
            "Enable support for AWS IAM Identity Center"));
    GLOBAL_AWS_SSO_REGION = text("global-aws-sso-region",
        "Region of Identity Center; it is part of every Identity Center id")
        .default("us-east-1").export(Export::Form("Region for AWS IAM Identity Center (successor to AWS Single Sign-On)",
            "The region for the sso identities"));
    SYNC_RESOURCE_TYPES = list("sync-resource-types", "Resource types to sync; all if unset");
    SKIP_ENTITLEMENTS_AND_GRANTS = switch("skip-entitlements-and-grants", "Sync resources alone").mode(Mode::OneShot);
    SKIP_GRANTS = switch("skip-grants", "Sync no grants; only together with sync-resources").hidden();
    SYNC_INTERVAL = duration("sync-interval", "",
        "Time between syncs that nobody asked for: with a control plane they are kept ready, without one the process \
        runs on and replaces --file; off if unset");
    CREATE_ACCOUNT_RESOURCE_TYPE = Field::new("create-account-resource-type",
        Kind::Choice(&["iam_user", "sso_user"]), "Kind of account that account creation makes")
        .default("iam_user").export(Export::Form("Account Provisioning Target",
            "Which AWS user type C1 should create when provisioning accounts. 'iam_user' (default) creates \
            IAM users; 'sso_user' creates AWS Identity Center (SSO) users. Only one path can be active at a \
            time per connector instance."));
    GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED = switch("global-aws-cross-account-iam-enabled",
        "Read IAM of the member accounts too; needs Organizations and Identity Center")
        .export(Export::Form("Also sync cross-account IAM when Identity Center is enabled",
            "When both Organizations and Identity Center are enabled, also sync IAM users, roles, and groups \
            from every child account. Requires sts:AssumeRole on OrganizationAccountAccessRole in each child \
            account. Has no effect when Identity Center is disabled (cross-account IAM sync always runs in \
            that mode)."));
    SYNC_SECRETS = switch("sync-secrets", "Sync access keys").export(Export::Form("Sync Secrets",
            "Whether to sync secrets or not"));
    SYNC_IAM_TAGS = switch("sync-iam-tags",
        "Read tags of IAM users and roles, the e-mail addresses among them, and descriptions of policies");
    SYNC_RESOURCE_TAGS = switch("sync-resource-tags",
        "Read the tags of accounts and of IAM users and roles; a sync fails where they may not be read")
        .export(Export::Form("Sync Resource Tags",
            "Read the tags of accounts, IAM users and IAM roles. A sync fails where they may not be read."));
    SYNC_IAM_USER_CONSOLE_ACCESS = switch("sync-iam-user-console-access",
        "Tell which IAM users have a password for the console, by one call for each user")
        .export(Export::Form("Sync IAM User Console Access",
            "Enable fetching IAM user console login profiles via iam:GetLoginProfile (one API call per user). \
            Disabled by default."));
    SYNC_SSO_USER_LAST_LOGIN = switch("sync-sso-user-last-login",
        "Tell when Identity Center users last logged in, from CloudTrail")
        .export(Export::Form("Sync SSO User Last Login",
            "Enable fetching last login time for SSO users from CloudTrail (requires cloudtrail:LookupEvents \
            permission)"));
    SYNC_ONLY_ATTACHED_POLICIES = switch("sync-only-attached-policies", "Sync only IAM policies that are attached")
        .export(Export::Form("Sync Only Attached Policies",
            "Only sync IAM managed policies that are attached to at least one user, role, or group"));
    SYNC_RESOURCES = list("sync-resources",
        "Sync these resources alone, with all that hangs from them; as Baton ids, such as bid:r:account/111111111111")
        .mode(Mode::OneShot);
    EXTERNAL_RESOURCE_C1Z = path("external-resource-c1z",
        "Take over users and groups, with their entitlements and grants, from this .c1z file of another connector");
    EXTERNAL_RESOURCE_ENTITLEMENT_ID_FILTER = text("external-resource-entitlement-id-filter",
        "Take over only principals that hold this entitlement of external-resource-c1z");
    EXTERNAL_RESOURCE_TRAITS = list("external-resource-traits",
        "Traits of the types to take over from external-resource-c1z, such as app; user and group if unset");
    STORAGE_ENGINE = Field::new("storage-engine", Kind::Choice(&["sqlite", "pebble"]),
        "Engine of the .c1z file; this build writes sqlite");
    PARALLEL_SYNC = switch("parallel-sync", "Old spelling of --workers=-1")
        .support(Support::Accepted("syncs are concurrent already"));
}
