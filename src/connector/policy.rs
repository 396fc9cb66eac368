//! What the roles on the way to AWS must be allowed: the documents of `deploy/iam`, as far as the settings need them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reads_members;
use crate::config::{AccountKind, Assume, AwsSettings, RoleArn};

/// Stands in a trust policy for whoever assumes the role, where the settings do not tell who that is.
pub const PRINCIPAL: &str = "BATOND_PRINCIPAL_ARN";
/// Stands in a trust policy for the external id, which is a secret.
pub const EXTERNAL_ID: &str = "EXTERNAL_ID";

/// The partition that the documents are written for.
const WRITTEN_FOR: &str = "arn:aws:";
/// Stand in the documents for the caller of a role, and for a role that is assumed.
const CALLER: [&str; 2] =
    ["arn:aws:iam::111111111111:role/batond", "arn:aws:iam::222222222222:role/ROLE_OF_BATON_ROLE_ARN"];
const ASSUMED: &str = "arn:aws:iam::222222222222:role/ROLE_OF_BATON_ROLE_ARN";
const MEMBERS: &str = "role/OrganizationAccountAccessRole";

/// A role on the way to AWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// What the process starts with: the pod's own role.
    Base,
    /// The first of two hops (`BATON_GLOBAL_ROLE_ARN`).
    Binding,
    /// The one that the work is done as (`BATON_ROLE_ARN`; without it the pod's own).
    Main,
    /// The one in each member account (`BATON_IAM_ASSUME_ROLE_NAME`).
    Member,
}

/// What one role needs.
#[derive(Clone, Debug)]
pub struct RolePolicy {
    /// The name of the role with its path, where the settings have it.
    pub name: Option<String>,
    /// Who may assume it; `None` for the role that the process starts with, whose trust is the cluster's matter.
    pub trust: Option<Document>,
    /// What it may do.
    pub permissions: Document,
}

/// An IAM policy document.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Document {
    version: String,
    statement: Vec<Statement>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    sid: String,
    effect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Value>,
    action: Actions,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Actions {
    One(String),
    Many(Vec<String>),
}

/// The text of a document of `deploy/iam`.
macro_rules! document {
    ($name:literal) => {
        include_str!(concat!("../../deploy/iam/", $name, ".json"))
    };
}

/// A document, or those of its statements that are named, where the settings need it.
struct Part {
    text: &'static str,
    statements: &'static [&'static str],
    /// Where the members' roles need it as well.
    in_members: bool,
    /// What comes of its absence.
    without: &'static str,
    needed: fn(&Wanted<'_>) -> bool,
}

/// What is switched on.
struct Wanted<'a> {
    settings: &'a AwsSettings,
    provisioning: bool,
}

impl Wanted<'_> {
    fn center(&self) -> bool {
        self.settings.organizations && self.settings.identity_center
    }
}

/// What the role of the work needs. The ways of reading IAM entity by entity are left out: they are for roles that
/// may not use the cheap one.
const PARTS: [Part; 20] = [
    Part {
        text: document!("read-iam"),
        statements: &["ReadIamWithFewCalls"],
        in_members: true,
        without: "IAM is read with many more calls, or not at all, and the last use of what it holds stays unknown",
        needed: |_| true,
    },
    Part {
        text: document!("read-iam"),
        statements: &["ReadOwnAccount", "ReadManagedPolicies"],
        in_members: false,
        without: "there is no sync without the list of managed policies; without the others, texts of AWS's policies and the account's name are missing",
        needed: |_| true,
    },
    Part {
        text: document!("read-iam"),
        statements: &["ReadManagedPolicies"],
        in_members: true,
        without: "there is no sync of attached policies alone",
        needed: |wanted| wanted.settings.only_attached_policies,
    },
    Part {
        text: document!("read-tags"),
        statements: &["ReadTags"],
        in_members: true,
        without: "descriptions and tags of managed policies are missing",
        needed: |wanted| wanted.settings.iam_tags,
    },
    Part {
        text: document!("read-tags"),
        statements: &["ReadAccountTags"],
        in_members: false,
        without: "there is no sync: BATON_SYNC_RESOURCE_TAGS asks for the tags of accounts",
        needed: |wanted| wanted.settings.resource_tags && wanted.settings.organizations,
    },
    Part {
        text: document!("read-console-access"),
        statements: &[],
        in_members: true,
        without: "who has a password for the console is unknown",
        needed: |wanted| wanted.settings.console_access,
    },
    Part {
        text: document!("read-access-keys"),
        statements: &[],
        in_members: true,
        without: "there is no sync of access keys, or their last use is missing",
        needed: |wanted| wanted.settings.secrets,
    },
    Part {
        text: document!("read-organizations"),
        statements: &[],
        in_members: false,
        without: "there is no sync without the list of accounts; without the others, accounts have no place in the organization",
        needed: |wanted| wanted.settings.organizations,
    },
    Part {
        text: document!("read-identity-center"),
        statements: &[],
        in_members: false,
        without: "there is no sync of Identity Center; without the policies of permission sets, their texts are missing; without DescribeUser and DescribeGroup, who appeared during a sync is missing, and a sync in which one is deleted waits",
        needed: |wanted| wanted.center(),
    },
    Part {
        text: document!("read-sign-ins"),
        statements: &[],
        in_members: false,
        without: "there are no events of sign-ins",
        needed: |wanted| wanted.center() && wanted.settings.last_login_events,
    },
    Part {
        text: document!("provision-groups"),
        statements: &[],
        in_members: false,
        without: "tasks that change groups of Identity Center fail",
        needed: |wanted| wanted.provisioning && wanted.center(),
    },
    Part {
        text: document!("provision-assignments"),
        statements: &[],
        in_members: false,
        without: "tasks that change account assignments fail, or cannot follow what AWS makes of them",
        needed: |wanted| wanted.provisioning && wanted.center(),
    },
    Part {
        text: document!("provision-directory-users"),
        statements: &[],
        in_members: false,
        without: "tasks that create or delete users of Identity Center fail",
        needed: |wanted| wanted.provisioning && wanted.center(),
    },
    Part {
        text: document!("provision-iam"),
        statements: &["ChangeIamMemberships", "ChangeManagedPolicies", "DeleteInlinePolicies"],
        in_members: true,
        without: "tasks that change groups and policies of IAM fail, or answer a repeated grant as a first one",
        needed: |wanted| wanted.provisioning,
    },
    Part {
        text: document!("provision-iam"),
        statements: &["VerifyIamEntities"],
        in_members: true,
        without: "tasks that change IAM look for users, groups and roles in listings, and fail where those are denied, too",
        needed: |wanted| wanted.provisioning,
    },
    Part {
        text: document!("provision-iam-users"),
        statements: &["DeleteIamUsers"],
        in_members: true,
        without: "tasks that delete IAM users fail",
        needed: |wanted| wanted.provisioning,
    },
    Part {
        text: document!("provision-iam-credentials"),
        statements: &["SetIamPasswords", "IssueAccessKeys"],
        in_members: true,
        without: "tasks that set passwords or make access keys of IAM users fail",
        needed: |wanted| wanted.provisioning,
    },
    Part {
        text: document!("provision-iam-credentials"),
        statements: &["RotateAccessKeys"],
        in_members: true,
        without: "tasks that rotate or delete access keys fail",
        needed: |wanted| wanted.provisioning,
    },
    Part {
        text: document!("provision-iam-credentials"),
        statements: &["FindAccessKeys"],
        in_members: false,
        without: "tasks that rotate or delete access keys fail",
        needed: |wanted| wanted.provisioning,
    },
    Part {
        text: document!("vend-federation-tokens"),
        statements: &[],
        in_members: false,
        without: "the action issue_federation_token fails; without TagSession, where it is asked for tags",
        needed: |wanted| wanted.provisioning && !wanted.settings.vend_federated_users.is_empty(),
    },
];

/// What creating IAM users needs, in the connector's own account alone.
const CREATION: Part = Part {
    text: document!("provision-iam-users"),
    statements: &["CreateIamUsers"],
    in_members: false,
    without: "tasks that create IAM users fail",
    needed: |wanted| wanted.provisioning && wanted.settings.account_kind == AccountKind::IamUser,
};

/// What a role needs under these settings; `None` when they have no such role. `on_management` is whether assignments
/// on the management account are changed as well, which AWS does with the role's own permissions.
///
/// # Errors
/// Never in a released build: a test reads every document.
pub fn of(
    role: Role,
    settings: &AwsSettings,
    provisioning: bool,
    on_management: bool,
) -> Result<Option<RolePolicy>, serde_json::Error> {
    let wanted = Wanted { settings, provisioning };
    let assumed = settings.role.as_ref().filter(|_| settings.assume != Assume::Never);
    let binding = settings.binding_role.as_ref().filter(|_| assumed.is_some());
    let mut permissions = Gathered::default();
    let mut trust = None;
    let name = match role {
        Role::Base => {
            let Some(next) = binding.or(assumed) else { return Ok(None) };
            permissions.add(&assume(next), &[])?;
            None
        }
        Role::Binding => {
            let (Some(role), Some(next)) = (binding, assumed) else { return Ok(None) };
            permissions.add(&assume(next), &[])?;
            trust = Some(trusting(None, settings.binding_external_id.is_some())?);
            Some(role.path_and_name())
        }
        Role::Main => {
            for part in PARTS.iter().chain([&CREATION]).filter(|part| (part.needed)(&wanted)) {
                permissions.add(part.text, part.statements)?;
            }
            if provisioning && on_management {
                permissions.add(document!("provision-assignments-on-management-account"), &[])?;
            }
            if reads_members(settings) {
                let members = format!("role/{}", settings.member_role_name);
                permissions.add(&document!("enter-members").replace(MEMBERS, &members), &[])?;
            }
            if assumed.is_some() {
                trust = Some(trusting(binding, settings.external_id.is_some())?);
            }
            assumed.map(RoleArn::path_and_name)
        }
        Role::Member if reads_members(settings) => {
            for part in PARTS.iter().filter(|part| part.in_members && (part.needed)(&wanted)) {
                permissions.add(part.text, part.statements)?;
            }
            trust = Some(trusting(assumed, settings.member_external_id.is_some())?);
            Some(settings.member_role_name.as_str())
        }
        Role::Member => return Ok(None),
    };
    let partition = settings.partition().as_str();
    Ok(Some(RolePolicy {
        name: name.map(str::to_owned),
        trust: trust.map(|document| document.in_partition(partition)).transpose()?,
        permissions: permissions.document().in_partition(partition)?,
    }))
}

fn assume(role: &RoleArn) -> String {
    document!("assume-role").replace(ASSUMED, &role.to_string())
}

/// The trust in a caller, with or without the condition of an external id.
fn trusting(caller: Option<&RoleArn>, external_id: bool) -> Result<Document, serde_json::Error> {
    let caller = caller.map_or_else(|| PRINCIPAL.to_owned(), ToString::to_string);
    let text = if external_id { document!("trust-role") } else { document!("trust-member") };
    serde_json::from_str(&CALLER.iter().fold(text.to_owned(), |text, one| text.replace(one, &caller)))
}

/// Something that a role needs permissions for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Need {
    /// The actions, for example `iam:ListUsers`.
    pub actions: Vec<String>,
    /// What comes of their absence.
    pub without: &'static str,
}

/// What [`of`] allows the role of the work or that of members, by what it is for. The actions of each need come in no
/// earlier one.
///
/// # Errors
/// As for [`of`].
pub fn needs(role: Role, settings: &AwsSettings, provisioning: bool) -> Result<Vec<Need>, serde_json::Error> {
    let wanted = Wanted { settings, provisioning };
    let of_role = |part: &&Part| role == Role::Main || part.in_members;
    let mut gathered = Gathered::default();
    let mut needs = Vec::new();
    for part in PARTS.iter().chain([&CREATION]).filter(|part| (part.needed)(&wanted)).filter(of_role) {
        let from = gathered.statements.len();
        gathered.add(part.text, part.statements)?;
        let added = gathered.statements.iter().skip(from);
        let actions: Vec<_> = added.flat_map(|one| one.action.iter().map(str::to_owned)).collect();
        if !actions.is_empty() {
            needs.push(Need { actions, without: part.without });
        }
    }
    Ok(needs)
}

/// Whether the settings have roles in member accounts.
pub fn has_members(settings: &AwsSettings) -> bool {
    reads_members(settings)
}

/// What a role needs that may not read IAM with few calls.
///
/// # Errors
/// As for [`of`].
pub fn entity_by_entity(settings: &AwsSettings) -> Result<Need, serde_json::Error> {
    let mut gathered = Gathered::default();
    gathered.add(document!("read-iam"), &["ReadIamEntityByEntity"])?;
    if settings.iam_tags || settings.resource_tags {
        gathered.add(document!("read-tags"), &["ReadTagsEntityByEntity"])?;
    }
    let actions = gathered.document().actions().map(str::to_owned).collect();
    Ok(Need {
        actions,
        without: "IAM cannot be read in any way, and there is no sync; without GetUser and GetRole there is none while \
                  an entity is deleted",
    })
}

impl Document {
    /// The actions that it allows.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.statement.iter().flat_map(|statement| statement.action.iter())
    }

    fn in_partition(&self, partition: &str) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        serde_json::from_str(&text.replace(WRITTEN_FOR, &format!("arn:{partition}:")))
    }
}

impl Actions {
    fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }
}

/// Statements, none of which allows again what an earlier one does.
#[derive(Default)]
struct Gathered {
    statements: Vec<Statement>,
    allowed: BTreeSet<String>,
}

impl Gathered {
    /// Adds the statements of a document that are named, all if none is.
    fn add(&mut self, text: &str, named: &[&str]) -> Result<(), serde_json::Error> {
        let document: Document = serde_json::from_str(text)?;
        for mut statement in document.statement {
            if !named.is_empty() && !named.contains(&statement.sid.as_str()) {
                continue;
            }
            if statement.resource.as_deref() == Some("*") && statement.condition.is_none() {
                let further = statement.action.iter().filter(|one| self.allowed.insert((*one).to_owned()));
                statement.action = Actions::Many(further.map(str::to_owned).collect());
            }
            if statement.action.iter().next().is_some() {
                self.statements.push(statement);
            }
        }
        Ok(())
    }

    fn document(self) -> Document {
        Document { version: "2012-10-17".to_owned(), statement: self.statements }
    }
}
