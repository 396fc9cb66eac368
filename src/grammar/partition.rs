//! The partitions of AWS.

use std::fmt;

/// How the regions of a partition begin, where it is not `aws`.
const BEGINNINGS: [(&str, Partition); 7] = [
    ("us-gov-", Partition::UsGov),
    ("cn-", Partition::China),
    ("eusc-", Partition::Europe),
    ("us-iso-", Partition::Iso),
    ("us-isob-", Partition::IsoB),
    ("eu-isoe-", Partition::IsoE),
    ("us-isof-", Partition::IsoF),
];

/// A partition of AWS: a set of regions with its own accounts, endpoints and ARNs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Partition {
    /// The commercial regions, `aws`.
    Aws,
    /// `GovCloud` (US), `aws-us-gov`.
    UsGov,
    /// The regions in China, `aws-cn`.
    China,
    /// The European sovereign cloud, `aws-eusc`.
    Europe,
    /// The isolated regions of the United States, `aws-iso`.
    Iso,
    /// The same at another level, `aws-iso-b`.
    IsoB,
    /// The isolated regions of Europe, `aws-iso-e`.
    IsoE,
    /// The isolated regions of `aws-iso-f`.
    IsoF,
}

impl Partition {
    /// All partitions.
    const ALL: [Self; 8] =
        [Self::Aws, Self::UsGov, Self::China, Self::Europe, Self::Iso, Self::IsoB, Self::IsoE, Self::IsoF];

    /// The partition as an ARN writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::UsGov => "aws-us-gov",
            Self::China => "aws-cn",
            Self::Europe => "aws-eusc",
            Self::Iso => "aws-iso",
            Self::IsoB => "aws-iso-b",
            Self::IsoE => "aws-iso-e",
            Self::IsoF => "aws-iso-f",
        }
    }

    /// The partition that an ARN names so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The partition that a region is in; a region that begins like none of the others is in `aws`.
    ///
    /// Source: `regionRegex` of the partitions in AWS's rules of endpoints.
    pub fn of_region(region: &str) -> Self {
        let begun = BEGINNINGS.into_iter().find(|(beginning, _)| region.starts_with(beginning));
        begun.map_or(Self::Aws, |(_, partition)| partition)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_in_the_partition_that_it_begins_like() {
        for (region, partition) in [
            ("us-east-1", Partition::Aws),
            ("eu-central-1", Partition::Aws),
            ("ap-southeast-5", Partition::Aws),
            ("us-gov-west-1", Partition::UsGov),
            ("cn-north-1", Partition::China),
            ("cn-northwest-1", Partition::China),
            ("eusc-de-east-1", Partition::Europe),
            ("us-iso-east-1", Partition::Iso),
            ("us-isob-east-1", Partition::IsoB),
            ("eu-isoe-west-1", Partition::IsoE),
            ("us-isof-south-1", Partition::IsoF),
            ("", Partition::Aws),
            ("CN-north-1", Partition::Aws),
        ] {
            assert_eq!(Partition::of_region(region), partition, "{region}");
        }
    }

    #[test]
    fn a_name_is_that_of_one_partition_or_of_none() {
        for partition in Partition::ALL {
            assert_eq!(Partition::named(partition.as_str()), Some(partition));
        }
        for name in ["", "AWS", "aws-moon", "aws-"] {
            assert_eq!(Partition::named(name), None, "{name}");
        }
    }
}
