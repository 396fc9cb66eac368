//! What several modules need: settings that reach a testbed, and a sync in a directory of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use batond::c1z::Reader;
use batond::config::{AccountKind, AwsSettings, QuotaSetting, Secret, StaticKeys};
use batond::connector::Connector;
use batond::sync::{self, Changes, Progress, Report, SyncError, SyncOptions};
use tempfile::TempDir;
use testbed::aws::{Fixture, IamRole, Server, Trust};
use tokio_util::sync::CancellationToken;

/// Settings that reach `aws` as the fixture's connector, with both services on and no quotas.
pub(crate) fn aws_settings(aws: &Server) -> AwsSettings {
    let testbed::aws::Credentials { access_key_id, secret_access_key } = aws.credentials();
    AwsSettings {
        region: Some("us-east-1".into()),
        endpoint_url: Some(aws.url()),
        static_keys: Some(StaticKeys { access_key_id, secret_access_key: Secret::from(secret_access_key) }),
        organizations: true,
        identity_center: true,
        quotas: QuotaSetting::Off,
        ..AwsSettings::default()
    }
}

/// Settings that switch everything on, as the role of the fixture.
pub(crate) fn everything_on(kind: AccountKind) -> AwsSettings {
    AwsSettings {
        role: Some("arn:aws:iam::111111111111:role/BatonConnector".parse().unwrap()),
        external_id: Some(Secret::from("CANARY-SECRET-0b5c7d-external-id-of-the-customer")),
        organizations: true,
        identity_center: true,
        cross_account_iam: true,
        secrets: true,
        iam_tags: true,
        resource_tags: true,
        console_access: true,
        last_login_events: true,
        account_kind: kind,
        protected_principals: vec!["*:user/nobody/*".into()],
        ..AwsSettings::default()
    }
}

/// The example, where the connector's role and that of the shop may do these.
pub(crate) fn allowing(main: &BTreeSet<String>, member: &BTreeSet<String>) -> Fixture {
    let mut fixture = Fixture::example().unwrap();
    let roles = &mut fixture.principals.roles;
    let connector = roles.iter_mut().find(|role| role.name == "BatonConnector").unwrap();
    connector.allow = main.iter().cloned().collect();
    roles.push(IamRole {
        name: "OrganizationAccountAccessRole".into(),
        account: Some("444444444444".into()),
        trust: vec![Trust { principals: vec!["BatonConnector".into()], ..Trust::default() }],
        allow: member.iter().cloned().collect(),
        ..IamRole::default()
    });
    fixture
}

/// A connector that reaches `aws`.
pub(crate) async fn connector(aws: &Server) -> Connector {
    Connector::open(&aws_settings(aws)).await.expect("the testbed lets the connector in")
}

/// A directory that a sync writes into.
pub(crate) struct Work {
    dir: TempDir,
}

impl Work {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("sync.c1z")
    }

    /// Names of everything that is left in the directory.
    pub(crate) fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub(crate) async fn sync(
        &self,
        connector: &Connector,
        options: &SyncOptions,
        cancel: CancellationToken,
    ) -> Result<Report, SyncError> {
        let (progress, changes) = (Progress::default(), Changes::default());
        sync::run(connector, options, &self.file(), self.path(), &progress, &changes, cancel).await
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn read(&self) -> Reader {
        Reader::open(&self.file(), self.dir.path()).expect("a file that we wrote opens")
    }
}

/// A full sync of `aws`.
pub(crate) async fn full_sync(aws: &Server, work: &Work) -> Result<Report, SyncError> {
    work.sync(&connector(aws).await, &SyncOptions::default(), CancellationToken::new()).await
}
