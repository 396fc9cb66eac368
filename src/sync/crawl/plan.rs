//! Which of the two ways to read assignments takes fewer calls.

use super::principals::Groups;

/// Rows on one page of assignments.
const PAGE: u64 = 100;

/// How the assignments are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// One listing for each permission set provisioned to an account.
    PerPair,
    /// One listing for each user and group of the directory.
    PerPrincipal,
}

/// What is known before any assignment is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forecast {
    /// Permission sets provisioned to accounts.
    pub(super) pairs: u64,
    /// Users of the directory.
    pub(super) users: u64,
    /// Groups of the directory.
    pub(super) groups: u64,
}

impl Forecast {
    /// Per principal only where even its least cost is below that of the pairs: groups are then read first, and
    /// their rows tell what the users will take.
    pub(super) fn first(self) -> Way {
        if self.users + self.groups < self.pairs { Way::PerPrincipal } else { Way::PerPair }
    }

    /// Once the groups were read, whether the users are worth it: AWS lists with each user what is inherited from
    /// its groups, too. `rows_of_group` is in the order of the groups' numbers.
    pub(super) fn then(self, groups: &Groups, rows_of_group: &[u64]) -> Way {
        let of_users = self.users + extra_pages(&groups.members.sums(rows_of_group));
        if of_users < self.pairs { Way::PerPrincipal } else { Way::PerPair }
    }
}

/// Pages beyond the first of each listing with so many inherited rows.
fn extra_pages(inherited: &[u64]) -> u64 {
    inherited.iter().map(|rows| rows.saturating_sub(1) / PAGE).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_principals_are_asked_rather_than_many_pairs() {
        let large = Forecast { pairs: 57_000, users: 3_000, groups: 500 };
        assert_eq!(large.first(), Way::PerPrincipal);
        assert_eq!(large.then(&Groups::default(), &[]), Way::PerPrincipal);
        let medium = Forecast { pairs: 319, users: 500, groups: 50 };
        assert_eq!(medium.first(), Way::PerPair);
    }

    #[test]
    fn inherited_pages_count_against_asking_the_users() {
        assert_eq!(extra_pages(&[0, 1, 100, 101, 250]), 3);
        let mut groups = Groups::default();
        for user in 0..100 {
            groups.member("everyone", &format!("u{user}"));
        }
        let forecast = Forecast { pairs: 1_000, users: 100, groups: 1 };
        assert_eq!(forecast.first(), Way::PerPrincipal);
        assert_eq!(forecast.then(&groups, &[900]), Way::PerPrincipal);
        assert_eq!(forecast.then(&groups, &[1_000]), Way::PerPair, "ten pages for each of 100 users");
    }
}
