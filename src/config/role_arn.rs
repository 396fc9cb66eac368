//! ARNs of IAM roles.

use std::fmt;
use std::str::FromStr;

use crate::grammar::{self, Partition};

/// `arn:<partition>:iam::<account>:role/<path and name>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoleArn {
    partition: Partition,
    account: String,
    path_and_name: String,
}

impl RoleArn {
    /// The partition of AWS in which the role lives.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The account of the role: twelve digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What follows `role/`: the path without its leading `/`, then the name.
    pub fn path_and_name(&self) -> &str {
        &self.path_and_name
    }

    /// The name alone, as it appears in the ARN of an assumed-role session.
    pub fn name(&self) -> &str {
        self.path_and_name.rsplit('/').next().unwrap_or(&self.path_and_name)
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:iam::{}:role/{}", self.partition, self.account, self.path_and_name)
    }
}

impl FromStr for RoleArn {
    type Err = RoleArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(6, ':');
        let (Some("arn"), Some(partition), Some(service), Some(region), Some(account), Some(resource)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(RoleArnError::Shape);
        };
        let partition = Partition::named(partition).ok_or(RoleArnError::Partition)?;
        if service != "iam" {
            return Err(RoleArnError::Service);
        }
        if !region.is_empty() {
            return Err(RoleArnError::Region);
        }
        if !grammar::is_account(account) {
            return Err(RoleArnError::Account);
        }
        let path_and_name = resource.strip_prefix("role/").ok_or(RoleArnError::Resource)?;
        let (path, name) = path_and_name.rsplit_once('/').unwrap_or(("", path_and_name));
        // IAM: a path is up to 512 visible ASCII characters, a name 1 to 64 of its own alphabet.
        let path_fits = path.len() <= 510 && path.bytes().all(|b| b.is_ascii_graphic());
        let in_name = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
        if !path_fits || !(1..=64).contains(&name.len()) || !name.bytes().all(in_name) {
            return Err(RoleArnError::Name);
        }
        Ok(Self { partition, account: account.to_owned(), path_and_name: path_and_name.to_owned() })
    }
}

/// Why a text is not the ARN of an IAM role.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RoleArnError {
    /// Not six parts separated by `:` of which the first is `arn`.
    #[error("expected arn:<partition>:iam::<account>:role/<name>")]
    Shape,
    /// An unknown partition.
    #[error(
        "only the partitions aws, aws-us-gov, aws-cn, aws-eusc, aws-iso and aws-iso-b, -e, -f are supported"
    )]
    Partition,
    /// An ARN of another service (also `sts`, whose assumed-role ARNs name a session, not a role).
    #[error("the service must be iam")]
    Service,
    /// A region, which IAM has not.
    #[error("the region must be empty")]
    Region,
    /// An account id that is not twelve digits.
    #[error("the account id must be 12 digits")]
    Account,
    /// Something else than a role.
    #[error("the resource must start with role/")]
    Resource,
    /// A path or name that IAM does not allow.
    #[error("the role name must match regexp ^[\\w+=,.@-]{{1,64}}$")]
    Name,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_role_arn_is_refused() {
        let long = format!("arn:aws:iam::123456789012:role/{}", "a".repeat(65));
        for (text, error) in [
            ("", RoleArnError::Shape),
            ("role/baton", RoleArnError::Shape),
            ("arn:aws:iam::123456789012", RoleArnError::Shape),
            ("arn:aws-moon:iam::123456789012:role/baton", RoleArnError::Partition),
            ("arn:aws:sts::123456789012:role/baton", RoleArnError::Service),
            ("arn:aws:iam:us-east-1:123456789012:role/baton", RoleArnError::Region),
            ("arn:aws:iam::12345678901:role/baton", RoleArnError::Account),
            ("arn:aws:iam::12345678901x:role/baton", RoleArnError::Account),
            ("arn:aws:iam::123456789012:user/baton", RoleArnError::Resource),
            ("arn:aws:iam::123456789012:role/", RoleArnError::Name),
            ("arn:aws:iam::123456789012:role/a b", RoleArnError::Name),
            ("arn:aws:iam::123456789012:role/a:b", RoleArnError::Name),
            (&long, RoleArnError::Name),
        ] {
            assert_eq!(text.parse::<RoleArn>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_role_arn_of_every_partition_prints_as_it_was_written() {
        for (text, partition) in [
            ("arn:aws:iam::123456789012:role/baton", Partition::Aws),
            ("arn:aws-us-gov:iam::123456789012:role/service/team/baton+x", Partition::UsGov),
            ("arn:aws-cn:iam::123456789012:role/baton", Partition::China),
            ("arn:aws-eusc:iam::123456789012:role/baton", Partition::Europe),
            ("arn:aws-iso:iam::123456789012:role/baton", Partition::Iso),
            ("arn:aws-iso-b:iam::123456789012:role/baton", Partition::IsoB),
            ("arn:aws-iso-e:iam::123456789012:role/baton", Partition::IsoE),
            ("arn:aws-iso-f:iam::123456789012:role/baton", Partition::IsoF),
        ] {
            let arn: RoleArn = text.parse().unwrap();
            assert_eq!((arn.partition(), arn.to_string().as_str()), (partition, text));
        }
    }

    #[test]
    fn the_name_is_the_last_segment_of_the_path() {
        let arn: RoleArn = "arn:aws:iam::123456789012:role/service/baton".parse().unwrap();
        assert_eq!(
            (arn.account(), arn.path_and_name(), arn.name()),
            ("123456789012", "service/baton", "baton")
        );
    }
}
