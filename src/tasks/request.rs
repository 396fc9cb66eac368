//! The bounds that the messages of a provisioning task must keep before anything is done with them.

use crate::baton::Code;

use super::outcome::Failure;
use crate::baton::v2;

const LONGEST_ID: usize = 1024;
const LONGEST_NAME: usize = 1024;
const LONGEST_DESCRIPTION: usize = 2048;

/// A task that lacks what its kind is about; told apart by the control plane through its code, Unknown.
pub(super) fn malformed(kind: &str, missing: &str) -> Failure {
    Failure::permanent(Code::Unknown, format!("malformed {kind} task: {missing}"))
}

/// The answer while tasks may not change AWS.
pub(super) fn provisioning_disabled() -> Failure {
    Failure::permanent(
        Code::FailedPrecondition,
        "provisioning is not enabled: this connector runs without --provisioning (BATON_PROVISIONING)",
    )
}

pub(super) fn check_entitlement(entitlement: &v2::Entitlement) -> Result<(), Failure> {
    let resource =
        entitlement.resource.as_ref().ok_or_else(|| invalid("entitlement.resource", "is missing"))?;
    check_resource(resource, "entitlement.resource")?;
    check_id(&entitlement.id, "entitlement.id")?;
    check_length(&entitlement.display_name, LONGEST_NAME, "entitlement.display_name")?;
    check_length(&entitlement.description, LONGEST_DESCRIPTION, "entitlement.description")
}

/// `name` says which resource of the request this is.
pub(super) fn check_resource(resource: &v2::Resource, name: &str) -> Result<(), Failure> {
    let id = resource.id.as_ref().ok_or_else(|| invalid(&format!("{name}.id"), "is missing"))?;
    check_resource_id(id, &format!("{name}.id"))?;
    if let Some(parent) = &resource.parent_resource_id {
        check_resource_id(parent, &format!("{name}.parent_resource_id"))?;
    }
    check_length(&resource.display_name, LONGEST_NAME, &format!("{name}.display_name"))?;
    check_length(&resource.description, LONGEST_DESCRIPTION, &format!("{name}.description"))
}

pub(super) fn check_id(id: &str, name: &str) -> Result<(), Failure> {
    if id.is_empty() {
        return Err(invalid(name, "is empty"));
    }
    check_length(id, LONGEST_ID, name)
}

pub(super) fn check_resource_id(id: &v2::ResourceId, name: &str) -> Result<(), Failure> {
    check_id(&id.resource_type, &format!("{name}.resource_type"))?;
    check_id(&id.resource, &format!("{name}.resource"))
}

/// The shape of each address is for whoever uses it.
pub(super) fn check_account(info: &v2::AccountInfo) -> Result<(), Failure> {
    check_length(&info.login, LONGEST_NAME, "account_info.login")?;
    info.emails
        .iter()
        .try_for_each(|email| check_length(&email.address, LONGEST_NAME, "account_info.emails.address"))
}

fn check_length(text: &str, most: usize, name: &str) -> Result<(), Failure> {
    if text.len() > most {
        return Err(invalid(name, &format!("is longer than {most} bytes")));
    }
    Ok(())
}

pub(super) fn invalid(name: &str, fault: &str) -> Failure {
    Failure::permanent(Code::InvalidArgument, format!("invalid request: {name} {fault}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn resource(resource_type: &str, resource: &str) -> v2::Resource {
        let id = v2::ResourceId {
            resource_type: resource_type.into(),
            resource: resource.into(),
            ..Default::default()
        };
        v2::Resource { id: Some(id), ..Default::default() }
    }

    pub(in super::super) fn entitlement() -> v2::Entitlement {
        v2::Entitlement {
            id: "sso_group:g:member".into(),
            resource: Some(resource("sso_group", "g")),
            ..Default::default()
        }
    }

    #[test]
    fn each_broken_bound_is_named_and_final() {
        let long = "x".repeat(1025);
        let with = |change: &dyn Fn(&mut v2::Entitlement)| {
            let mut entitlement = entitlement();
            change(&mut entitlement);
            entitlement
        };
        for (entitlement, name) in [
            (with(&|e| e.resource = None), "entitlement.resource is missing"),
            (with(&|e| e.id.clear()), "entitlement.id is empty"),
            (with(&|e| e.id = long.clone()), "entitlement.id is longer than 1024 bytes"),
            (with(&|e| e.display_name = long.clone()), "entitlement.display_name is longer"),
            (with(&|e| e.description = long.repeat(2)), "entitlement.description is longer than 2048"),
            (with(&|e| e.resource = Some(v2::Resource::default())), "entitlement.resource.id is missing"),
            (
                with(&|e| e.resource = Some(resource("", "g"))),
                "entitlement.resource.id.resource_type is empty",
            ),
            (with(&|e| e.resource = Some(resource("t", ""))), "entitlement.resource.id.resource is empty"),
            (with(&|e| e.resource = Some(resource(&long, "g"))), "resource_type is longer"),
            (
                with(&|e| {
                    let mut child = resource("t", "r");
                    child.parent_resource_id = resource("", "p").id;
                    e.resource = Some(child);
                }),
                "entitlement.resource.parent_resource_id.resource_type is empty",
            ),
        ] {
            let failure = check_entitlement(&entitlement).unwrap_err();
            assert_eq!(failure.code(), Code::InvalidArgument);
            assert!(failure.non_retryable);
            assert!(failure.status.message.contains(name), "{} lacks {name}", failure.status.message);
        }
    }

    #[test]
    fn ids_of_the_largest_size_pass() {
        let mut entitlement = entitlement();
        entitlement.id = "x".repeat(1024);
        entitlement.resource = Some(resource(&"t".repeat(1024), &"r".repeat(1024)));
        assert_eq!(check_entitlement(&entitlement), Ok(()));
    }
}
