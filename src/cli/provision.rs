//! One-shot grants and revokes: what they name is looked up in the file of an earlier sync.

mod agreement;

use std::path::Path;

use super::{Exit, answer, failure};
use crate::baton::resource::ResourceExt as _;
use crate::baton::{any, v2};
use crate::c1z::{self, Reader};
use crate::connector::{Connector, Provision};

/// One change, by the ids in the file.
#[derive(Debug)]
pub(super) enum Change<'a> {
    Grant { entitlement: &'a str, principal: &'a str, principal_type: &'a str },
    Revoke { grant: &'a str },
}

/// Looks the change up and carries it out. The file stays as it is.
pub(super) async fn run(
    connector: &Connector,
    change: &Change<'_>,
    file: &Path,
    work_dir: &Path,
    provision: &Provision,
) -> Exit {
    let request = match Reader::open(file, work_dir)
        .map_err(Unknown::from)
        .and_then(|reader| find(&reader, change))
    {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(error = failure::chain(&error), file = %file.display(), "the change cannot be made");
            return error.exit();
        }
    };
    match request {
        Request::Grant(entitlement, principal) => {
            match connector.grant(&entitlement, &principal, provision).await {
                Ok(done) => {
                    let already = any::has::<v2::GrantAlreadyExists>(&done.annotations);
                    if provision.rehearsal.is_none() {
                        tracing::info!(entitlement = entitlement.id, already, "granted");
                    }
                    let word = if already { "granted already" } else { "granted" };
                    let text = format!("{word}: {} to {}", entitlement.id, principal.object_id());
                    answer::change(provision, &done, &text)
                }
                Err(error) => failure::of_operation("grant", error),
            }
        }
        Request::Revoke(grant) => match connector.revoke(&grant, provision).await {
            Ok(done) => {
                let already = any::has::<v2::GrantAlreadyRevoked>(&done.annotations);
                if provision.rehearsal.is_none() {
                    tracing::info!(grant = grant.id, already, "revoked");
                }
                let word = if already { "revoked already" } else { "revoked" };
                answer::change(provision, &done, &format!("{word}: {}", grant.id))
            }
            Err(error) => failure::of_operation("revoke", error),
        },
    }
}

/// A change with the messages that it is about.
#[derive(Debug)]
enum Request {
    Grant(v2::Entitlement, v2::Resource),
    Revoke(v2::Grant),
}

/// What the file lacks.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("{kind} {id:?} is not in the file; sync again, or look the id up with the baton command line")]
    Missing { kind: &'static str, id: String },
    #[error("resource {id:?} belongs to another connector (BatonID): it cannot be changed here")]
    Foreign { id: String },
    #[error(transparent)]
    Differs(#[from] agreement::Differs),
    #[error("the file cannot be used")]
    File(#[from] c1z::Error),
}

impl Unknown {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. } => Exit::NOT_FOUND,
            Self::Foreign { .. } | Self::Differs(_) | Self::File(c1z::Error::Contradiction { .. }) => {
                Exit::PRECONDITION
            }
            Self::File(_) => Exit::FAILURE,
        }
    }
}

fn find(reader: &Reader, change: &Change<'_>) -> Result<Request, Unknown> {
    match change {
        Change::Grant { entitlement, principal, principal_type } => {
            let entitlement = found("entitlement", entitlement, reader.entitlement(entitlement)?)?;
            let principal = found("principal", principal, reader.resource(principal_type, principal)?)?;
            Ok(Request::Grant(whole_entitlement(reader, entitlement)?, own(principal)?))
        }
        Change::Revoke { grant } => {
            let mut grant = found("grant", grant, reader.grant(grant)?)?;
            if let Some(stub) = grant.entitlement.take() {
                agreement::entitlement(&stub)?;
                let stored = reader.entitlement(&stub.id)?.unwrap_or(stub);
                grant.entitlement = Some(whole_entitlement(reader, stored)?);
            }
            if let Some(stub) = grant.principal.take() {
                grant.principal = Some(whole(reader, stub)?);
            }
            agreement::grant(&grant)?;
            Ok(Request::Revoke(grant))
        }
    }
}

/// An entitlement with its resource as the file has it, not merely as the entitlement names it.
fn whole_entitlement(reader: &Reader, mut entitlement: v2::Entitlement) -> Result<v2::Entitlement, Unknown> {
    agreement::entitlement(&entitlement)?;
    if let Some(stub) = entitlement.resource.take() {
        entitlement.resource = Some(whole(reader, stub)?);
    }
    Ok(entitlement)
}

fn whole(reader: &Reader, stub: v2::Resource) -> Result<v2::Resource, Unknown> {
    let stored = match &stub.id {
        Some(id) => reader.resource(&id.resource_type, &id.resource)?,
        None => None,
    };
    let resource = own(stored.unwrap_or(stub))?;
    agreement::resource(&resource)?;
    Ok(resource)
}

fn own(resource: v2::Resource) -> Result<v2::Resource, Unknown> {
    if any::has::<v2::BatonId>(&resource.annotations) {
        return Err(Unknown::Foreign { id: resource.id.map_or_else(String::new, |id| id.resource) });
    }
    Ok(resource)
}

fn found<T>(kind: &'static str, id: &str, row: Option<T>) -> Result<T, Unknown> {
    row.ok_or_else(|| Unknown::Missing { kind, id: id.to_owned() })
}
