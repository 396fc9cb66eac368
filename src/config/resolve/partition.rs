//! Whether roles and regions are of one partition: credentials of one are not valid in another.

use crate::config::field::{aws, sync};
use crate::config::read::Reader;
use crate::config::{AwsSettings, Partition, RoleArn};

/// Refuses what names two partitions. Without a role and without a region of one's own nothing is compared: then the
/// ambient configuration alone says where this is.
pub(super) fn check(reader: &mut Reader, settings: &AwsSettings, two_hops: bool) {
    let role = settings.role.as_ref().map(RoleArn::partition);
    let binding = settings.binding_role.as_ref().map(RoleArn::partition).filter(|_| two_hops);
    if let (Some(role), Some(binding)) = (role, binding)
        && role != binding
    {
        reader.fault(
            &aws::GLOBAL_ROLE_ARN,
            format!(
                "the role is in partition {binding}, and that of BATON_ROLE_ARN in {role}: no role of one partition \
                 can be assumed from another. Run batond in {role}, with credentials of that partition, and unset \
                 BATON_GLOBAL_ROLE_ARN or name a role of {role} there"
            ),
        );
    }
    let region = settings.region.as_deref();
    if let (Some(role), Some(region)) = (role, region) {
        let place = Place { what: "the role of BATON_ROLE_ARN", partition: role };
        if let Some(fault) = place.contradicted_by(region, "name a region of that partition, or another role")
        {
            reader.fault(&aws::GLOBAL_REGION, fault);
        }
    }
    let of_role = role.map(|partition| Place { what: "the role of BATON_ROLE_ARN", partition });
    let of_region = region.map(|region| Place {
        what: "the region of BATON_GLOBAL_REGION",
        partition: Partition::of_region(region),
    });
    if let Some(place) = of_role.or(of_region)
        && settings.identity_center
        // One that is malformed is refused already.
        && !settings.identity_center_region.is_empty()
    {
        let advice = "name the region of that partition in which Identity Center was enabled";
        if let Some(fault) = place.contradicted_by(&settings.identity_center_region, advice) {
            reader.fault(&sync::GLOBAL_AWS_SSO_REGION, fault);
        }
    }
}

/// Something that says in which partition this is.
struct Place {
    what: &'static str,
    partition: Partition,
}

impl Place {
    /// What is wrong with a region of another partition.
    fn contradicted_by(&self, region: &str, advice: &str) -> Option<String> {
        let other = Partition::of_region(region);
        let Self { what, partition } = self;
        (other != *partition)
            .then(|| format!("{region} is in partition {other}, and {what} in {partition}: {advice}"))
    }
}
