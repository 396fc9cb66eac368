//! `policy`: prints what a role must be allowed under the settings.

use serde_json::{Map, Value, json};

use super::{Exit, failure, load, output};
use crate::config::Flags;
use crate::connector::policy::{self, EXTERNAL_ID, PRINCIPAL, Role, RolePolicy};

/// What to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Wish {
    pub(super) role: Role,
    pub(super) format: Format,
    /// Whether assignments on the management account are changed, too.
    pub(super) on_management: bool,
}

/// How it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// An object with the two documents.
    Json,
    /// A configuration in HCL.
    Terraform,
    /// A template in JSON.
    CloudFormation,
}

/// Prints the policies of the role to standard output; the settings are read, AWS is not asked.
pub(super) fn run(wish: Wish, flags: Flags) -> Exit {
    let settings = match load(flags) {
        Ok((settings, _)) => settings,
        Err(exit) => return exit,
    };
    let found = policy::of(wish.role, &settings.aws, settings.provisioning, wish.on_management);
    let text = match found {
        Ok(Some(found)) => written(wish.format, wish.role, &found),
        Ok(None) => {
            eprintln!("under these settings there is no such role");
            return Exit::FAILURE;
        }
        Err(error) => Err(error),
    };
    match text {
        Ok(text) => {
            output::write(&format!("{text}\n")).map_or_else(|lost| failure::tell(&lost), |()| Exit::SUCCESS)
        }
        Err(error) => failure::tell(&error),
    }
}

fn written(format: Format, role: Role, found: &RolePolicy) -> Result<String, serde_json::Error> {
    match format {
        Format::Json => serde_json::to_string_pretty(&json!({
            "role": found.name,
            "trust": found.trust,
            "permissions": found.permissions,
        })),
        Format::Terraform => terraform(role, found),
        Format::CloudFormation => serde_json::to_string_pretty(&cloud_formation(role, found)?),
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Base => "base",
        Role::Binding => "binding",
        Role::Main => "role",
        Role::Member => "member",
    }
}

/// A role with its policy; a policy alone where the role is another's to make.
fn terraform(role: Role, found: &RolePolicy) -> Result<String, serde_json::Error> {
    let word = word(role);
    let permissions = serde_json::to_string_pretty(&found.permissions)?;
    let (Some(trust), Some(name)) = (&found.trust, &found.name) else {
        return Ok(format!(
            "resource \"aws_iam_policy\" \"batond_{word}\" {{\n  name   = \"batond-{word}\"\n  policy = \
             <<-EOT\n{permissions}\n  EOT\n}}"
        ));
    };
    let mut blocks = Vec::new();
    let mut trust = serde_json::to_string_pretty(trust)?;
    for (placeholder, variable, about) in [
        (PRINCIPAL, "batond_principal_arn", "ARN of the role or user that assumes this role"),
        (EXTERNAL_ID, "external_id", "External id that batond sends"),
    ] {
        if trust.contains(placeholder) {
            trust = trust.replace(placeholder, &format!("${{var.{variable}}}"));
            blocks.push(format!(
                "variable \"{variable}\" {{\n  type        = string\n  description = \"{about}\"\n}}"
            ));
        }
    }
    let (path, name) = path_and_name(name);
    blocks.push(format!(
        "resource \"aws_iam_role\" \"batond_{word}\" {{\n  name               = \"{name}\"\n  path               = \
         \"{path}\"\n  assume_role_policy = <<-EOT\n{trust}\n  EOT\n}}"
    ));
    blocks.push(format!(
        "resource \"aws_iam_role_policy\" \"batond_{word}\" {{\n  name   = \"batond\"\n  role   = \
         aws_iam_role.batond_{word}.id\n  policy = <<-EOT\n{permissions}\n  EOT\n}}"
    ));
    Ok(blocks.join("\n\n"))
}

fn cloud_formation(role: Role, found: &RolePolicy) -> Result<Value, serde_json::Error> {
    let permissions = serde_json::to_value(&found.permissions)?;
    let (Some(trust), Some(name)) = (&found.trust, &found.name) else {
        return Ok(json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Resources": {"BatondPolicy": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"ManagedPolicyName": format!("batond-{}", word(role)), "PolicyDocument": permissions},
            }},
        }));
    };
    let mut parameters = Map::new();
    let mut trust = serde_json::to_value(trust)?;
    if refer(&mut trust, PRINCIPAL, "PrincipalArn") {
        parameters.insert("PrincipalArn".to_owned(), json!({"Type": "String"}));
    }
    if refer(&mut trust, EXTERNAL_ID, "ExternalId") {
        parameters.insert("ExternalId".to_owned(), json!({"Type": "String", "NoEcho": true}));
    }
    let (path, name) = path_and_name(name);
    Ok(json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": parameters,
        "Resources": {"BatondRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": name,
                "Path": path,
                "AssumeRolePolicyDocument": trust,
                "Policies": [{"PolicyName": "batond", "PolicyDocument": permissions}],
            },
        }},
    }))
}

/// Replaces a placeholder by a reference to a parameter, wherever it stands; whether there was one.
fn refer(value: &mut Value, placeholder: &str, parameter: &str) -> bool {
    let mut found = false;
    match value {
        Value::String(text) if text == placeholder => {
            *value = json!({"Ref": parameter});
            found = true;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| found |= refer(item, placeholder, parameter)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| found |= refer(member, placeholder, parameter));
        }
        _ => {}
    }
    found
}

/// The path with both its slashes, and the name.
fn path_and_name(text: &str) -> (String, &str) {
    text.rsplit_once('/').map_or_else(|| ("/".to_owned(), text), |(path, name)| (format!("/{path}/"), name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AwsSettings, Secret};

    const CANARY: &str = "CANARY-external-id";

    fn found(role: Role) -> RolePolicy {
        let settings = AwsSettings {
            role: Some("arn:aws-us-gov:iam::222222222222:role/team/Reader".parse().unwrap()),
            external_id: Some(Secret::from(CANARY)),
            organizations: true,
            ..AwsSettings::default()
        };
        policy::of(role, &settings, true, false).unwrap().unwrap()
    }

    #[test]
    fn the_documents_hold_the_role_its_partition_and_no_secret() {
        let json = written(Format::Json, Role::Main, &found(Role::Main)).unwrap();
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["role"], "team/Reader");
        assert_eq!(
            value["trust"]["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"],
            EXTERNAL_ID
        );
        assert_eq!(value["trust"]["Statement"][0]["Principal"]["AWS"], PRINCIPAL);
        assert!(json.contains("arn:aws-us-gov:iam::*:role/OrganizationAccountAccessRole"), "{json}");
        assert!(!json.contains("arn:aws:") && !json.contains(CANARY));

        let base = serde_json::to_value(found(Role::Base).permissions).unwrap();
        assert_eq!(base["Statement"][0]["Resource"], "arn:aws-us-gov:iam::222222222222:role/team/Reader");
        let member = serde_json::to_value(found(Role::Member).trust).unwrap();
        assert_eq!(
            member["Statement"][0]["Principal"]["AWS"],
            "arn:aws-us-gov:iam::222222222222:role/team/Reader"
        );
        assert!(member["Statement"][0].get("Condition").is_none(), "{member}");
    }

    #[test]
    fn protected_policies_alone_need_the_reads_that_tell_who_is_meant() {
        let reads = |settings: &AwsSettings| {
            let policy = policy::of(Role::Main, settings, true, false).unwrap().unwrap();
            let actions: Vec<_> = policy.permissions.actions().collect();
            ["iam:GetGroup", "iam:GetRole", "iam:GetUser"].iter().all(|action| actions.contains(action))
        };
        let listed = vec!["*:policy/AdministratorAccess".to_owned()];
        assert!(reads(&AwsSettings { protected_policies: listed.clone(), ..AwsSettings::default() }));
        assert!(reads(&AwsSettings { protected_principals: listed, ..AwsSettings::default() }));
    }

    #[test]
    fn terraform_asks_for_what_the_settings_do_not_tell() {
        let text = written(Format::Terraform, Role::Main, &found(Role::Main)).unwrap();
        for part in [
            "variable \"external_id\" {",
            "variable \"batond_principal_arn\" {",
            "\"sts:ExternalId\": \"${var.external_id}\"",
            "\"AWS\": \"${var.batond_principal_arn}\"",
            "  name               = \"Reader\"\n  path               = \"/team/\"",
            "resource \"aws_iam_role_policy\" \"batond_role\" {",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains(CANARY));
        assert_eq!(text.matches("<<-EOT").count(), text.matches("\n  EOT\n").count());
        let base = written(Format::Terraform, Role::Base, &found(Role::Base)).unwrap();
        assert!(base.starts_with("resource \"aws_iam_policy\" \"batond_base\" {"), "{base}");
    }

    #[test]
    fn cloud_formation_makes_parameters_of_what_the_settings_do_not_tell() {
        let text = written(Format::CloudFormation, Role::Main, &found(Role::Main)).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["Parameters"]["ExternalId"]["NoEcho"], true);
        let role = &value["Resources"]["BatondRole"]["Properties"];
        assert_eq!(role["RoleName"], "Reader");
        let trust = &role["AssumeRolePolicyDocument"]["Statement"];
        assert_eq!(trust[0]["Principal"]["AWS"], json!({"Ref": "PrincipalArn"}));
        assert_eq!(trust[1]["Principal"]["AWS"], json!({"Ref": "PrincipalArn"}));
        assert_eq!(trust[0]["Condition"]["StringEquals"]["sts:ExternalId"], json!({"Ref": "ExternalId"}));
        let base = cloud_formation(Role::Base, &found(Role::Base)).unwrap();
        assert_eq!(base["Resources"]["BatondPolicy"]["Type"], "AWS::IAM::ManagedPolicy");
    }
}
