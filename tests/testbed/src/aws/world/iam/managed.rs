//! The policies that AWS manages: the same in every account of every organization.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entity, Policy};
use crate::aws::ids::Ids;
use crate::aws::world::created;

/// What the ARN of an AWS managed policy begins with.
pub(super) const PREFIX: &str = "arn:aws:iam::aws:policy/";

/// Parts of the names of the policies that fill up the number.
const SERVICES: [&str; 12] = [
    "Amazon S3",
    "Amazon EC2",
    "Amazon RDS",
    "Amazon SQS",
    "Amazon SNS",
    "AWS Lambda",
    "AWS Glue",
    "AWS Config",
    "AWS Backup",
    "Amazon EKS",
    "Amazon ECS",
    "AWS KMS",
];
const LEVELS: [&str; 3] = ["FullAccess", "ReadOnlyAccess", "ServiceRolePolicy"];

/// The policies that the fixture refers to, and as many more as it takes to be `count`.
pub(super) fn policies(referred: &BTreeSet<&str>, count: usize) -> BTreeMap<String, Policy> {
    let ids = Ids::new("aws");
    let mut policies: BTreeMap<String, Policy> = referred
        .iter()
        .filter(|arn| arn.starts_with(PREFIX))
        .map(|arn| ((*arn).to_owned(), policy(arn, &ids)))
        .collect();
    for index in 0.. {
        if policies.len() >= count {
            break;
        }
        let service = SERVICES.get(index % SERVICES.len()).copied().unwrap_or_default().replace(' ', "");
        let level = LEVELS.get(index / SERVICES.len() % LEVELS.len()).copied().unwrap_or_default();
        let path = if level == "ServiceRolePolicy" { "service-role/" } else { "" };
        let arn = format!("{PREFIX}{path}{service}{index:04}{level}");
        policies.entry(arn.clone()).or_insert_with(|| policy(&arn, &ids));
    }
    policies
}

fn policy(arn: &str, ids: &Ids) -> Policy {
    let path_and_name = arn.strip_prefix(PREFIX).unwrap_or(arn);
    let name = path_and_name.rsplit('/').next().unwrap_or(path_and_name);
    let path = format!("/{}", path_and_name.strip_suffix(name).unwrap_or_default());
    let parts = ["aws managed policy", path_and_name];
    let created = created(ids, &parts);
    let versions = usize::try_from(ids.offset_seconds(&parts) % 5).unwrap_or_default() + 1;
    Policy {
        entity: Entity {
            name: name.to_owned(),
            path,
            arn: arn.to_owned(),
            id: format!("ANPA{}", ids.upper(17, &parts)),
            created,
        },
        description: Some(format!("Provides what {name} says.")),
        tags: BTreeMap::new(),
        versions: (0..versions).map(|version| (document(path_and_name, version, ids), created)).collect(),
    }
}

/// A document of one to four kilobytes, as those of AWS are.
fn document(name: &str, version: usize, ids: &Ids) -> String {
    if name == "AdministratorAccess" {
        return r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#
            .to_owned();
    }
    let words = ids.lower(600, &["aws managed document", name, &version.to_string()]);
    let length = usize::try_from(ids.offset_seconds(&["length", name])).unwrap_or_default() % 60 + 20;
    let actions: Vec<String> = (0..length)
        .filter_map(|index| words.get(index * 7..index * 7 + 7))
        .map(|word| format!("\"{}:Describe{word}\"", word.get(..3).unwrap_or(word)))
        .collect();
    format!(
        "{{\n    \"Version\": \"2012-10-17\",\n    \"Statement\": [\n        {{\n            \"Sid\": \"V{version}\",\n            \"Effect\": \"Allow\",\n            \"Action\": [{}],\n            \"Resource\": \"*\"\n        }}\n    ]\n}}",
        actions.join(",\n                ")
    )
}
