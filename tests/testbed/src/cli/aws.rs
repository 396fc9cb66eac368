//! `testbed aws`

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use testbed::aws::{Fixture, FixtureError, IamShape, Quotas, Server, Shape, Transport};

const EXAMPLE: &str = "\
To test a connector of your own, give it an organization with IAM in every account:

  testbed aws --preset medium-members > aws.env &
  until grep -q ACCESS_KEY aws.env; do sleep 0.1; done
  . ./aws.env         # AWS_ENDPOINT_URL, AWS_REGION and an access key, for the SDK's own chain
  your-connector
  curl \"$AWS_ENDPOINT_URL/_testbed/counters?action=iam:*\"

The access key is that of a user in the management account, who may do everything. Every member account has a role OrganizationAccountAccessRole that this user can assume; what IAM of that account holds is seen through a session of it. The counters tell what was called by whom, and how often.

Then make it hard, with --latency-ms 50, --quotas, --account-quotas or --page-size 1, or with faults while it runs:

  curl -X POST $AWS_ENDPOINT_URL/_testbed/faults -H 'content-type: application/json' \\
    -d '{\"action\": \"iam:ListRoles\", \"times\": 2, \"effect\": \"throttle\"}'

Effects that go without a value: throttle, deny, expired_credentials, reset, lost_reply, truncated_body, empty_body, cut_body, empty_page, repeated_token. Those with one: {\"throttle_for\": 1500}, {\"status\": 500}, {\"slow_body\": 200}, {\"delay\": 200}, {\"drop\": \"UserName\"}, {\"wrong_type\": \"Users\"}, {\"unknown_value\": \"State\"}, {\"replace\": {\"member\": \"Arn\", \"value\": 1}}, {\"error\": {\"code\": \"Odd\", \"status\": 400}}, {\"settles_failed\": \"a reason\"}.

To describe an organization of your own, start from the example: testbed aws --print-fixture > mine.yaml. Knobs and faults can stand in that file too. tests/testbed/README.md explains all of it.";

/// Serve an AWS organization that can be broken.
///
/// Speaks the wire protocols of STS, Organizations, Identity Store, SSO Admin, IAM and `CloudTrail` on one endpoint.
/// Point any AWS SDK at it with the variables that it prints at start. Everything is held in memory; Ctrl-C ends it.
/// While it runs, knobs, faults, counters and the transcript of calls are under `/_testbed/` on the same endpoint:
/// `curl $AWS_ENDPOINT_URL/_testbed/` lists what there is.
#[derive(Debug, ClapArgs)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 4566)))]
    listen: SocketAddr,

    /// A fixture file; see `tests/testbed/README.md` for its format.
    #[arg(long, conflicts_with_all = ["preset", "Size"])]
    fixture: Option<PathBuf>,

    /// An organization to serve instead of a file.
    #[arg(long, value_enum, default_value_t = Preset::Example)]
    preset: Preset,

    /// Milliseconds that pass before each call is carried out.
    #[arg(long)]
    latency_ms: Option<u64>,
    /// Throttle calls beyond the rates that AWS documents.
    #[arg(long)]
    quotas: bool,
    /// Throttle IAM and `CloudTrail` in each account by itself.
    #[arg(long)]
    account_quotas: bool,
    /// Milliseconds that an account assignment stays in progress.
    #[arg(long)]
    settle_ms: Option<u64>,
    /// Largest page of every listing, below AWS's own limits.
    #[arg(long)]
    page_size: Option<usize>,

    /// Speak HTTPS with a certificate of a fresh authority, whose certificate is written to this file.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// Print the fixture as YAML and exit.
    #[arg(long)]
    print_fixture: bool,

    #[command(flatten)]
    size: Size,
}

/// Numbers of a generated organization. Those that are not given are those of the preset, or of `small`.
#[derive(Clone, Copy, Debug, ClapArgs)]
#[command(
    next_help_heading = "A generated organization (numbers left out are those of the preset, or of `small`)"
)]
#[group(multiple = true)]
struct Size {
    /// Accounts; one of them manages.
    #[arg(long)]
    accounts: Option<usize>,
    /// Organizational units.
    #[arg(long)]
    organizational_units: Option<usize>,
    /// Permission sets.
    #[arg(long)]
    permission_sets: Option<usize>,
    /// Users.
    #[arg(long)]
    users: Option<usize>,
    /// Groups.
    #[arg(long)]
    groups: Option<usize>,
    /// Group memberships.
    #[arg(long)]
    memberships: Option<usize>,
    /// Account assignments.
    #[arg(long)]
    assignments: Option<usize>,
    /// Distinct pairs of account and permission set among the assignments.
    #[arg(long)]
    pairs: Option<usize>,
    /// How many of a hundred assignments go to groups.
    #[arg(long)]
    group_percent: Option<u8>,
    /// Which organization of that size.
    #[arg(long)]
    seed: Option<u64>,
    /// What IAM of the management account holds.
    #[arg(long, value_enum)]
    iam: Option<IamSize>,
    /// What IAM of each other account holds.
    #[arg(long, value_enum)]
    iam_per_member: Option<IamSize>,
    /// AWS managed policies that every account sees; a real account sees some 1,600.
    #[arg(long)]
    aws_managed_policies: Option<usize>,
}

/// How much IAM of an account holds.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum IamSize {
    /// Nothing.
    None,
    /// 10 users, 3 groups, 15 roles, 5 policies, 5 access keys.
    Small,
    /// 100 users, 30 groups, 150 roles, 40 policies, 50 access keys.
    Medium,
    /// 2 users, a group, 10 roles, 3 policies, 2 access keys.
    Member,
}

impl IamSize {
    fn shape(self) -> IamShape {
        match self {
            Self::None => IamShape::NONE,
            Self::Small => IamShape::SMALL,
            Self::Medium => IamShape::MEDIUM,
            Self::Member => IamShape::MEMBER,
        }
    }
}

impl Size {
    fn is_given(&self) -> bool {
        let Self {
            accounts,
            organizational_units,
            permission_sets,
            users,
            groups,
            memberships,
            assignments,
            pairs,
            group_percent,
            seed,
            iam,
            iam_per_member,
            aws_managed_policies,
        } = self;
        let counts = [
            accounts,
            organizational_units,
            permission_sets,
            users,
            groups,
            memberships,
            assignments,
            pairs,
            aws_managed_policies,
        ];
        counts.into_iter().any(Option::is_some)
            || group_percent.is_some()
            || seed.is_some()
            || [iam, iam_per_member].into_iter().any(Option::is_some)
    }
}

/// Organizations that need no file.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    /// Few things, with the odd corners that real organizations have.
    Example,
    /// 5 accounts, 50 users, 40 assignments.
    Small,
    /// 50 accounts, 500 users, 400 assignments.
    Medium,
    /// `medium` with IAM in the management account: 100 users, 30 groups, 150 roles, 40 policies.
    MediumIam,
    /// `medium-iam` with the 1,582 AWS managed policies of a real account.
    MediumPlus,
    /// `medium-iam` with IAM in every member account.
    MediumMembers,
    /// 2,000 accounts, 100,000 users, a million grants once groups are expanded. Takes some seconds to make.
    Large,
}

impl Args {
    fn fixture(&self) -> Result<Fixture, FixtureError> {
        let mut fixture = match (&self.fixture, self.shape()) {
            (Some(path), _) => Fixture::from_path(path)?,
            (None, Some(shape)) => Fixture::generate(shape)?,
            (None, None) => Fixture::example()?,
        };
        let knobs = &mut fixture.knobs;
        if let Some(latency) = self.latency_ms {
            knobs.latency = Duration::from_millis(latency);
        }
        if let Some(settle) = self.settle_ms {
            knobs.settle = Duration::from_millis(settle);
        }
        if self.quotas {
            knobs.quotas = Quotas::Documented;
        }
        knobs.account_quotas |= self.account_quotas;
        if self.page_size.is_some() {
            knobs.page_size = self.page_size;
        }
        Ok(fixture)
    }

    /// The shape that the numbers ask for; `None` when nothing asks for a generated organization.
    fn shape(&self) -> Option<Shape> {
        let base = match self.preset {
            Preset::Medium => Shape::MEDIUM,
            Preset::MediumIam => Shape::MEDIUM_IAM,
            Preset::MediumPlus => Shape::MEDIUM_PLUS,
            Preset::MediumMembers => Shape::MEDIUM_MEMBERS,
            Preset::Large => Shape::LARGE,
            Preset::Example | Preset::Small => Shape::SMALL,
        };
        let shape = Shape {
            accounts: self.size.accounts.unwrap_or(base.accounts),
            organizational_units: self.size.organizational_units.unwrap_or(base.organizational_units),
            permission_sets: self.size.permission_sets.unwrap_or(base.permission_sets),
            users: self.size.users.unwrap_or(base.users),
            groups: self.size.groups.unwrap_or(base.groups),
            memberships: self.size.memberships.unwrap_or(base.memberships),
            assignments: self.size.assignments.unwrap_or(base.assignments),
            pairs: self.size.pairs.unwrap_or(base.pairs),
            group_percent: self.size.group_percent.unwrap_or(base.group_percent),
            seed: self.size.seed.unwrap_or(base.seed),
            iam: self.size.iam.map_or(base.iam, IamSize::shape),
            iam_per_member: self.size.iam_per_member.map_or(base.iam_per_member, IamSize::shape),
            aws_managed_policies: self.size.aws_managed_policies.unwrap_or(base.aws_managed_policies),
        };
        let generated = !matches!(self.preset, Preset::Example) || self.size.is_given();
        generated.then_some(shape)
    }
}

/// Serves until interrupted.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line talks to a person")]
pub(crate) async fn run(args: Args) -> ExitCode {
    let fixture = match args.fixture() {
        Ok(fixture) => fixture,
        Err(error) => {
            eprintln!("testbed aws: {error}");
            return ExitCode::FAILURE;
        }
    };
    if args.print_fixture {
        return match fixture.to_yaml() {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("testbed aws: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let region = fixture.identity_center.region.clone();
    let transport = if args.tls_ca.is_some() { Transport::Tls } else { Transport::Plain };
    let server = match Server::start_on(fixture, args.listen, transport).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("testbed aws: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let (Some(path), Some(pem)) = (&args.tls_ca, server.ca_pem()) {
        if let Err(error) = std::fs::write(path, pem) {
            eprintln!("testbed aws: write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
        println!("export AWS_CA_BUNDLE={}", path.display());
    }
    let key = server.credentials();
    println!("export AWS_ENDPOINT_URL={}", server.url());
    println!("export AWS_REGION={region} AWS_DEFAULT_REGION={region}");
    println!(
        "export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
        key.access_key_id, key.secret_access_key
    );
    if let Some(role) = server.connector_role_arn() {
        println!("# role of the connector: {role}");
    }
    // An interrupt that cannot be waited for ends the server as well.
    tokio::signal::ctrl_c().await.ok();
    ExitCode::SUCCESS
}
